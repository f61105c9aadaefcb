import { z } from "zod";
import { floats, ints, sql, texts, uuids } from "../../../db/sql.ts";
import type { Lease } from "../receipt.ts";
import { printed } from "./read.ts";

export const PRIORITIES: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

export const ClaimedRow = z.strictObject({
  /** Which of the shares got the task, counted from 1, and the task's place among all, in the order in which they leave. */
  share: z.int(),
  place: z.int(),
  id: z.uuid(),
  name: z.string().nullable(),
  payload: z.unknown(),
  priority: z.int(),
  attempts: z.int(),
  max_attempts: z.int(),
  lease_seq: z.int(),
  /** Of task_ready, which is where the claim's index stands. */
  run_at: z.number(),
  expires_at: z.number(),
  added: z.number(),
  tags: z.array(z.string()).nullable(),
  depends_on: z.array(z.uuid()).nullable(),
  depends_on_keys: z.array(z.string()).nullable(),
  /** The results of the tasks it depends on, in their order, OMITTED where that is too much; null for no tasks. */
  inputs: z.array(z.unknown()).nullable(),
  workflow_id: z.uuid().nullable(),
  workflow_key: z.string().nullable(),
  /** Somebody waits for its end, or its workflow does. */
  awaited: z.boolean(),
  /** There were more tasks, for which there was no room; only where the room was looked at. */
  cut: z.boolean().optional(),
});
export type ClaimedRow = z.output<typeof ClaimedRow>;

/** What one of the claims that share a statement asks for. */
export interface Share {
  readonly limit: number;
  /** Null for the queue's own. */
  readonly leaseSeconds: number | null;
  readonly worker: string | null;
}

export interface ClaimArgs {
  readonly queueId: number;
  /** In the order of their turns: the first gets all it asks for before the next gets any. */
  readonly shares: readonly Share[];
  /**
   * Per priority, where to begin: epoch milliseconds of run_at, or null for the very beginning. Tasks before it are left
   * out, and so are the dead index entries that claims have left there.
   */
  readonly from: readonly (number | null)[];
}

export const limitOf = ({ shares }: Pick<ClaimArgs, "shares">) => shares.reduce((sum, { limit }) => sum + limit, 0);

/** The number of each share's first task, counted from 1. */
export function firstPlaces({ shares }: Pick<ClaimArgs, "shares">): number[] {
  let next = 1;
  return shares.map(({ limit }) => {
    const first = next;
    next += limit;
    return first;
  });
}

const time = (ms: number | null) => (ms === null ? "-infinity" : new Date(ms).toISOString());
const lowest = ({ from }: ClaimArgs) => texts(from.map(time));
/** An array's text inside an array's: PostgreSQL has no ragged ones. Times hold nothing that must be quoted. */
const lowestText = ({ from }: Place) => `{${from.map(time).join()}}`;

// The names of a task's tags, in the order they were given.
const tagNames = (queueId: number) => sql.fragment`
  array(select g.name from task_tag x cross join lateral (select g.name from tag g where g.id = x.tag_id offset 0) g
        where x.task_id = t.id and x.queue_id = ${queueId} order by x.position)`;

/** So much of the results that a task depends on goes with its claim, in bytes as JSON text. */
export const INPUTS_BYTES_MAX = 4_194_304;
/** What PostgreSQL stores compressed is at most so many times as long; what is short even then need not be unpacked. */
const COMPRESSED_MOST = 256;
/** Stands for a result that is left out. Drawn by chance, so that no result can be mistaken for it. */
export const OMITTED: string = crypto.randomUUID();

// The results of the tasks it depends on, in their order, which a nested loop over a list keeps. One that did not complete,
// or is gone, gives null. Each may take its share of what there is room for: adding up what the others take would need a
// window, which costs as much as all the rest. A long list of dependencies is stored compressed, so it is read once.
const inputs = sql.fragment`
  (select jsonb_agg(case when o.bytes > m.bytes / ${COMPRESSED_MOST} and octet_length(o.result::text) > m.bytes
                         then to_jsonb(${OMITTED}::text) else coalesce(o.result, 'null') end)
   from (select ${INPUTS_BYTES_MAX} / cardinality(t.depends_on) as bytes offset 0) m
   cross join unnest(t.depends_on) as d(id) left join lateral (
     select o.result, pg_column_size(o.result) as bytes from task o
     where o.id = d.id and o.queue_id = ('x' || right(d.id::text, 8))::bit(32)::int and o.outcome = 'completed' offset 0
   ) o on true)`;

/** What a claim may hand out at once: about so many bytes of payloads and inputs, the first task's aside. */
export interface ClaimRoom {
  readonly bytesMax: number;
}

