import type { FragmentSqlToken } from "slonik";
import { z } from "zod";
import { ints, json, sql, texts, uuids } from "../../../db/sql.ts";
import type { TaskKey } from "./dependencies.ts";
import { toldWorkflows, toldWorkflowsAgain } from "./workflow-ends.ts";

// A list of what several DELETEs returned is materialized, here and below: where the planner makes it part of the UPDATE that
// it drives, and a task's facts have changed while that waited for them, PostgreSQL looks at the list once more, would have
// to delete again, and refuses ("ModifyTable should not be called during EvalPlanQual").

// Takes one unfinished task out of whichever narrow table it is in. A task that moves just now is in none of them for
// this statement's snapshot; the caller then looks again.
const takeOut = (queueId: number, id: string) => sql.fragment`
  subject as materialized (
    select t.id, t.queue_id, t.priority, t.run_at from task t where t.id = ${sql.uuid(id)} and t.queue_id = ${queueId}
  ), from_ready as (
    delete from task_ready r using subject s
    where r.queue_id = any(array[s.queue_id]) and r.priority = s.priority and r.run_at = s.run_at and r.id = s.id
    returning r.attempts, r.lease_seq, r.has_dependents, null::text as worker, null::jsonb as progress,
      null::timestamptz as claimed_at
  ), from_lease as (
    delete from task_lease l where l.id = ${sql.uuid(id)} and l.queue_id = ${queueId}
    returning l.attempts, l.lease_seq, l.has_dependents, l.worker, l.progress, l.claimed_at
  ), from_waiting as (
    delete from task_waiting w where w.id = ${sql.uuid(id)} and w.queue_id = ${queueId}
    returning 0, 0, w.has_dependents, null::text, null::jsonb, null::timestamptz
  ), held as materialized (
    select * from from_ready union all select * from from_lease union all select * from from_waiting
  )`;

/**
 * Cancels one unfinished task, and hides it too if `deleting`. Answers no row when it was not in the state it seemed to be
 * in. `reason`, when given, is noted in errors with the code "cancelled". Indexes: the primary keys.
 */
export const cancelTask = (queueId: number, id: string, reason: string | null, deleting: boolean) => sql.type(
  z.strictObject({
    id: z.uuid(),
    has_dependents: z.boolean(),
    deleted_at: z.number().nullable(),
    catalogued: z.boolean(),
  }),
)`
  with ${takeOut(queueId, id)}, done as (
    update task t set outcome = 'cancelled', finished = now(), updated = now(), progress = h.progress,
      attempts = greatest(t.attempts, h.attempts), lease_seq = greatest(t.lease_seq, h.lease_seq),
      deleted_at = case when ${deleting} then now() end,
      last_worker = case when h.claimed_at is null then t.last_worker else h.worker end,
      last_claimed = coalesce(h.claimed_at, t.last_claimed),
      errors = case when ${reason}::text is null then t.errors
        else coalesce(t.errors, '[]') || jsonb_build_object('attempt', h.attempts, 'at', now(), 'worker', h.worker,
               'message', ${reason}::text, 'code', 'cancelled') end
    from held h where t.id = ${sql.uuid(id)} and t.queue_id = ${queueId}
    returning t.id, t.deleted_at, t.catalogued, t.outcome, t.workflow_id
  ), ${toldWorkflows}, counted as (
    insert into queue_delta (queue_id, cancelled) select ${queueId}, count(*) from done where not ${deleting} having count(*) > 0
  )
  select d.id, h.has_dependents, d.deleted_at, d.catalogued from done d cross join held h`;

/**
 * Cancels unfinished tasks of any queues. Answers those it found; one that moves just now is in none of the narrow tables for
 * this statement's snapshot and must be looked at again. Indexes: the primary keys.
 */
