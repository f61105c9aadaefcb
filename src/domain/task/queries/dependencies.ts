import { z } from "zod";
import { booleans, ints, sql, uuids } from "../../../db/sql.ts";
import type { Outcome } from "../lifecycle.ts";
import { toldWorkflows } from "./workflow-ends.ts";

/** A task by both parts of its key. */
export interface TaskKey {
  readonly id: string;
  readonly queueId: number;
}

/** A task that has ended, and how. One that was removed counts as cancelled. */
export interface Ended extends TaskKey {
  readonly outcome: Outcome;
}

const idsOf = (keys: readonly TaskKey[]) => uuids(keys.map((key) => key.id));
const queuesOf = (keys: readonly TaskKey[]) => ints(keys.map((key) => key.queueId));

/**
 * Marks unfinished tasks of any queues as waited for and keeps them from ending until the transaction does. Answers those it
 * found; one that moves just now is found by none of the three and must be looked at again. Whoever ends tasks locks them
 * before those that wait for them, so here too the rows in task_waiting come last, whatever queues they are of, and of each
 * table those with the lower ids first. `ready`: a claim may have passed it by as it was locked. Indexes: the primary keys.
 */
export const markAwaited = (tasks: readonly TaskKey[]) => sql.type(
  z.strictObject({ id: z.uuid(), queue_id: z.int(), ready: z.boolean() }),
)`
  with subject as materialized (
    select t.id, t.queue_id, t.priority, t.run_at
    from (select * from unnest(${idsOf(tasks)}, ${queuesOf(tasks)}) as i(id, queue_id) order by i.id) i cross join lateral (
      select t.id, t.queue_id, t.priority, t.run_at from task t where t.id = i.id and t.queue_id = i.queue_id offset 0
    ) t
  ), in_ready as (
    update task_ready r set has_dependents = true from subject s
    where r.queue_id = any(array[s.queue_id]) and r.priority = s.priority and r.run_at = s.run_at and r.id = s.id
    returning r.id, r.queue_id
  ), in_lease as (
    update task_lease l set has_dependents = true from subject s where l.id = any(array[s.id]) and l.queue_id = s.queue_id
    returning l.id, l.queue_id
  ), in_waiting as (
    update task_waiting w set has_dependents = true from subject s where w.id = any(array[s.id]) and w.queue_id = s.queue_id
    returning w.id, w.queue_id
  )
  select id, queue_id, true as ready from in_ready
  union all select id, queue_id, false from in_lease union all select id, queue_id, false from in_waiting`;

/** How tasks ended, null for those that have not. Index: task's primary key. */
export const outcomes = (tasks: readonly TaskKey[]) => sql.type(
  z.strictObject({ id: z.uuid(), outcome: z.enum(["completed", "failed", "cancelled"]).nullable() }),
)`
  select t.id, t.outcome::text as outcome from unnest(${idsOf(tasks)}, ${queuesOf(tasks)}) as i(id, queue_id) cross join lateral (
    select t.id, t.outcome from task t where t.id = i.id and t.queue_id = i.queue_id offset 0
  ) t`;

/** That a task waits for another. */
export interface Edge {
  readonly task: TaskKey;
  readonly on: TaskKey;
}

/** Writes down what new tasks wait for, to be found when that ends. */
export const addDependencies = (edges: readonly Edge[]) => sql.typeAlias("void")`
  insert into task_dependency (queue_id, task_id, on_queue_id, on_id)
  select * from unnest(
    ${queuesOf(edges.map(({ task }) => task))}, ${idsOf(edges.map(({ task }) => task))},
    ${queuesOf(edges.map(({ on }) => on))}, ${idsOf(edges.map(({ on }) => on))})`;

/**
 * What the end of tasks means for those that wait for them; reads `ended`, tasks with `completed` or not. Of tasks that wait
 * `free` are those that wait for nothing any more, gone from task_waiting, with what task_ready must know of them; `locked`
 * are others, some of them `doomed` because a dependency did not complete.
 *
 * Where these are all the dependencies that a task still waits for, nobody else can end another (`sure`), and it is taken at
 * once. The others' rows are locked, in the order of ids, before anything is decided by them: of two transactions that end a
 * task's last dependencies the second sees what the first has counted. Each dependency belongs to one ended task, so no two
 * wait for each other there. What task_ready must know comes from the rows that are taken, as a task.update has left them that
 * they were waited for; in task itself this snapshot would see what was before.
 * Indexes: the primary keys.
 */