// Of the picked rows those that there is room for; the others stay as they were. Each payload's place is looked up, and none
// is read that is short. The rows come in the order in which tasks leave, which a window without an order keeps.
const fitting = (a: ClaimArgs, { bytesMax }: ClaimRoom) => sql.fragment`
  sized as materialized (
    select p.*, sum(s.bytes) over (rows unbounded preceding) - s.bytes as before
    from picked p cross join lateral (
      select ${printed(sql.fragment`t.payload`)}
        + case when t.depends_on is null then 0 else coalesce(octet_length(${inputs}::text), 0) end as bytes
      from task t where t.id = p.id and t.queue_id = ${a.queueId} offset 0
    ) s
  ), picked_fitting as materialized (
    select s.* from sized s where s.before < ${bytesMax}
  )`;

// What both claims do with the rows they picked: the move from ready to claimed, shared out in order, and the facts that
// the workers get. A row that is locked stays where it is until the statement ends, so it is deleted by its place. Each row
// finds its share by a binary search in the shares' first places: joining the list of shares would be a loop over two lists.
const moveToLease = (a: ClaimArgs, room: ClaimRoom | null) => sql.fragment`
  ${room ? sql.fragment`${fitting(a, room)},` : sql.fragment``}
  placed as materialized (
    select p.*, row_number() over ()::int as place from ${room ? sql.fragment`picked_fitting` : sql.fragment`picked`} p
  ), shared as materialized (
    select p.*, width_bucket(p.place, ${ints(firstPlaces(a))}) as share from placed p
  ), gone as (
    delete from task_ready r using shared s where r.ctid = s.at
    returning r.id, r.run_at, r.attempts + 1 as attempts, r.lease_seq + 1 as lease_seq, r.has_dependents, s.share, s.place,
      now() + make_interval(secs =>
        coalesce((${floats(a.shares.map(({ leaseSeconds }) => leaseSeconds))})[s.share], s.lease_seconds)) as expires_at
  ), lease as (
    insert into task_lease as l (id, queue_id, attempts, lease_seq, claimed_at, expires_at, has_dependents, worker)
    select g.id, ${a.queueId}, g.attempts, g.lease_seq, now(), g.expires_at, g.has_dependents,
           (${texts(a.shares.map(({ worker }) => worker))})[g.share]
    from gone g
  )
  select g.share, g.place, g.id, ${room ? sql.fragment`exists (select from sized s where s.before >= ${room.bytesMax}) as cut,` : sql.fragment``}
         t.name, t.payload, t.priority::int as priority, g.attempts, t.max_attempts, g.lease_seq,
         g.run_at, g.expires_at, t.added, t.depends_on, t.depends_on_keys, t.workflow_id, t.workflow_key,
         g.has_dependents as awaited,
         case when t.catalogued then ${tagNames(a.queueId)} end as tags,
         case when t.depends_on is not null then ${inputs} end as inputs
  from gone g cross join lateral (
    select t.id, t.name, t.payload, t.priority, t.max_attempts, t.added, t.catalogued, t.depends_on, t.depends_on_keys,
      t.workflow_id, t.workflow_key
    from task t where t.id = g.id and t.queue_id = ${a.queueId} offset 0
  ) t`;

/**
 * Claims due tasks of one queue for several callers, none if it is paused. Answers them in no order.
 *
 * One index range per priority, walked in turn: a nested loop over the priorities stops as soon as the limit is met, so no
 * row is locked that is not claimed. Sorting here would read and lock as many rows of every priority.
 * A materialized CTE on purpose: written as a sub-select, the planner may run it more than once and claim more than asked.
 * Index: task_ready's primary key (queue_id, priority, run_at, id).
 */
export const claimTasks = (a: ClaimArgs, room: ClaimRoom | null = null) => sql.prepared(
  room ? "claim_tasks_in_room" : "claim_tasks",
  ClaimedRow,
)`
  with home as materialized (
    select q.lease_seconds from queue q where q.id = ${a.queueId} and not q.paused
  ), picked as materialized (
    select r.at, r.id, home.lease_seconds
    from home cross join unnest(${ints(PRIORITIES)}, ${lowest(a)}::timestamptz[]) as p(priority, low)
    cross join lateral (
      select r.ctid as at, r.id from task_ready r
      where r.queue_id = ${a.queueId} and r.priority = p.priority::smallint and r.run_at >= p.low and r.run_at <= now()
      order by r.run_at, r.id limit ${limitOf(a)} for update skip locked
    ) r
    limit ${limitOf(a)}
  ), ${moveToLease(a, room)}`;

/**
 * Claims due tasks that carry one of `names`, as claimTasks does. The names' ranges are merged before rows are locked, so
 * among several instances it may find fewer than there are (rows that another one is claiming just then); the next claim
 * finds them. Index: task_ready_name_idx (queue_id, name, priority, run_at, id).
 */
