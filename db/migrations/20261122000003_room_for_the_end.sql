-- migrate:up
-- Why: the update that finishes a task stays on its page, and touches no index, only if there is room. With a fillfactor of
-- 85 there was for a quarter of the tasks of a queue that is worked off in large batches; see docs/decisions/0008.
-- Locks: each partition of task for a moment, against other changes of its form, not against reading and writing. What is
-- there is not rewritten. Old code: goes on as before.
create or replace function task_partition_ensure(at timestamptz) returns text language plpgsql as $$
declare
  week constant int := 604800;
  starts constant timestamptz := to_timestamp(floor(extract(epoch from at) / week) * week);
  partition constant text := 'task_' || to_char(starts at time zone 'utc', 'YYYYMMDD');
begin
  if to_regclass(partition) is not null then
    return null;
  end if;
  execute format(
    'create table %I partition of task for values from (%L) to (%L) with (fillfactor = 50,
       autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0)',
    partition, task_partition_bound(starts), task_partition_bound(starts + make_interval(secs => week)));
  return partition;
end
$$;
comment on function task_partition_ensure is 'Makes the partition of task that holds a time, a week long; answers its name, or null if it was there. Fillfactor leaves as much room as there are tasks: each is updated once, when it finishes, and that stays on its page.';
do $$
declare
  partition regclass;
begin
  for partition in select i.inhrelid::regclass from pg_inherits i where i.inhparent = 'task'::regclass loop
    execute format('alter table %s set (fillfactor = 50)', partition);
  end loop;
end
$$;

-- migrate:down
-- Locks: as on the way up.
create or replace function task_partition_ensure(at timestamptz) returns text language plpgsql as $$
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
do $$
declare
  partition regclass;
begin
  for partition in select i.inhrelid::regclass from pg_inherits i where i.inhparent = 'task'::regclass loop
    execute format('alter table %s set (fillfactor = 85)', partition);
  end loop;
end
$$;
