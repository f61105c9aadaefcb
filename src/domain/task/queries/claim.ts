import { z } from "zod";
import { ints, sql, texts } from "../../../db/sql.ts";

export const PRIORITIES: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

export const ClaimedRow = z.strictObject({
  id: z.uuid(),
  name: z.string().nullable(),
  payload: z.unknown(),
  priority: z.int(),
  attempts: z.int(),
  max_attempts: z.int(),
  lease_seq: z.int(),
  run_at: z.number(),
  expires_at: z.number(),
  added: z.number(),
  tags: z.array(z.string()).nullable(),
  depends_on: z.array(z.uuid()).nullable(),
});
export type ClaimedRow = z.output<typeof ClaimedRow>;

export interface ClaimArgs {
  readonly queueId: number;
  readonly limit: number;
  /** Null for the queue's own. */
  readonly leaseSeconds: number | null;
  readonly worker: string | null;
}

// What both claims do with the rows they picked: the move from ready to claimed, and the facts that the worker gets.
const moveToLease = (a: ClaimArgs) => sql.fragment`
  gone as (
    delete from task_ready r using picked p
    where r.queue_id = any(array[p.queue_id]) and r.priority = p.priority and r.run_at = p.run_at and r.id = p.id
    returning r.id, r.attempts + 1 as attempts, r.lease_seq + 1 as lease_seq, r.has_dependents
  ), lease as (
    insert into task_lease as l (id, queue_id, attempts, lease_seq, claimed_at, expires_at, has_dependents, worker)
    select g.id, ${a.queueId}, g.attempts, g.lease_seq, now(),
           now() + make_interval(secs => coalesce(${a.leaseSeconds}::float8, h.lease_seconds)), g.has_dependents, ${a.worker}::text
    from gone g cross join home h
    returning l.id, l.attempts, l.lease_seq, l.expires_at
  )
  select l.id, t.name, t.payload, t.priority::int as priority, l.attempts, t.max_attempts, l.lease_seq, t.run_at, l.expires_at,
         t.added, t.tags, t.depends_on
  from lease l cross join lateral (
    select t.name, t.payload, t.priority, t.max_attempts, t.run_at, t.added, t.tags, t.depends_on
    from task t where t.id = l.id and t.queue_id = ${a.queueId} offset 0
  ) t`;

/**
 * Claims up to `limit` due tasks of one queue, none if it is paused. Answers them in no order.
 *
 * One index range per priority, walked in turn: a nested loop over the priorities stops as soon as the limit is met, so no
 * row is locked that is not claimed. Sorting here would read and lock `limit` rows of every priority.
 * A materialized CTE on purpose: written as a sub-select, the planner may run it more than once and claim more than `limit`.
 * Index: task_ready's primary key (queue_id, priority, run_at, id).
 */
export const claimTasks = (a: ClaimArgs) => sql.prepared("claim_tasks", ClaimedRow)`
  with home as materialized (
    select q.lease_seconds from queue q where q.id = ${a.queueId} and not q.paused
  ), picked as materialized (
    select r.queue_id, r.priority, r.run_at, r.id
    from home cross join unnest(${ints(PRIORITIES)}) as p(priority)
    cross join lateral (
      select r.queue_id, r.priority, r.run_at, r.id from task_ready r
      where r.queue_id = ${a.queueId} and r.priority = p.priority::smallint and r.run_at <= now()
      order by r.run_at, r.id limit ${a.limit} for update skip locked
    ) r
    limit ${a.limit}
  ), ${moveToLease(a)}`;

/**
 * Claims up to `limit` due tasks that carry one of `names`. The names' ranges are merged before rows are locked, so among
 * several instances it may find fewer than there are (rows that another one is claiming just then); the next claim finds them.
 * Index: task_ready_name_idx (queue_id, name, priority, run_at, id).
 */
export const claimNamedTasks = (a: ClaimArgs, names: readonly string[]) => sql.prepared(
  "claim_named_tasks",
  ClaimedRow,
)`
  with home as materialized (
    select q.lease_seconds from queue q where q.id = ${a.queueId} and not q.paused
  ), candidates as materialized (
    select r.priority, r.run_at, r.id
    from home cross join unnest(${ints(PRIORITIES)}) as p(priority)
    cross join unnest(${texts(names)}) as n(name)
    cross join lateral (
      select r.priority, r.run_at, r.id from task_ready r
      where r.queue_id = ${a.queueId} and r.name = n.name and r.priority = p.priority::smallint and r.run_at <= now()
      order by r.run_at, r.id limit ${a.limit}
    ) r
    order by r.priority, r.run_at, r.id limit ${a.limit} * 2
  ), picked as materialized (
    select r.queue_id, r.priority, r.run_at, r.id
    from candidates c cross join lateral (
      select r.queue_id, r.priority, r.run_at, r.id from task_ready r
      where r.queue_id = ${a.queueId} and r.priority = c.priority and r.run_at = c.run_at and r.id = c.id
      for update skip locked
    ) r
    limit ${a.limit}
  ), ${moveToLease(a)}`;
