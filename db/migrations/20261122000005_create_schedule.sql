-- migrate:up
-- Why: tasks made at certain times. A schedule says when and which; schedule_run says which of its fire times have made one,
-- so that each makes one task, whatever number of instances there is and wherever the clock is set.
-- Locks: new tables only; project for a moment, against changes of its form. Old code: goes on as before, and fires nothing.

create table schedule (
  id int generated always as identity primary key,
  project_id int not null references project (id) on delete cascade,
  name text not null,
  queue text not null,
  cron text,
  every_seconds double precision,
  timezone text not null default 'UTC',
  task_name text,
  payload jsonb not null default '{}',
  priority smallint not null default 5,
  max_attempts int,
  tags text[] not null default '{}',
  missed text not null default 'latest',
  overlap text not null default 'allow',
  start_at timestamptz,
  end_at timestamptz,
  anchor timestamptz not null default now(),
  paused boolean not null default false,
  last_run timestamptz,
  next_run timestamptz,
  computed timestamptz not null default now(),
  last_task_id uuid,
  added timestamptz not null default now(),
  updated timestamptz not null default now(),
  constraint schedule_name_key unique (project_id, name),
  constraint schedule_name_length check (char_length(name) between 1 and 80),
  constraint schedule_queue_form check (queue ~ '^[A-Za-z0-9_-]{1,80}$'),
  constraint schedule_cron_or_every check ((cron is null) <> (every_seconds is null)),
  constraint schedule_every_range check (every_seconds >= 1),
  constraint schedule_start_before_end check (start_at <= end_at),
  constraint schedule_payload_object check (jsonb_typeof(payload) = 'object'),
  constraint schedule_priority_range check (priority between 0 and 9),
  constraint schedule_attempts_range check (max_attempts between 1 and 1000),
  constraint schedule_missed_known check (missed in ('skip', 'latest', 'all')),
  constraint schedule_overlap_known check (overlap in ('allow', 'skip')),
  constraint schedule_paused_rests check (not paused or next_run is null)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);
comment on table schedule is 'When tasks are made by the service itself, and which.';
comment on column schedule.queue is 'By name: a queue that is not there is made by the next fire, as by an enqueue.';
comment on column schedule.anchor is 'What every_seconds counts from: start_at where there is one, else when every_seconds was set.';
comment on column schedule.last_run is 'The last fire time that made a task.';
comment on column schedule.next_run is 'The next fire time; null while paused, and when none comes any more.';
comment on column schedule.computed is 'When next_run was computed. Later than now only if the clock was set back: it is then computed anew.';
comment on column schedule.last_task_id is 'The last task it made, fired or triggered, for overlap. May be gone.';

create index schedule_next_run_idx on schedule (next_run) where not paused;
comment on index schedule_next_run_idx is 'For upkeep, which fires what is due.';

create trigger schedule_updated
  before update of queue, cron, every_seconds, timezone, task_name, payload, priority, max_attempts, tags, missed, overlap, start_at,
                   end_at, paused
  on schedule for each row execute function note_update();

create table schedule_run (
  schedule_id int not null,
  fire_at timestamptz not null,
  task_id uuid not null,
  primary key (schedule_id, fire_at)
);
comment on table schedule_run is 'Which fire times have made a task; its primary key is what makes it one each. Forgotten some days after the fire time. Without a foreign key: a schedule''s number is never used again, so rows of a deleted one are only waste until then.';

create index schedule_run_fire_at_idx on schedule_run (fire_at);
comment on index schedule_run_fire_at_idx is 'For upkeep, which forgets runs.';

-- migrate:down
-- Locks: project for a moment. Schedules are lost; the tasks they made stay.
drop table schedule_run, schedule;