export const cancelTasks = (tasks: readonly TaskKey[]) => sql.type(
  z.strictObject({ id: z.uuid(), queue_id: z.int(), catalogued: z.boolean() }),
)`
  with subject as materialized (
    select t.id, t.queue_id, t.priority, t.run_at
    from (
      select * from unnest(${uuids(tasks.map((t) => t.id))}, ${ints(tasks.map((t) => t.queueId))}) as i(id, queue_id) order by i.id
    ) i cross join lateral (
      select t.id, t.queue_id, t.priority, t.run_at from task t where t.id = i.id and t.queue_id = i.queue_id offset 0
    ) t
  ), from_ready as (
    delete from task_ready r using subject s
    where r.queue_id = any(array[s.queue_id]) and r.priority = s.priority and r.run_at = s.run_at and r.id = s.id
    returning r.id, r.queue_id, r.attempts, r.lease_seq, null::text as worker, null::jsonb as progress,
      null::timestamptz as claimed_at
  ), from_lease as (
    delete from task_lease l using subject s where l.id = any(array[s.id]) and l.queue_id = s.queue_id
    returning l.id, l.queue_id, l.attempts, l.lease_seq, l.worker, l.progress, l.claimed_at
  ), from_waiting as (
    delete from task_waiting w using subject s where w.id = any(array[s.id]) and w.queue_id = s.queue_id
    returning w.id, w.queue_id, 0, 0, null::text, null::jsonb, null::timestamptz
  ), held as materialized (
    select * from from_ready union all select * from from_lease union all select * from from_waiting
  ), done as (
    update task t set outcome = 'cancelled', finished = now(), updated = now(), progress = h.progress,
      attempts = greatest(t.attempts, h.attempts), lease_seq = greatest(t.lease_seq, h.lease_seq),
      last_worker = case when h.claimed_at is null then t.last_worker else h.worker end,
      last_claimed = coalesce(h.claimed_at, t.last_claimed)
    from held h where t.id = any(array[h.id]) and t.queue_id = h.queue_id
    returning t.id, t.queue_id, t.catalogued, t.outcome, t.workflow_id
  ), ${toldWorkflows}, counted as (
    insert into queue_delta (queue_id, cancelled) select d.queue_id, count(*) from done d group by d.queue_id
  )
  select d.id, d.queue_id, d.catalogued from done d`;

// The rows of task_dependency that tasks have, or had: found by the tasks they depend on, as the table's one index is.
const edgesOf = (tasks: FragmentSqlToken) => sql.fragment`
  select k.id, k.queue_id, o.on_id, ('x' || right(o.on_id::text, 8))::bit(32)::int as on_queue_id
  from ${tasks} k cross join lateral unnest(k.depends_on) as o(on_id) offset 0`;

/** A finished task that is to run again, once so many of its dependencies are settled. */
export interface Revived extends TaskKey {
  readonly unmet: number;
  readonly onFailure: string;
}

/**
 * Makes tasks of a workflow that did not complete pending again, or waiting, with all their attempts. The queues' rows are
 * locked for key share, as by retryTasks. Indexes: the primary keys.
 */
export const reviveTasks = (tasks: readonly Revived[]) => sql.type(
  z.strictObject({ id: z.uuid(), queue_id: z.int(), catalogued: z.boolean() }),
)`
  with homes as materialized (
    select q.id from (select distinct i.id from unnest(${ints(tasks.map((t) => t.queueId))}) as i(id) order by i.id) i
    cross join lateral (select q.id from queue q where q.id = i.id for key share) q
  ), locked as materialized (
    select t.id, t.queue_id, t.outcome, t.depends_on, i.unmet, i.on_failure
    from (
      select * from unnest(
        ${uuids(tasks.map((t) => t.id))}, ${ints(tasks.map((t) => t.queueId))}, ${ints(tasks.map((t) => t.unmet))},
        ${texts(tasks.map((t) => t.onFailure))}) as i(id, queue_id, unmet, on_failure)
      order by i.id
    ) i cross join lateral (
      select t.id, t.queue_id, t.outcome, t.depends_on from task t
      where t.id = i.id and t.queue_id = i.queue_id and t.outcome in ('failed', 'cancelled') and t.deleted_at is null
        and t.queue_id = any(array(select h.id from homes h))
      for update
    ) t
  ), done as (
    update task t set outcome = null, finished = null, updated = now(), result = null, progress = null, attempts = 0, run_at = now()
    from locked k where t.id = any(array[k.id]) and t.queue_id = k.queue_id
    returning t.id, t.queue_id, t.run_at, t.priority, t.lease_seq, t.name, t.catalogued, t.workflow_id,
      k.outcome as was, k.unmet, k.on_failure
  ), edges as (
    -- Of a task that was ended while it waited, those dependencies are left that have not ended yet.
    delete from task_dependency d using (${edgesOf(sql.fragment`locked`)}) e
    where d.on_id = any(array[e.on_id]) and d.on_queue_id = e.on_queue_id and d.task_id = e.id and d.queue_id = e.queue_id
  ), again as (
    insert into task_ready (queue_id, priority, run_at, id, attempts, lease_seq, has_dependents, name)
    select d.queue_id, d.priority, d.run_at, d.id, 0, d.lease_seq, true, d.name from done d where d.unmet = 0
  ), waiting as (
    insert into task_waiting (id, queue_id, unmet, has_dependents, on_failure, priority, run_at, lease_seq, name)
    select d.id, d.queue_id, d.unmet, true, d.on_failure, d.priority, d.run_at, d.lease_seq, d.name from done d where d.unmet > 0
  ), counted as (
    insert into queue_delta (queue_id, failed, cancelled)
    select d.queue_id, -count(*) filter (where d.was = 'failed'), -count(*) filter (where d.was = 'cancelled')
    from done d group by d.queue_id
  ), ${toldWorkflowsAgain}
  select d.id, d.queue_id, d.catalogued from done d`;

