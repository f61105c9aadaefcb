-- migrate:up
-- Why: the facts of a task in one table, what happens next in narrow ones. A task's state is the narrow table it is in;
-- a finished one is in `task` alone. A move between states is one statement, so a task is never in two tables or in none.
-- Locks: new tables only. Old code: there is none.

create type task_outcome as enum ('completed', 'failed', 'cancelled');

create table task (
  id uuid not null,
  queue_id int not null,
  priority smallint not null,
  attempts int not null default 0,
  max_attempts int not null,
  lease_seq int not null default 0,
  outcome task_outcome,
  run_at timestamptz not null,
  added timestamptz not null,
  updated timestamptz not null,
  finished timestamptz,
  due_at timestamptz,
  deleted_at timestamptz,
  name text,
  owner_id text,
  dedupe_key text,
  description text,
  tags text[],
  depends_on uuid[],
  payload jsonb not null,
  result jsonb,
  progress jsonb,
  errors jsonb,
  primary key (id, queue_id),
  constraint task_outcome_when_finished check ((outcome is null) = (finished is null)),
  constraint task_priority_range check (priority between 0 and 9),
  constraint task_payload_object check (jsonb_typeof(payload) = 'object'),
  constraint task_id_names_queue check (('x' || right(id::text, 8))::bit(32)::int = queue_id)
) partition by range (id);
comment on table task is 'The facts of a task. Inserted once, updated when an attempt fails and when it finishes. A uuid v7 begins with its time, so a partition is a stretch of days.';
comment on column task.id is 'uuid v7 made by the service: milliseconds of the database''s clock first, the queue''s number in the low 32 bits.';
comment on column task.attempts is 'Attempts begun, as of the last failure or the end; while the task is ready or claimed the narrow table knows better.';
comment on column task.lease_seq is 'Number of the last lease, as of the last failure or the end. Never goes back, so no receipt is ever valid twice.';
comment on column task.outcome is 'How it ended; null while unfinished.';
comment on column task.run_at is 'Not before. Equals task_ready.run_at while the task is there: together with priority it finds that row.';
comment on column task.errors is 'One entry per failed attempt: attempt, at, worker, message, code, data. Null for none.';
comment on column task.progress is 'What the last attempt said of its progress, kept when the task ended.';
comment on column task.tags is 'Names, as given; null for none.';
comment on column task.depends_on is 'The tasks it waits, or waited, for; null for none.';
comment on column task.deleted_at is 'Soft delete. Equal to finished when deleting it cancelled it, which is how restore knows.';