export const claimNamedTasks = (a: ClaimArgs, names: readonly string[], room: ClaimRoom | null = null) => sql.prepared(
  room ? "claim_named_tasks_in_room" : "claim_named_tasks",
  ClaimedRow,
)`
  with home as materialized (
    select q.lease_seconds from queue q where q.id = ${a.queueId} and not q.paused
  ), candidates as materialized (
    select r.priority, r.run_at, r.id, home.lease_seconds
    from home cross join unnest(${ints(PRIORITIES)}, ${lowest(a)}::timestamptz[]) as p(priority, low)
    cross join unnest(${texts(names)}) as n(name)
    cross join lateral (
      select r.priority, r.run_at, r.id from task_ready r
      where r.queue_id = ${a.queueId} and r.name = n.name and r.priority = p.priority::smallint
        and r.run_at >= p.low and r.run_at <= now()
      order by r.run_at, r.id limit ${limitOf(a)}
    ) r
    order by r.priority, r.run_at, r.id limit ${limitOf(a)} * 2
  ), picked as materialized (
    select r.at, c.id, c.lease_seconds
    from candidates c cross join lateral (
      select r.ctid as at from task_ready r
      where r.queue_id = ${a.queueId} and r.priority = c.priority and r.run_at = c.run_at and r.id = c.id
      for update skip locked
    ) r
    limit ${limitOf(a)}
  ), ${moveToLease(a, room)}`;

/**
 * What claimers get of tasks that were claimed by another statement, without those whose lease is not that one any more. In
 * no order; share and place are the caller's to know. Indexes: the primary keys.
 */
export const claimedFacts = (queueId: number, leases: readonly Lease[]) => sql.prepared(
  "claimed_facts",
  ClaimedRow.omit({ share: true, place: true, cut: true }),
)`
  select t.id, t.name, t.payload, t.priority::int as priority, l.attempts, t.max_attempts, l.lease_seq, t.run_at, l.expires_at,
         t.added, t.depends_on, t.depends_on_keys, t.workflow_id, t.workflow_key,
         l.has_dependents as awaited,
         case when t.catalogued then ${tagNames(queueId)} end as tags,
         case when t.depends_on is not null then ${inputs} end as inputs
  from unnest(${uuids(leases.map(({ id }) => id))}, ${ints(leases.map(({ leaseSeq }) => leaseSeq))}) as i(id, lease_seq)
  cross join lateral (
    select l.attempts, l.lease_seq, l.expires_at, l.has_dependents from task_lease l
    where l.id = i.id and l.queue_id = ${queueId} and l.lease_seq = i.lease_seq offset 0
  ) l
  cross join lateral (
    select t.id, t.name, t.payload, t.priority, t.max_attempts, t.run_at, t.added, t.catalogued, t.depends_on, t.depends_on_keys,
      t.workflow_id, t.workflow_key
    from task t where t.id = i.id and t.queue_id = ${queueId} offset 0
  ) t`;

/** A queue by its project and name, and where to begin at each priority; see ClaimArgs. */
export interface Place {
  readonly projectId: number;
  readonly queue: string;
  readonly from: readonly (number | null)[];
}

/**
 * Which of these queues have due tasks to hand out, counted from 1 in the order given; a queue that does not exist or is
 * paused has none. For those who wait in many queues at once: one statement instead of a claim each. Locks nothing.
 * Indexes: queue's (project_id, name), task_ready's primary key.
 */
export const queuesWithDueTasks = (places: readonly Place[]) => sql.prepared(
  "queues_with_due_tasks",
  z.strictObject({ at: z.int() }),
)`
  select i.at::int as at
  from unnest(${ints(places.map(({ projectId }) => projectId))}, ${texts(places.map(({ queue }) => queue))},
    ${texts(places.map(lowestText))}) with ordinality as i(project_id, name, low, at)
  cross join lateral (
    select q.id from queue q where q.project_id = i.project_id and q.name = i.name and not q.paused offset 0
  ) q
  where exists (
    select 1 from unnest(${ints(PRIORITIES)}, i.low::timestamptz[]) as p(priority, low)
    cross join lateral (
      select 1 from task_ready r
      where r.queue_id = q.id and r.priority = p.priority::smallint and r.run_at >= p.low and r.run_at <= now()
      limit 1
    ) r
  )`;

/**
 * Which of these names have due tasks in a queue. For those who wait for many different names: one statement instead of a
 * claim each. Locks nothing. Index: task_ready_name_idx.
 */
export const namesWithDueTasks = (queueId: number, names: readonly string[]) => sql.prepared(
  "names_with_due_tasks",
  z.strictObject({ name: z.string() }),
)`
  select n.name from unnest(${texts(names)}) as n(name)
  where exists (
    select 1 from unnest(${ints(PRIORITIES)}) as p(priority)
    cross join lateral (
      select 1 from task_ready r
      where r.queue_id = ${queueId} and r.name = n.name and r.priority = p.priority::smallint and r.run_at <= now()
      limit 1
    ) r
  )`;
