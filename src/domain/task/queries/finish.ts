import type { FragmentSqlToken } from "slonik";
import { z } from "zod";
import { booleans, floats, ints, jsons, sql, uuids } from "../../../db/sql.ts";
import type { Lease } from "../receipt.ts";
import { toldWorkflows } from "./workflow-ends.ts";

const ids = (receipts: readonly Lease[]) => uuids(receipts.map((r) => r.id));
const seqs = (receipts: readonly Lease[]) => ints(receipts.map((r) => r.leaseSeq));

// How a target of UPDATE or DELETE is joined to its list, here and in the other files: `t.id = any(array[h.id]) and
// t.queue_id = h.queue_id`. It means `t.id = h.id`, but leaves the planner one way only: a look-up by the key for each row
// of the list. With plain equality, or the queue's number as a constant, it may read the whole table in index order and
// look each row up in the list, and does so where it believes the table empty: which statistics say of a queue that has
// been drained, until long after the next flood (docs/decisions/0003). Reads use a lateral sub-query for the same end.

/**
 * Ends the leases that the receipts name, in the input's order, which is that of the ids, so that two batches cannot wait
 * for each other in a circle. Each item's own values are carried along: joining them on again would be a loop over two
 * lists. A lease whose task has dependents is left alone unless `settling`: it may only end in a transaction that settles
 * them.
 */
const held = (queueId: number, settling: boolean, carried: FragmentSqlToken, also = sql.fragment`true`) => sql.fragment`
  named as materialized (
    select i.*, ${queueId}::int as queue_id from input i
  ), held as (
    delete from task_lease l using named i
    where l.id = any(array[i.id]) and l.queue_id = i.queue_id and l.lease_seq = i.seq
      and ${settling ? sql.fragment`true` : sql.fragment`not l.has_dependents`} and ${also}
    returning l.id, l.queue_id, l.attempts, l.lease_seq, l.worker, l.claimed_at, l.progress, l.has_dependents, ${carried}
  )`;

/**
 * Says in the catalogue how the tasks of `done` ended, those of them that are in it. One that came into it since the
 * statement's snapshot, while this waited for the row, is not found there: it is answered as `unlisted`, and must be brought
 * up to date by another statement.
 */
export const listed = sql.fragment`
  listed as (
    update task_catalogue c set outcome = d.outcome, finished = d.finished from done d
    where d.catalogued and d.outcome is not null and c.id = any(array[d.id]) and c.queue_id = d.queue_id
    returning c.id
  )`;
// Tasks of workflows end in the statements that settle, so the others, which most tasks end in, need not look for them.
const workflowOf = (settling: boolean) => (settling ? sql.fragment`, t.workflow_id` : sql.fragment``);
const tellingWorkflows = (settling: boolean) => (settling ? sql.fragment`${toldWorkflows},` : sql.fragment``);

export const unlisted = sql.fragment`
  (d.catalogued and d.outcome is not null and d.id not in (select l.id from listed l)) as unlisted`;

/**
 * Completes the claimed tasks that the receipts name and answers their ids; receipts that are not current change nothing, and
 * neither do those of tasks whose end must be told (completeAwaitedTasks).
 * Indexes: task_lease's and task's primary keys.
 */
export const completeTasks = (
  queueId: number,
  items: readonly (Lease & { readonly result?: unknown })[],
) => sql.prepared(
  "complete_tasks",
  z.strictObject({ id: z.uuid(), lease_seq: z.int(), worker: z.string().nullable(), unlisted: z.boolean() }),
)`
  with input as materialized (
    select * from unnest(${ids(items)}, ${seqs(items)}, ${jsons(items.map((i) => i.result))}::jsonb[])
      as i(id, seq, result) order by i.id
  ), ${held(queueId, false, sql.fragment`i.result`)}, done as (
    update task t set outcome = 'completed', finished = now(), updated = now(), attempts = h.attempts, lease_seq = h.lease_seq,
      result = h.result, progress = h.progress, last_worker = h.worker, last_claimed = h.claimed_at
    from held h
    where t.id = any(array[h.id]) and t.queue_id = h.queue_id
    returning t.id, t.queue_id, t.lease_seq, t.outcome, t.finished, t.catalogued, h.worker
  ), ${listed}, counted as (
    insert into queue_delta (queue_id, completed) select ${queueId}, count(*) from done having count(*) > 0
  )
  select d.id, d.lease_seq, d.worker, ${unlisted} from done d`;

