import { z } from "zod";
import { sql, texts } from "../../db/sql.ts";
import { DURABLE_TABLES, ENDANGERING, UNLOGGED } from "./durability.ts";

/** Milliseconds since 1970 by the database's clock, the only one that decides. */
export const databaseNow = () => sql.type(z.strictObject({ now: z.number() }))`
  select (extract(epoch from clock_timestamp()) * 1000)::float8 as now`;

/** When the transaction that asks began: what now() is in all its statements. Epoch milliseconds. */
export const transactionTime = () => sql.prepared("transaction_time", z.strictObject({ now: z.number() }))`
  select now() as now`;

export const health = () => sql.type(
  z.strictObject({
    version: z.string(),
    migration: z.string().nullable(),
    oldest_snapshot_seconds: z.number().nullable(),
  }),
)`
  select current_setting('server_version') as version, (select max(version) from schema_migrations) as migration,
    (select extract(epoch from max(now() - a.xact_start))::float8 from pg_stat_activity a
     where a.backend_xmin is not null and a.pid <> pg_backend_pid() and a.backend_type = 'client backend') as oldest_snapshot_seconds`;

/**
 * As they are for this very session, whether the server, the database, the role or the URL set them; and what of ours is
 * unlogged, as "unlogged tables" with their names. A few rows of pg_settings; pg_class by its index on names.
 */
export const durabilitySettings = () => sql.type(z.strictObject({ setting: z.string(), value: z.string() }))`
  select name as setting, setting as value from pg_settings
  where name = any(${texts(Object.keys(ENDANGERING))})
  union all
  select ${UNLOGGED}, string_agg(distinct t.table_name, ', ' order by t.table_name)
  from unnest(${texts(DURABLE_TABLES)}) as t (table_name)
  cross join lateral (
    select c.oid from pg_class c where c.oid = to_regclass(quote_ident(t.table_name))
    union all
    select i.inhrelid from pg_inherits i where i.inhparent = to_regclass(quote_ident(t.table_name))) part
  join pg_class c on c.oid = part.oid and c.relpersistence = 'u'
  having count(*) > 0
  order by 1`;

/**
 * What must hold of every task, each with the tasks that break it; in one statement, so all of one snapshot. Reads all
 * unfinished tasks, and counts the finished ones.
 */