/**
 * Makes finished tasks pending again after a delay, with all their attempts. `every` seconds lie between one task and the
 * next, in the order of `ids`. Deleted tasks are left alone unless `restoring`. The queue's row is locked for key share, as
 * by enqueueing: queue.delete must not overlook a task that comes back. Workflows are told that they have them to do again.
 * Index: task's primary key.
 */
export const retryTasks = (
  queueId: number,
  ids: readonly string[],
  options: { readonly delaySeconds: number; readonly every: number; readonly restoring: boolean },
) => sql.type(z.strictObject({ id: z.uuid(), dedupe_key: z.string().nullable(), catalogued: z.boolean() }))`
  with home as materialized (
    select q.id from queue q where q.id = ${queueId} for key share
  ), input as materialized (
    select * from unnest(${uuids(ids)}) with ordinality as i(id, at)
  ), locked as materialized (
    select t.id, t.queue_id, t.outcome, t.deleted_at, i.at
    from home cross join (select * from input order by id) i cross join lateral (
      select t.id, t.queue_id, t.outcome, t.deleted_at from task t
      where t.id = i.id and t.queue_id = ${queueId} and t.outcome is not null and (${options.restoring} or t.deleted_at is null)
      for update
    ) t
  ), done as (
    update task t set outcome = null, finished = null, updated = now(), result = null, progress = null, attempts = 0,
      deleted_at = null,
      run_at = now() + make_interval(secs => ${options.delaySeconds}::float8 + (k.at - 1) * ${options.every}::float8)
    from locked k where t.id = any(array[k.id]) and t.queue_id = k.queue_id
    returning t.id, t.run_at, t.priority, t.lease_seq, t.name, t.dedupe_key, t.catalogued, t.workflow_id,
      k.outcome as was, k.deleted_at is not null as hidden
  ), again as (
    insert into task_ready (queue_id, priority, run_at, id, attempts, lease_seq, has_dependents, name)
    select ${queueId}, d.priority, d.run_at, d.id, 0, d.lease_seq, d.workflow_id is not null, d.name from done d
  ), ${toldWorkflowsAgain}, counted as (
    insert into queue_delta (queue_id, completed, failed, cancelled)
    select ${queueId}, -count(*) filter (where was = 'completed'), -count(*) filter (where was = 'failed'),
           -count(*) filter (where was = 'cancelled')
    from done where not hidden having count(*) > 0
  )
  select d.id, d.dedupe_key, d.catalogued from done d`;