export interface FailItem extends Lease {
  /** {message, code, data?}; the statement adds attempt, at and worker. */
  readonly error: unknown;
  readonly retry: boolean;
  /** Null for the queue's back-off. */
  readonly delaySeconds: number | null;
  /** Drawn evenly from [0, 1): where in the jittered delay this task falls. */
  readonly luck: number;
}

/**
 * Ends attempts as failed: back to ready after the back-off while attempts are left, else dead. Answers the new state and
 * when it runs again. Indexes: as completeTasks.
 */
export const failTasks = (queueId: number, items: readonly FailItem[], settling: boolean) => sql.prepared(
  settling ? "fail_awaited_tasks" : "fail_tasks",
  z.strictObject({
    id: z.uuid(),
    lease_seq: z.int(),
    dead: z.boolean(),
    run_at: z.number(),
    worker: z.string().nullable(),
    unlisted: z.boolean(),
  }),
)`
  with input as materialized (
    select * from unnest(${ids(items)}, ${seqs(items)}, ${jsons(items.map((i) => i.error))}::jsonb[],
        ${booleans(items.map((i) => i.retry))}, ${floats(items.map((i) => i.delaySeconds))}, ${floats(items.map((i) => i.luck))})
      as i(id, seq, error, retry, delay, luck) order by i.id
  ), home as materialized (
    select q.* from queue q where q.id = ${queueId}
  ), ${held(
    queueId,
    settling,
    sql.fragment`i.error, i.retry, i.delay, i.luck`,
    // Of a queue that is gone nothing ends: the back-off is not known any more, and upkeep removes the task.
    sql.fragment`exists (select 1 from home)`,
  )}, done as (
    update task t set
      errors = coalesce(t.errors, '[]') || (h.error
        || jsonb_build_object('attempt', h.attempts, 'at', now(), 'worker', h.worker, 'claimed', h.claimed_at)),
      updated = now(), attempts = h.attempts, lease_seq = h.lease_seq, progress = h.progress,
      last_worker = h.worker, last_claimed = h.claimed_at,
      outcome = case when not h.retry or h.attempts >= t.max_attempts then 'failed'::task_outcome end,
      finished = case when not h.retry or h.attempts >= t.max_attempts then now() end,
      run_at = case when not h.retry or h.attempts >= t.max_attempts then t.run_at
        else now() + make_interval(secs => coalesce(h.delay,
          case when q.backoff_jitter then h.luck else 1 end
            * least(q.backoff_max_seconds, q.backoff_base_seconds * power(q.backoff_factor, least(h.attempts - 1, 100))))) end
    from held h cross join home q
    where t.id = any(array[h.id]) and t.queue_id = h.queue_id
    returning t.id, t.queue_id, t.outcome is not null as dead, t.outcome, t.finished, t.catalogued, t.run_at, t.priority,
      t.attempts, t.lease_seq, h.has_dependents, t.name, h.worker ${workflowOf(settling)}
  ), ${listed}, ${tellingWorkflows(settling)} again as (
    insert into task_ready (queue_id, priority, run_at, id, attempts, lease_seq, has_dependents, name)
    select ${queueId}, d.priority, d.run_at, d.id, d.attempts, d.lease_seq, d.has_dependents, d.name from done d where not d.dead
  ), counted as (
    insert into queue_delta (queue_id, failed) select ${queueId}, count(*) from done where dead having count(*) > 0
  )
  select d.id, d.lease_seq, d.dead, d.run_at, d.worker, ${unlisted} from done d`;

