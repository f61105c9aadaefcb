import { z } from "zod";
import { sql } from "../../db/sql.ts";

/** Makes the partition of `task` for a time some weeks from now, if it is not there. Locks `task` for a moment. */
export const ensurePartition = (weeksAhead: number) => sql.type(z.strictObject({ made: z.string().nullable() }))`
  select task_partition_ensure(now() + make_interval(days => 7 * ${weeksAhead})) as made`;

/** Rates are kept in stretches of ten seconds. */
const BUCKET_SECONDS = 10;

/**
 * Folds what was appended into totals and rates; a queue that is gone takes its rows with it. The queues are locked against
 * deletion: one that goes meanwhile would fail the foreign keys, and with them the whole fold.
 */
export const foldDeltas = () => sql.type(z.strictObject({ queues: z.number() }))`
  with taken as (
    delete from queue_delta d where d.ctid = any(array(select o.ctid from queue_delta o limit 50000 for update skip locked))
    returning d.*
  ), homes as materialized (
    select q.id from queue q where q.id in (select t.queue_id from taken t) order by q.id for key share
  ), live as materialized (
    select t.* from taken t where t.queue_id in (select h.id from homes h)
  ), totals as (
    insert into queue_total as t (queue_id, completed, failed, cancelled)
    select queue_id, sum(completed), sum(failed), sum(cancelled) from live group by queue_id order by queue_id
    on conflict (queue_id) do update set completed = t.completed + excluded.completed,
      failed = t.failed + excluded.failed, cancelled = t.cancelled + excluded.cancelled
    returning t.queue_id
  ), rates as (
    insert into queue_rate as r (queue_id, bucket, enqueued, completed)
    select queue_id, to_timestamp(floor(extract(epoch from at) / ${BUCKET_SECONDS}) * ${BUCKET_SECONDS}), sum(enqueued),
           sum(greatest(completed, 0))
    from live group by 1, 2 having sum(enqueued) + sum(greatest(completed, 0)) > 0 order by 1, 2
    on conflict (queue_id, bucket) do update set enqueued = r.enqueued + excluded.enqueued, completed = r.completed + excluded.completed
  )
  select count(*) as queues from totals`;

/** Forgets rates that no figure uses any more. */
export const dropOldRates = () => sql.typeAlias("void")`
  delete from queue_rate where bucket < now() - interval '10 minutes'`;

/**
 * Finished tasks after a place whose time is over by their queue's policy. Walks in id order, so in the order of creation,
 * and no further than tasks old enough for any policy. A task whose dedupe key still holds is kept, and so are those of a
 * workflow that still runs: others of it may want their results.
 * Indexes: task's primary key, task_dedupe_task_idx, workflow's primary key.
 */
export const expiredTasks = (after: string, limit: number) => sql.type(
  z.strictObject({ id: z.uuid(), queue_id: z.int(), state: z.string(), over: z.boolean() }),
)`
  with walked as materialized (
    select t.id, t.queue_id, t.outcome, t.finished, t.workflow_id from task t
    where t.id > ${sql.uuid(after)}
      and t.id < task_partition_bound(now() - make_interval(secs => (
        select coalesce(min(least(retention_completed_seconds, retention_failed_seconds)), 0) from queue)))
    order by t.id limit ${limit}
  )
  select w.id, w.queue_id, coalesce(w.outcome::text, '') as state,
    coalesce(w.outcome is not null and d.key is null and f.running is not true
      and w.finished < now() - make_interval(secs => case when w.outcome = 'failed' then q.retention_failed_seconds
                                                           else q.retention_completed_seconds end), false) as over
  from walked w join queue q on q.id = w.queue_id
  left join lateral (
    select d.key from task_dedupe d where d.task_id = w.id and d.holds_until > now() offset 0
  ) d on true
  left join lateral (
    select f.outcome is null as running from workflow f where f.id = w.workflow_id offset 0
  ) f on true
  order by w.id`;

/**
 * Forgets dedupe keys whose task has finished and whose time is over. A key that changes hands meanwhile is kept: `taken`
 * is compared with what this statement's snapshot saw, by which the old holder was judged.
 * Indexes: task's and task_dedupe's primary keys, a probe per key.
 */
export const dropOldKeys = (limit: number) => sql.type(z.strictObject({ key: z.string() }))`
  with seen as materialized (
    select o.queue_id, o.key, o.taken from task_dedupe o
    where (o.holds_until is null or o.holds_until <= now())
      and not exists (
        select 1 from task t where t.id = any(array[o.task_id]) and t.queue_id = o.queue_id and t.outcome is null)
    limit ${limit}
  )
  delete from task_dedupe d using seen s
  where d.queue_id = any(array[s.queue_id]) and d.key = s.key and d.taken = s.taken
  returning d.key`;

/** Drops those partitions of `task` that hold nothing and whose whole stretch is past. Locks `task` for a moment each. */
export const dropEmptyPartitions = () => sql.type(z.strictObject({ name: z.string(), dropped: z.boolean() }))`
  select c.relname as name, task_partition_drop_empty(c.relname) as dropped from pg_inherits i join pg_class c on c.oid = i.inhrelid
  where i.inhparent = 'task'::regclass and c.relname ~ '^task_[0-9]{8}$'
    and to_timestamp(substr(c.relname, 6), 'YYYYMMDD') < now() - interval '15 days'
  order by c.relname`;

/** Tasks of queues that are gone, left by an instance that died while it deleted one. */
export const orphans = (limit: number) => sql.type(
  z.strictObject({ id: z.uuid(), queue_id: z.int(), state: z.string().nullable() }),
)`
  select v.id, v.queue_id, v.state from task_with_state v
  where not exists (select 1 from queue q where q.id = v.queue_id) limit ${limit}`;

/** Tasks that were deleted so long ago. Index: task_deleted_idx. */
export const longDeleted = (seconds: number, limit: number) => sql.type(
  z.strictObject({ id: z.uuid(), queue_id: z.int(), state: z.string().nullable() }),
)`
  select t.id, t.queue_id, t.outcome::text as state from task t
  where t.deleted_at is not null and t.deleted_at < now() - make_interval(secs => ${seconds}) order by t.id limit ${limit}`;