/** Hides or shows a finished task. Answers no row when it is unfinished or was so already. Index: task's primary key. */
export const hideTask = (queueId: number, id: string, hide: boolean) => sql.type(
  z.strictObject({ id: z.uuid(), deleted_at: z.number().nullable(), catalogued: z.boolean() }),
)`
  with done as (
    update task t set deleted_at = case when ${hide} then now() end, updated = now()
    where t.id = ${sql.uuid(id)} and t.queue_id = ${queueId} and t.outcome is not null and (t.deleted_at is null) = ${hide}
    returning t.id, t.deleted_at, t.outcome, t.catalogued
  ), counted as (
    insert into queue_delta (queue_id, completed, failed, cancelled)
    select ${queueId}, sign * count(*) filter (where outcome = 'completed'), sign * count(*) filter (where outcome = 'failed'),
           sign * count(*) filter (where outcome = 'cancelled')
    from done cross join (select case when ${hide} then -1 else 1 end as sign) s group by sign
  )
  select d.id, d.deleted_at, d.catalogued from done d`;

export interface TaskPatch {
  readonly name?: string | null | undefined;
  readonly payload?: unknown;
  readonly priority?: number | undefined;
  readonly runAt?: string | undefined;
  readonly maxAttempts?: number | undefined;
  readonly description?: string | null | undefined;
  readonly dueAt?: string | null | undefined;
  readonly ownerId?: string | null | undefined;
  /** The change makes it one that people find by more than its id, or it gets tags or categories. */
  readonly catalogued: boolean;
}

const given = (value: unknown) => value !== undefined;

const Changed = z.strictObject({ id: z.uuid(), catalogued: z.boolean() });

/** The columns that only describe a task: changed in any state. */
const describing = (p: TaskPatch) => sql.fragment`
  description = case when ${given(p.description)} then ${p.description ?? null}::text else t.description end,
  due_at = case when ${given(p.dueAt)} then ${p.dueAt ?? null}::timestamptz else t.due_at end,
  owner_id = case when ${given(p.ownerId)} then ${p.ownerId ?? null}::text else t.owner_id end,
  catalogued = t.catalogued or ${p.catalogued},
  updated = now()`;

/** Changes what describes a task; no row when it is deleted. Index: task's primary key. */
export const describeTask = (queueId: number, id: string, p: TaskPatch) => sql.type(Changed)`
  update task t set ${describing(p)} where t.id = ${sql.uuid(id)} and t.queue_id = ${queueId} and t.deleted_at is null
  returning t.id, t.catalogued`;

/**
 * Changes a task that is waiting or pending, its run included. Answers no row when it is in neither state, or has made as
 * many attempts as it would be allowed; nothing of the change is done then. Indexes: the primary keys.
 */
export const changeTask = (queueId: number, id: string, p: TaskPatch) => sql.type(Changed)`
  with subject as materialized (
    select t.id, t.queue_id, t.priority, t.run_at from task t where t.id = ${sql.uuid(id)} and t.queue_id = ${queueId}
  ), gone as (
    delete from task_ready r using subject s
    where r.queue_id = any(array[s.queue_id]) and r.priority = s.priority and r.run_at = s.run_at and r.id = s.id
      and r.attempts < coalesce(${p.maxAttempts ?? null}::int, 2147483647)
    returning r.id, r.attempts, r.lease_seq, r.has_dependents
  ), still as (
    update task_waiting w set
      name = case when ${given(p.name)} then ${p.name ?? null}::text else w.name end,
      priority = coalesce(${p.priority ?? null}::smallint, w.priority),
      run_at = coalesce(${p.runAt ?? null}::timestamptz, w.run_at)
    where w.id = ${sql.uuid(id)} and w.queue_id = ${queueId} returning w.id
  ), done as (
    update task t set ${describing(p)},
      name = case when ${given(p.name)} then ${p.name ?? null}::text else t.name end,
      payload = coalesce(${json(p.payload)}::jsonb, t.payload),
      priority = coalesce(${p.priority ?? null}::smallint, t.priority),
      run_at = coalesce(${p.runAt ?? null}::timestamptz, t.run_at),
      max_attempts = coalesce(${p.maxAttempts ?? null}::int, t.max_attempts)
    where t.id = ${sql.uuid(id)} and t.queue_id = ${queueId} and (exists (select 1 from gone) or exists (select 1 from still))
    returning t.id, t.priority, t.run_at, t.name, t.catalogued
  ), again as (
    insert into task_ready (queue_id, priority, run_at, id, attempts, lease_seq, has_dependents, name)
    select ${queueId}, d.priority, d.run_at, d.id, g.attempts, g.lease_seq, g.has_dependents, d.name
    from done d cross join gone g
  )
  select d.id, d.catalogued from done d`;

