import { z } from "zod";
import { ints, sql, uuids } from "../../../db/sql.ts";

/** A task by both parts of its key. */
export interface TaskKey {
  readonly id: string;
  readonly queueId: number;
}

const pairs = (keys: readonly TaskKey[]) => sql.fragment`
  unnest(${uuids(keys.map((k) => k.id))}, ${ints(keys.map((k) => k.queueId))}) as i(id, queue_id)`;

/**
 * Marks unfinished tasks of one queue as waited for and keeps them from ending until the transaction does. Answers those
 * it found; one that moves just now is found by none of the three and must be looked at again. Indexes: the primary keys.
 */
export const markAwaited = (queueId: number, ids: readonly string[]) => sql.type(z.strictObject({ id: z.uuid() }))`
  with subject as materialized (
    select t.id, t.queue_id, t.priority, t.run_at from task t where t.queue_id = ${queueId} and t.id = any(${uuids(ids)}) order by t.id
  ), in_ready as (
    update task_ready r set has_dependents = true from subject s
    where r.queue_id = any(array[s.queue_id]) and r.priority = s.priority and r.run_at = s.run_at and r.id = s.id returning r.id
  ), in_lease as (
    update task_lease l set has_dependents = true from subject s where l.id = any(array[s.id]) and l.queue_id = s.queue_id returning l.id
  ), in_waiting as (
    update task_waiting w set has_dependents = true from subject s where w.id = any(array[s.id]) and w.queue_id = s.queue_id returning w.id
  )
  select id from in_ready union all select id from in_lease union all select id from in_waiting`;

/** How tasks of one queue ended, null for those that have not. Index: task's primary key. */
export const outcomes = (queueId: number, ids: readonly string[]) => sql.type(
  z.strictObject({ id: z.uuid(), outcome: z.string().nullable() }),
)`
  select t.id, t.outcome::text as outcome from task t where t.queue_id = ${queueId} and t.id = any(${uuids(ids)})`;

/** Writes down what a new task waits for, to be found when that ends. */
export const addDependencies = (task: TaskKey, on: readonly TaskKey[]) => sql.typeAlias("void")`
  insert into task_dependency (queue_id, task_id, position, on_queue_id, on_id)
  select ${task.queueId}, ${sql.uuid(task.id)}, row_number() over (order by i.id), i.queue_id, i.id from ${pairs(on)}`;

/**
 * Takes away the dependencies on tasks that have ended and answers who waited for them, once per dependency.
 * Each row belongs to one ended task, so two that end at once lock different ones.
 * Index: task_dependency_on_idx.
 */
export const settleDependencies = (ended: readonly TaskKey[]) => sql.type(
  z.strictObject({ task_id: z.uuid(), queue_id: z.int(), on_id: z.uuid() }),
)`
  with found as materialized (
    select d.task_id, d.queue_id, d.position from ${pairs(ended)} cross join lateral (
      select d.task_id, d.queue_id, d.position from task_dependency d where d.on_id = i.id and d.on_queue_id = i.queue_id
      for update
    ) d
  )
  delete from task_dependency d using found f
  where d.task_id = any(array[f.task_id]) and d.queue_id = f.queue_id and d.position = f.position
  returning d.task_id, d.queue_id, d.on_id`;

/** What waiting tasks of one queue do when a dependency fails. Locks them in id order. Index: task_waiting's primary key. */
export const lockWaiting = (queueId: number, ids: readonly string[]) => sql.type(
  z.strictObject({ id: z.uuid(), on_failure: z.string(), has_dependents: z.boolean() }),
)`
  select w.id, w.on_failure, w.has_dependents from task_waiting w
  where w.queue_id = ${queueId} and w.id = any(${uuids(ids)}) order by w.id for update`;

/**
 * Takes settled dependencies off waiting tasks of one queue; those left with none become pending. Answers these.
 * Indexes: the primary keys.
 */
export const unblockTasks = (queueId: number, ids: readonly string[], settled: readonly number[]) => sql.type(
  z.strictObject({ id: z.uuid() }),
)`
  with input as materialized (
    select i.id, ${queueId}::int as queue_id, i.settled from unnest(${uuids(ids)}, ${ints(settled)}) as i(id, settled)
  ), counted as (
    update task_waiting w set unmet = w.unmet - i.settled from input i
    where w.id = any(array[i.id]) and w.queue_id = i.queue_id and w.unmet > i.settled
  ), gone as (
    delete from task_waiting w using input i
    where w.id = any(array[i.id]) and w.queue_id = i.queue_id and w.unmet <= i.settled
    returning w.id, w.has_dependents
  )
  insert into task_ready as r (queue_id, priority, run_at, id, attempts, lease_seq, has_dependents, name)
  select ${queueId}, t.priority, t.run_at, t.id, t.attempts, t.lease_seq, g.has_dependents, t.name
  from gone g cross join lateral (
    select t.id, t.priority, t.run_at, t.attempts, t.lease_seq, t.name from task t
    where t.id = g.id and t.queue_id = ${queueId} offset 0
  ) t
  returning r.id`;

/** Ends waiting tasks of one queue because a dependency did not complete. Indexes: the primary keys. */
export const endWaiting = (queueId: number, ids: readonly string[], outcome: "cancelled" | "failed") => sql.type(
  z.strictObject({ id: z.uuid(), catalogued: z.boolean() }),
)`
  with gone as (
    delete from task_waiting w where w.queue_id = ${queueId} and w.id = any(${uuids(ids)}) returning w.id
  ), done as (
    update task t set outcome = ${outcome}::task_outcome, finished = now(), updated = now(),
      errors = coalesce(t.errors, '[]') || jsonb_build_object('attempt', t.attempts, 'at', now(), 'worker', null,
        'message', 'A task that this one depends on did not complete.', 'code', 'dependency_failed')
    from gone g where t.id = g.id and t.queue_id = ${queueId}
    returning t.id, t.catalogued
  ), counted as (
    insert into queue_delta (queue_id, failed, cancelled)
    select ${queueId}, count(*) filter (where ${outcome} = 'failed'), count(*) filter (where ${outcome} = 'cancelled')
    from done having count(*) > 0
  )
  select d.id, d.catalogued from done d`;
