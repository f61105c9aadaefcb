-- migrate:up
-- Why: a project is the tenant; a queue belongs to one and holds the policy of its tasks.
-- Locks: new tables only. Old code: there is none.

create table project (
  id int generated always as identity primary key,
  name text not null,
  description text,
  added timestamptz not null default now(),
  updated timestamptz not null default now(),
  constraint project_name_key unique (name),
  constraint project_name_length check (char_length(name) between 1 and 80)
);
comment on table project is 'The tenant: groups queues and whatever belongs to them. There is always one named default.';
comment on column project.id is 'Internal number; callers know a project by its name.';

insert into project (name, description) values ('default', 'Where calls act that name no project.');

create table queue (
  id int generated always as identity primary key,
  project_id int not null references project (id) on delete cascade,
  name text not null,
  description text,
  lease_seconds double precision not null default 30,
  max_attempts int not null default 5,
  backoff_base_seconds double precision not null default 2,
  backoff_factor double precision not null default 2,
  backoff_max_seconds double precision not null default 3600,
  backoff_jitter boolean not null default true,
  retention_completed_seconds double precision default 604800,
  retention_failed_seconds double precision default 2592000,
  max_payload_bytes int not null default 262144,
  paused boolean not null default false,
  added timestamptz not null default now(),
  updated timestamptz not null default now(),
  constraint queue_name_key unique (project_id, name),
  constraint queue_name_form check (name ~ '^[A-Za-z0-9_-]{1,80}$'),
  constraint queue_lease_range check (lease_seconds between 1 and 43200),
  constraint queue_attempts_range check (max_attempts between 1 and 1000)
);
comment on table queue is 'A named line of tasks and the policy they are run by.';
comment on column queue.id is 'Also the low 32 bits of the id of each of its tasks, so that a bare task id names its queue.';
comment on column queue.lease_seconds is 'How long a claim holds a task unless the claim says otherwise.';
comment on column queue.backoff_base_seconds is 'Delay before the second attempt; each further one is longer by backoff_factor, up to backoff_max_seconds.';
comment on column queue.backoff_jitter is 'Whether the delay is drawn evenly from zero to the computed one (full jitter), so that failures do not return together.';
comment on column queue.retention_completed_seconds is 'How long completed and cancelled tasks are kept; null keeps them for good.';
comment on column queue.retention_failed_seconds is 'How long failed tasks are kept; null keeps them for good.';
comment on column queue.paused is 'A paused queue takes tasks and hands out none.';

create table queue_total (
  queue_id int primary key references queue (id) on delete cascade,
  completed bigint not null default 0,
  failed bigint not null default 0,
  cancelled bigint not null default 0
) with (fillfactor = 50);
comment on table queue_total is 'Finished tasks of a queue as far as upkeep has folded queue_delta into them; queue.stats adds both.';

create table queue_delta (
  queue_id int not null,
  at timestamptz not null default now(),
  enqueued int not null default 0,
  completed int not null default 0,
  failed int not null default 0,
  cancelled int not null default 0
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
comment on table queue_delta is 'What each statement changed, appended: one counter row that every call updates would make them wait for each other.';

create table queue_rate (
  queue_id int not null references queue (id) on delete cascade,
  bucket timestamptz not null,
  enqueued bigint not null default 0,
  completed bigint not null default 0,
  primary key (queue_id, bucket)
);
comment on table queue_rate is 'Tasks that came and were completed in each stretch of ten seconds, for the rates of queue.stats; kept for minutes.';

create table worker (
  project_id int not null references project (id) on delete cascade,
  id text not null,
  queues text[] not null default '{}',
  last_seen timestamptz not null default now(),
  claimed bigint not null default 0,
  completed bigint not null default 0,
  failed bigint not null default 0,
  primary key (project_id, id),
  constraint worker_id_length check (char_length(id) between 1 and 255)
) with (fillfactor = 70);
comment on table worker is 'Who has claimed under a name. Counted in memory by each instance and added here about once a second.';

create index worker_last_seen_idx on worker (project_id, last_seen desc, id);
comment on index worker_last_seen_idx is 'For worker.list.';

create table request (
  project_id int not null references project (id) on delete cascade,
  request_id text not null,
  method text not null,
  params_hash bytea not null,
  answer jsonb,
  added timestamptz not null default now(),
  primary key (project_id, request_id),
  constraint request_id_length check (char_length(request_id) between 1 and 128)
);
comment on table request is 'What a call with a requestId answered, written in the transaction of its effect; a repeat within 24 hours answers it again.';
comment on column request.params_hash is 'SHA-256 of the call''s parameters: the same requestId with other ones is refused.';

create index request_added_idx on request (added);
comment on index request_added_idx is 'For upkeep, which forgets requests after 24 hours.';

-- migrate:down
drop table request, worker, queue_rate, queue_delta, queue_total, queue, project;