/** Ids of a queue's tasks in one state after `afterId`, in id order. Deleted ones are left out unless `deleted`. */
export const idsInState = (
  queueId: number,
  state: string,
  afterId: string | null,
  limit: number,
  options: { readonly names?: readonly string[] | undefined; readonly deleted: boolean },
) => sql.type(z.strictObject({ id: z.uuid() }))`
  select v.id from task_with_state v
  where v.queue_id = ${queueId} and v.state = ${state}
    and ${afterId === null ? sql.fragment`true` : sql.fragment`v.id > ${sql.uuid(afterId)}`}
    and ${options.names ? sql.fragment`v.name = any(${texts(options.names)})` : sql.fragment`true`}
    and (${options.deleted} or v.deleted_at is null)
  order by v.id limit ${limit}`;

/**
 * Removes tasks for good, as long as they are still in `state`; null for those in none, which a fault has left. Answers those it removed, whether some task waits for them,
 * and whether they were catalogued: what the catalogue has of them must go in a statement of its own, with a snapshot that
 * shows what came while this one waited. Indexes: the primary keys.
 */
export const purgeTasks = (queueId: number, ids: readonly string[], state: string | null) => sql.type(
  z.strictObject({ id: z.uuid(), has_dependents: z.boolean(), catalogued: z.boolean() }),
)`
  with subject as materialized (
    select t.id, t.queue_id, t.priority, t.run_at, t.outcome, t.deleted_at from task t
    where t.queue_id = ${queueId} and t.id = any(${uuids(ids)}) order by t.id
  ), from_ready as (
    delete from task_ready r using subject s where ${state} = 'pending'
      and r.queue_id = any(array[s.queue_id]) and r.priority = s.priority and r.run_at = s.run_at and r.id = s.id
    returning r.id, r.queue_id, r.has_dependents
  ), from_lease as (
    delete from task_lease l using subject s where ${state} = 'claimed' and l.id = any(array[s.id]) and l.queue_id = s.queue_id
    returning l.id, l.queue_id, l.has_dependents
  ), from_waiting as (
    delete from task_waiting w using subject s where ${state} = 'waiting' and w.id = any(array[s.id]) and w.queue_id = s.queue_id
    returning w.id, w.queue_id, w.has_dependents
  ), chosen as materialized (
    select * from from_ready union all select * from from_lease union all select * from from_waiting
    union all select s.id, s.queue_id, false from subject s where s.outcome::text = ${state} or ${state}::text is null
  ), gone as (
    delete from task t using chosen c
    where t.id = any(array[c.id]) and t.queue_id = c.queue_id
      and coalesce(t.outcome::text, 'unfinished')
        = case when ${state} in ('completed', 'failed', 'cancelled') then ${state} else 'unfinished' end
    returning t.id, t.queue_id, t.outcome, t.deleted_at, t.catalogued, t.depends_on, t.workflow_id, c.has_dependents
  ), keys as (
    delete from task_dedupe d using gone g where d.task_id = any(array[g.id])
  ), edges as (
    delete from task_dependency d using (${edgesOf(sql.fragment`gone`)}) e
    where d.on_id = any(array[e.on_id]) and d.on_queue_id = e.on_queue_id and d.task_id = e.id and d.queue_id = e.queue_id
  ), told_workflows as (
    insert into workflow_delta (workflow_id, ended, failed, cancelled)
    select g.workflow_id, count(*), 0, count(*) from gone g
    where g.workflow_id is not null and g.outcome is null group by g.workflow_id
  ), counted as (
    insert into queue_delta (queue_id, completed, failed, cancelled)
    select ${queueId}, -count(*) filter (where outcome = 'completed'), -count(*) filter (where outcome = 'failed'),
           -count(*) filter (where outcome = 'cancelled')
    from gone where outcome is not null and deleted_at is null having count(*) > 0
  )
  select g.id, g.has_dependents, g.catalogued from gone g`;