export const settling = sql.fragment`
  edges as (
    delete from task_dependency d using ended i where d.on_id = any(array[i.id]) and d.on_queue_id = i.queue_id
    returning d.task_id, d.queue_id, i.completed
  ), told as materialized (
    select e.task_id as id, e.queue_id, count(*)::int as settled, not bool_and(e.completed) as broken
    from edges e group by e.task_id, e.queue_id order by e.task_id
  ), sure as (
    delete from task_waiting w using told t
    where w.id = any(array[t.id]) and w.queue_id = t.queue_id and w.unmet <= t.settled and (w.on_failure = 'run' or not t.broken)
    returning w.id, w.queue_id, w.has_dependents, w.priority, w.run_at, w.lease_seq, w.name
  ), locked as materialized (
    select w.id, w.queue_id, w.unmet - t.settled as unmet, t.broken and w.on_failure <> 'run' as doomed
    from told t cross join lateral (
      select w.id, w.queue_id, w.unmet, w.on_failure from task_waiting w where w.id = t.id and w.queue_id = t.queue_id for update
    ) w
    where t.id not in (select s.id from sure s)
  ), fewer as (
    update task_waiting w set unmet = l.unmet from locked l
    where w.id = any(array[l.id]) and w.queue_id = l.queue_id and l.unmet > 0 and not l.doomed
  ), last as (
    delete from task_waiting w using locked l
    where w.id = any(array[l.id]) and w.queue_id = l.queue_id and l.unmet <= 0 and not l.doomed
    returning w.id, w.queue_id, w.has_dependents, w.priority, w.run_at, w.lease_seq, w.name
  ), free as materialized (
    select * from sure union all select * from last
  )`;

/**
 * Tells the tasks that waited for others that these have ended: they become ready with their last dependency. Run in the
 * transaction that ended them, as a statement of its own: its snapshot must be newer than the locks that ending took, or it
 * would overlook who came to wait meanwhile. Answers the waiting tasks that became ready, and those that are doomed; the latter
 * are locked and still waiting. Indexes: as settling.
 */
export const settleEnded = (ended: readonly Ended[]) => sql.prepared(
  "settle_ended",
  z.strictObject({ id: z.uuid(), queue_id: z.int(), doomed: z.boolean() }),
)`
  with ended as materialized (
    select * from unnest(
      ${idsOf(ended)}, ${queuesOf(ended)}, ${booleans(ended.map(({ outcome }) => outcome === "completed"))}
    ) as i(id, queue_id, completed)
  ), ${settling}, ready as (
    insert into task_ready (queue_id, priority, run_at, id, attempts, lease_seq, has_dependents, name)
    select f.queue_id, f.priority, f.run_at, f.id, 0, f.lease_seq, f.has_dependents, f.name from free f
  )
  select f.id, f.queue_id, false as doomed from free f
  union all select l.id, l.queue_id, true from locked l where l.doomed`;

/**
 * All tasks that are doomed with these, down the graph: they wait, for these or for others that are doomed, and do not run
 * when a dependency fails. Reads, locks nothing. Indexes: the primary keys.
 */
export const doomedWith = (tasks: readonly TaskKey[]) => sql.type(z.strictObject({ id: z.uuid(), queue_id: z.int() }))`
  with recursive doomed (id, queue_id) as (
    select * from unnest(${idsOf(tasks)}, ${queuesOf(tasks)})
    union
    select n.task_id, n.queue_id from doomed o cross join lateral (
      select d.task_id, d.queue_id from task_dependency d cross join lateral (
        select 1 from task_waiting w where w.id = d.task_id and w.queue_id = d.queue_id and w.on_failure <> 'run' offset 0
      ) w
      where d.on_id = o.id and d.on_queue_id = o.queue_id offset 0
    ) n
  )
  select d.id, d.queue_id from doomed d`;

/**
 * Ends waiting tasks because a dependency did not complete, each as it was told to: cancelled or failed. Answers those it
 * ended; one that has moved meanwhile is left alone. Locks them in the order of ids. Indexes: the primary keys.
 */
export const endWaiting = (tasks: readonly TaskKey[]) => sql.type(
  z.strictObject({
    id: z.uuid(),
    queue_id: z.int(),
    outcome: z.enum(["cancelled", "failed"]),
    catalogued: z.boolean(),
  }),
)`
  with input as materialized (
    select * from unnest(${idsOf(tasks)}, ${queuesOf(tasks)}) as i(id, queue_id) order by i.id
  ), gone as (
    delete from task_waiting w using input i
    where w.id = any(array[i.id]) and w.queue_id = i.queue_id and w.on_failure <> 'run'
    returning w.id, w.queue_id, case w.on_failure when 'fail' then 'failed' else 'cancelled' end::task_outcome as outcome
  ), done as (
    update task t set outcome = g.outcome, finished = now(), updated = now(),
      errors = coalesce(t.errors, '[]') || jsonb_build_object('attempt', t.attempts, 'at', now(), 'worker', null,
        'message', 'A task that this one depends on did not complete.', 'code', 'dependency_failed')
    from gone g where t.id = any(array[g.id]) and t.queue_id = g.queue_id
    returning t.id, t.queue_id, t.outcome, t.catalogued, t.workflow_id
  ), ${toldWorkflows}, counted as (
    insert into queue_delta (queue_id, failed, cancelled)
    select d.queue_id, count(*) filter (where d.outcome = 'failed'), count(*) filter (where d.outcome = 'cancelled')
    from done d group by d.queue_id
  )
  select d.id, d.queue_id, d.outcome::text as outcome, d.catalogued from done d`;