create table task_ready (
  queue_id int not null,
  priority smallint not null,
  run_at timestamptz not null,
  id uuid not null,
  attempts int not null,
  lease_seq int not null,
  has_dependents boolean not null default false,
  name text,
  primary key (queue_id, priority, run_at, id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_insert_scale_factor = 0.5,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.5);
comment on table task_ready is 'Pending tasks, due or delayed. The primary key is the order in which they are claimed.';
comment on column task_ready.has_dependents is 'Some task waits for this one; travels with it so that finishing it knows without a look.';

create index task_ready_name_idx on task_ready (queue_id, name, priority, run_at, id) where name is not null;
comment on index task_ready_name_idx is 'For claims by name.';

create table task_lease (
  id uuid not null,
  queue_id int not null,
  attempts int not null,
  lease_seq int not null,
  claimed_at timestamptz not null,
  expires_at timestamptz not null,
  has_dependents boolean not null,
  worker text,
  progress jsonb,
  primary key (id, queue_id)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.5);
comment on table task_lease is 'Claimed tasks. The row is the lease: a receipt is valid exactly while the row with its lease_seq is here.';

create index task_lease_expires_idx on task_lease (expires_at);
comment on index task_lease_expires_idx is 'For upkeep, which returns tasks whose lease ran out. Without the queue''s number: an index that begins with it invites the planner to look a task up by reading the whole queue.';

create table task_waiting (
  id uuid not null,
  queue_id int not null,
  unmet int not null,
  has_dependents boolean not null default false,
  on_failure text not null,
  primary key (id, queue_id),
  constraint task_waiting_unmet_positive check (unmet > 0),
  constraint task_waiting_on_failure_known check (on_failure in ('cancel', 'fail', 'run'))
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
comment on table task_waiting is 'Tasks that something holds back: dependencies that are not settled yet.';
comment on column task_waiting.unmet is 'How many dependencies are not settled.';

create table task_dependency (
  queue_id int not null,
  task_id uuid not null,
  position smallint not null,
  on_queue_id int not null,
  on_id uuid not null,
  primary key (task_id, queue_id, position)
);
comment on table task_dependency is 'Which task waits for which. A row goes when the other task ends.';
comment on column task_dependency.position is 'Where the dependency stands among its task''s: part of the key in place of on_id, so that no index but its own can find a row by on_id.';
create index task_dependency_on_idx on task_dependency (on_id, on_queue_id);
comment on index task_dependency_on_idx is 'For the end of a task: who waits for it.';

create table task_dedupe (
  queue_id int not null,
  key text not null,
  task_id uuid not null,
  taken bigint not null default 1,
  holds_until timestamptz,
  primary key (queue_id, key),
  constraint task_dedupe_key_length check (char_length(key) between 1 and 255)
);
comment on table task_dedupe is 'The task that holds a dedupe key: while it is unfinished, and until holds_until.';
comment on column task_dedupe.taken is 'How often the key changed hands. A statement may replace the holder only if this is what it saw, or it would judge a newer holder by an older snapshot.';
create index task_dedupe_task_idx on task_dedupe (task_id);
comment on index task_dedupe_task_idx is 'For upkeep, which forgets the keys of tasks that are gone.';

create function task_partition_bound(at timestamptz) returns uuid language sql stable strict as $$
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
comment on function task_partition_bound is 'The smallest uuid v7 of a time.';

create function task_partition_ensure(at timestamptz) returns text language plpgsql as $$
declare
  week constant int := 604800;
  starts constant timestamptz := to_timestamp(floor(extract(epoch from at) / week) * week);
  partition constant text := 'task_' || to_char(starts at time zone 'utc', 'YYYYMMDD');
begin
  if to_regclass(partition) is not null then
    return null;
  end if;
  execute format(
    'create table %I partition of task for values from (%L) to (%L) with (fillfactor = 85,
       autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0)',
    partition, task_partition_bound(starts), task_partition_bound(starts + make_interval(secs => week)));
  return partition;
end
$$;
comment on function task_partition_ensure is 'Makes the partition of task that holds a time, a week long; answers its name, or null if it was there. Fillfactor leaves room for the update that finishes a task to stay on its page.';

create function task_partition_drop_empty(partition text) returns boolean language plpgsql as $$
declare
  found boolean;
begin
  execute format('select exists (select 1 from %I)', partition) into found;
  if found then
    return false;
  end if;
  -- Dropping a partition locks the whole table: rather not today than make anyone wait.
  perform set_config('lock_timeout', '200ms', true);
  execute format('drop table %I', partition);
  return true;
exception when lock_not_available then
  return false;
end
$$;
comment on function task_partition_drop_empty is 'Drops a partition of task that holds nothing; answers whether it did. For partitions whose time is long past: nothing can be added to them any more.';

-- The week before as well: a clock that is set back a little must not stop anyone from adding tasks.
select task_partition_ensure(now() + make_interval(days => 7 * n)) from generate_series(-1, 4) n;

create view task_with_state as
  select t.id, t.queue_id, t.name, t.payload, t.priority, t.run_at, t.added, t.updated, t.finished, t.max_attempts, t.result,
         t.dedupe_key, t.description, t.due_at, t.owner_id, t.tags, t.depends_on, t.deleted_at, t.errors,
         case when t.outcome is not null then t.outcome::text
              when r.id is not null then 'pending'
              when l.id is not null then 'claimed'
              when w.id is not null then 'waiting' end as state,
         coalesce(l.attempts, r.attempts, t.attempts) as attempts,
         coalesce(l.lease_seq, r.lease_seq, t.lease_seq) as lease_seq,
         coalesce(l.progress, t.progress) as progress,
         l.worker, l.expires_at as lease_expires_at
  from task t
  -- Each look-up is fenced by offset 0: with the keys as constants the planner would read a whole queue for one task when
  -- it believes the narrow tables empty. A finished task is looked up nowhere.
  left join lateral (
    select r.id, r.attempts, r.lease_seq from task_ready r
    where t.outcome is null and r.queue_id = t.queue_id and r.priority = t.priority and r.run_at = t.run_at and r.id = t.id
    offset 0) r on true
  left join lateral (
    select l.id, l.attempts, l.lease_seq, l.progress, l.worker, l.expires_at from task_lease l
    where t.outcome is null and l.id = t.id and l.queue_id = t.queue_id offset 0) l on true
  left join lateral (
    select w.id from task_waiting w where t.outcome is null and w.id = t.id and w.queue_id = t.queue_id offset 0) w on true;
comment on view task_with_state is 'A task with its state, for people and reports. A null state is a fault that admin.verify reports.';

-- migrate:down
drop view task_with_state;
drop function task_partition_ensure(timestamptz);
drop function task_partition_drop_empty(text);
drop table task_dedupe, task_dependency, task_waiting, task_lease, task_ready, task;
drop function task_partition_bound(timestamptz);
drop type task_outcome;