/**
 * Hands claimed tasks back: ready again after a delay, or at their old place for null; the attempt is given back, the
 * lease sequence not. Indexes: as completeTasks.
 */
export const releaseTasks = (
  queueId: number,
  items: readonly (Lease & { readonly delaySeconds: number | null })[],
) => sql.prepared("release_tasks", z.strictObject({ id: z.uuid(), lease_seq: z.int(), run_at: z.number() }))`
  with input as materialized (
    select * from unnest(${ids(items)}, ${seqs(items)}, ${floats(items.map((i) => i.delaySeconds))})
      as i(id, seq, delay) order by i.id
  ), ${held(queueId, true, sql.fragment`i.delay`)}, done as (
    update task t set updated = now(), attempts = h.attempts - 1, lease_seq = h.lease_seq,
      run_at = coalesce(now() + make_interval(secs => h.delay), t.run_at)
    from held h
    where t.id = any(array[h.id]) and t.queue_id = h.queue_id
    returning t.id, t.run_at, t.priority, t.attempts, t.lease_seq, h.has_dependents, t.name
  ), again as (
    insert into task_ready (queue_id, priority, run_at, id, attempts, lease_seq, has_dependents, name)
    select ${queueId}, d.priority, d.run_at, d.id, d.attempts, d.lease_seq, d.has_dependents, d.name from done d
  )
  select d.id, d.lease_seq, d.run_at from done d`;

/**
 * Renews leases from now on, null seconds for the queue's own, and notes their progress where one is given. Answers the
 * progress that stands: that of an earlier attempt, which the task has, until there is another. Indexes: task_lease's and
 * task's primary keys.
 */
export const extendLeases = (
  queueId: number,
  items: readonly (Lease & { readonly leaseSeconds: number | null; readonly progress?: unknown })[],
) => sql.prepared(
  "extend_leases",
  z.strictObject({ id: z.uuid(), lease_seq: z.int(), expires_at: z.number(), progress: z.unknown() }),
)`
  with input as materialized (
    select * from unnest(${ids(items)}, ${seqs(items)}, ${floats(items.map((i) => i.leaseSeconds))},
        ${jsons(items.map((i) => i.progress))}::jsonb[])
      as i(id, seq, seconds, progress) order by i.id
  ), home as materialized (
    select q.lease_seconds from queue q where q.id = ${queueId}
  ), held as materialized (
    select l.id, l.queue_id, i.seconds, i.progress from input i cross join lateral (
      select l.id, l.queue_id from task_lease l
      where l.id = i.id and l.queue_id = ${queueId} and l.lease_seq = i.seq for update
    ) l
  )
  update task_lease l set expires_at = now() + make_interval(secs => coalesce(h.seconds, home.lease_seconds)),
    progress = coalesce(h.progress, l.progress)
  from held h cross join home
  where l.id = any(array[h.id]) and l.queue_id = h.queue_id
  returning l.id, l.lease_seq, l.expires_at, coalesce(l.progress,
    (select t.progress from task t where t.id = l.id and t.queue_id = l.queue_id)) as progress`;

/** Notes progress on the lease, which is narrow, instead of on the task. Index: task_lease's primary key. */
export const noteProgress = (
  queueId: number,
  items: readonly (Lease & { readonly progress: unknown })[],
) => sql.prepared("note_progress", z.strictObject({ id: z.uuid(), lease_seq: z.int() }))`
  with input as materialized (
    select * from unnest(${ids(items)}, ${seqs(items)}, ${jsons(items.map((i) => i.progress))}::jsonb[])
      as i(id, seq, progress) order by i.id
  ), held as materialized (
    select l.id, l.queue_id, i.progress from input i cross join lateral (
      select l.id, l.queue_id from task_lease l
      where l.id = i.id and l.queue_id = ${queueId} and l.lease_seq = i.seq for update
    ) l
  )
  update task_lease l set progress = h.progress from held h
  where l.id = any(array[h.id]) and l.queue_id = h.queue_id
  returning l.id, l.lease_seq`;