export const brokenInvariants = () => sql.type(z.strictObject({ rule: z.string(), id: z.string() }))`
  select 'a task is in one state' as rule, p.id::text as id from (
      select id, queue_id from task_ready union all select id, queue_id from task_lease union all select id, queue_id from task_waiting) p
    join task t on t.id = p.id and t.queue_id = p.queue_id and t.outcome is not null
  union all
  select 'a task is in one state', p.id::text from (
      select id, queue_id from task_ready union all select id, queue_id from task_lease union all select id, queue_id from task_waiting) p
    group by p.id, p.queue_id having count(*) > 1
  union all
  select 'a task is in some state', t.id::text from task t
    where t.outcome is null
      and not exists (select 1 from task_ready r where r.queue_id = t.queue_id and r.priority = t.priority and r.run_at = t.run_at and r.id = t.id)
      and not exists (select 1 from task_lease l where l.id = t.id and l.queue_id = t.queue_id)
      and not exists (select 1 from task_waiting w where w.id = t.id and w.queue_id = t.queue_id)
  union all
  select 'what is ready, claimed or waiting is a task', p.id::text from (
      select id, queue_id from task_ready union all select id, queue_id from task_lease union all select id, queue_id from task_waiting) p
    where not exists (select 1 from task t where t.id = p.id and t.queue_id = p.queue_id)
  union all
  select 'a ready task is found by its priority and time', r.id::text from task_ready r
    join task t on t.id = r.id and t.queue_id = r.queue_id
    where (t.priority, t.run_at, t.name) is distinct from (r.priority, r.run_at, r.name)
  union all
  select 'a waiting task is known as it is', w.id::text from task_waiting w join task t on t.id = w.id and t.queue_id = w.queue_id
    where (t.priority, t.run_at, t.name, t.lease_seq, t.attempts) is distinct from (w.priority, w.run_at, w.name, w.lease_seq, 0)
  union all
  select 'attempts stay within the maximum', t.id::text from task_lease l
    join task t on t.id = l.id and t.queue_id = l.queue_id where l.attempts > t.max_attempts
  union all
  select 'a waiting task has as many dependencies as it counts', w.id::text from task_waiting w
    where w.unmet <> (select count(*) from task_dependency d where d.task_id = w.id and d.queue_id = w.queue_id)
  union all
  select 'what a waiting task waits for will tell of its end', w.id::text from task_waiting w
    join task_dependency d on d.task_id = w.id and d.queue_id = w.queue_id
    where not exists (select 1 from task t
        join task_ready r on r.queue_id = t.queue_id and r.priority = t.priority and r.run_at = t.run_at and r.id = t.id
        where t.id = d.on_id and t.queue_id = d.on_queue_id and r.has_dependents)
      and not exists (select 1 from task_lease l where l.id = d.on_id and l.queue_id = d.on_queue_id and l.has_dependents)
      and not exists (select 1 from task_waiting o where o.id = d.on_id and o.queue_id = d.on_queue_id and o.has_dependents)
  union all
  select 'the catalogue says of a task what the task says', t.id::text from task t
    left join task_catalogue c on c.id = t.id and c.queue_id = t.queue_id
    where t.catalogued and (c.owner_id, c.name, c.priority, c.outcome, c.finished, c.due_at, c.hidden, c.words)
      is distinct from (t.owner_id, t.name, t.priority, t.outcome, t.finished, t.due_at, t.deleted_at is not null,
                        task_words(t.name, t.description))
      -- Of a queue that is gone, tasks and all that is known of them are only to be removed.
      and exists (select 1 from queue q where q.id = t.queue_id)
  union all
  select 'what is in the catalogue is a task', c.id::text from task_catalogue c
    where not exists (select 1 from task t where t.id = c.id and t.queue_id = c.queue_id and t.catalogued)
  union all
  select 'a tag counts the tasks that have it', g.name from tag g
    where g.used + (select coalesce(sum(d.used), 0) from tag_delta d where d.tag_id = g.id)
      <> (select count(*) from task_tag x where x.tag_id = g.id and not x.hidden)
  union all
  select 'a category counts the tasks that are in it', k.name from category k
    where k.tasks + (select coalesce(sum(d.tasks), 0) from category_delta d where d.category_id = k.id)
      <> (select count(*) from task_category x where x.category_id = k.id and not x.hidden)
  union all
  select 'a workflow counts the tasks that it waits for', w.id::text from workflow w
    where w.unfinished - (select coalesce(sum(d.ended), 0) from workflow_delta d where d.workflow_id = w.id)
      <> (select count(*) from task t where t.workflow_id = w.id and t.outcome is null)
  union all
  select 'a workflow is told of its tasks'' ends', p.id::text from (
      select id, queue_id from task_ready where not has_dependents union all
      select id, queue_id from task_lease where not has_dependents union all
      select id, queue_id from task_waiting where not has_dependents) p
    join task t on t.id = p.id and t.queue_id = p.queue_id and t.workflow_id is not null
  union all
  select 'a key is that of one task of its workflow', w.workflow_id::text from task w where w.workflow_id is not null
    group by w.workflow_id, w.workflow_key having count(*) > 1
  union all
  select 'a queue''s totals are its finished tasks', q.name from queue q
    left join queue_total t on t.queue_id = q.id
    left join lateral (select coalesce(sum(completed), 0) as completed, coalesce(sum(failed), 0) as failed,
                              coalesce(sum(cancelled), 0) as cancelled from queue_delta d where d.queue_id = q.id) d on true
    left join lateral (select count(*) filter (where outcome = 'completed') as completed,
                              count(*) filter (where outcome = 'failed') as failed,
                              count(*) filter (where outcome = 'cancelled') as cancelled
                       from task f where f.queue_id = q.id and f.outcome is not null and f.deleted_at is null) f on true
    where (coalesce(t.completed, 0) + d.completed, coalesce(t.failed, 0) + d.failed, coalesce(t.cancelled, 0) + d.cancelled)
      is distinct from (f.completed, f.failed, f.cancelled)`;

/** Tasks by queue and state, for metrics. Counts the narrow tables; finished tasks from the totals. */
export const tasksByState = () => sql.type(
  z.strictObject({ project: z.string(), queue: z.string(), state: z.string(), tasks: z.number() }),
)`
  select p.name as project, q.name as queue, s.state, s.tasks
  from queue q join project p on p.id = q.project_id
  left join queue_total t on t.queue_id = q.id
  left join lateral (select sum(completed) as completed, sum(failed) as failed, sum(cancelled) as cancelled
                     from queue_delta d where d.queue_id = q.id) d on true
  cross join lateral (values
    ('pending', (select count(*) from task_ready r where r.queue_id = q.id)),
    ('claimed', (select count(*) from task_lease l where l.queue_id = q.id)),
    ('waiting', (select count(*) from task_waiting w where w.queue_id = q.id)),
    ('completed', coalesce(t.completed, 0) + coalesce(d.completed, 0)),
    ('failed', coalesce(t.failed, 0) + coalesce(d.failed, 0)),
    ('cancelled', coalesce(t.cancelled, 0) + coalesce(d.cancelled, 0))) s(state, tasks)`;