/**
 * What became of tasks whose receipts were not current: their state, and the lease that ended them. Reads, locks nothing.
 * Indexes: task's primary key and those of the narrow tables.
 */
export const lookAtReceipts = (queueId: number, taskIds: readonly string[]) => sql.prepared(
  "look_at_receipts",
  z.strictObject({ id: z.uuid(), state: z.string().nullable(), lease_seq: z.int() }),
)`
  select v.id, v.state, v.lease_seq
  from unnest(${uuids(taskIds)}) as i(id) cross join lateral (
    select v.id, v.state, v.lease_seq from task_with_state v where v.id = i.id and v.queue_id = ${queueId} offset 0
  ) v`;

/**
 * Returns tasks of any queue whose lease ran out, by the database's clock: ready at once while attempts are left, else
 * dead. Skips leases that somebody is just ending or extending, and leaves out those that ran out before `from` (epoch
 * milliseconds; null: none), where ended leases have left dead index entries. Index: task_lease_expires_idx.
 */
export const expireLeases = (limit: number, from: number | null = null) => sql.prepared(
  "expire_leases",
  z.strictObject({
    id: z.uuid(),
    queue_id: z.int(),
    dead: z.boolean(),
    has_dependents: z.boolean(),
    worker: z.string().nullable(),
    expired_at: z.number(),
    unlisted: z.boolean(),
  }),
)`
  with late as materialized (
    select l.id, l.queue_id, l.attempts, l.lease_seq, l.worker, l.progress, l.has_dependents, l.claimed_at, l.expires_at
    from task_lease l
    where l.expires_at >= ${from === null ? "-infinity" : new Date(from).toISOString()}::timestamptz and l.expires_at <= now()
    order by l.expires_at limit ${limit} for update skip locked
  ), gone as (
    delete from task_lease l using late h where l.id = any(array[h.id]) and l.queue_id = h.queue_id
  ), done as (
    update task t set
      errors = coalesce(t.errors, '[]') || jsonb_build_object('attempt', h.attempts, 'at', now(), 'worker', h.worker,
        'claimed', h.claimed_at, 'message', 'The lease ran out before the task was completed.', 'code', 'lease_expired'),
      updated = now(), attempts = h.attempts, lease_seq = h.lease_seq, progress = h.progress,
      last_worker = h.worker, last_claimed = h.claimed_at,
      outcome = case when h.attempts >= t.max_attempts then 'failed'::task_outcome end,
      finished = case when h.attempts >= t.max_attempts then now() end,
      run_at = case when h.attempts >= t.max_attempts then t.run_at else now() end
    from late h
    where t.id = any(array[h.id]) and t.queue_id = h.queue_id
    returning t.id, t.queue_id, t.outcome is not null as dead, t.outcome, t.finished, t.catalogued, t.run_at, t.priority,
      t.attempts, t.lease_seq, h.has_dependents, t.name, h.worker, h.expires_at as expired_at, t.workflow_id
  ), ${listed}, ${toldWorkflows}, again as (
    insert into task_ready (queue_id, priority, run_at, id, attempts, lease_seq, has_dependents, name)
    select d.queue_id, d.priority, d.run_at, d.id, d.attempts, d.lease_seq, d.has_dependents, d.name
    from done d where not d.dead
  ), counted as (
    insert into queue_delta (queue_id, failed) select d.queue_id, count(*) from done d where d.dead group by d.queue_id
  )
  select d.id, d.queue_id, d.dead, d.has_dependents, d.worker, d.expired_at, ${unlisted} from done d`;
