-- migrate:up
-- Why: tasks that belong together, with keys to name them by, and a state of the whole. How many of them are unfinished is
-- not counted in the workflow's row, which every end would then lock: what each statement ended is appended to
-- workflow_delta, and upkeep folds it in. Which workflow a task belongs to stands in the task's row, which is read and written
-- anyway when it is claimed and when it ends; a table of its own would cost a row, two index entries and a look-up a task.
-- task_dependency gets one index instead of two, since each edge is written and removed once and only ever found by the task
-- that ends. task_waiting knows what task_ready must know, so that a task becomes ready without a look at task.
-- Locks: task for as long as its partitions are read once, for the new index; task_dependency while its index is made, and
-- task_waiting while it is filled.
-- Old code: does not go on beside it (it would end tasks of a workflow without telling it). Stop older instances first.

create table workflow (
  id uuid primary key,
  project_id int not null references project (id) on delete cascade,
  name text,
  unfinished int not null,
  failed int not null default 0,
  cancelled int not null default 0,
  stopped boolean not null default false,
  outcome task_outcome,
  added timestamptz not null,
  updated timestamptz not null default now(),
  finished timestamptz,
  constraint workflow_name_length check (char_length(name) between 1 and 255),
  constraint workflow_outcome_when_finished check ((outcome is null) = (finished is null))
) with (fillfactor = 70);
comment on table workflow is 'Tasks that belong together.';
comment on column workflow.id is 'uuid v7 made by the service, as a task''s; the low 32 bits are the project''s number.';
comment on column workflow.unfinished is 'Its tasks that have not ended, as far as workflow_delta has been folded into it; failed and cancelled likewise.';
comment on column workflow.stopped is 'It was cancelled as a whole, and ends cancelled whatever its tasks did.';
create trigger workflow_updated before update on workflow for each row execute function note_update();
create index workflow_project_idx on workflow (project_id, added);
comment on index workflow_project_idx is 'A project''s workflows, the newest first. Without the id, by which the planner would otherwise read it whole for one workflow.';
create index workflow_running_idx on workflow (project_id, added) where outcome is null;
comment on index workflow_running_idx is 'Those that run.';
create index workflow_outcome_idx on workflow (project_id, outcome, added) where outcome is not null;
comment on index workflow_outcome_idx is 'Those that ended in one way.';

create table workflow_delta (
  workflow_id uuid not null,
  ended int not null,
  failed int not null,
  cancelled int not null,
  at timestamptz not null default now()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
comment on table workflow_delta is 'How many tasks of a workflow each statement ended, appended, as in queue_delta; fewer than none where they are to run again.';
create index workflow_delta_idx on workflow_delta (workflow_id);
comment on index workflow_delta_idx is 'What one workflow''s state is short of.';

alter table task
  add column workflow_id uuid,
  add column workflow_key text,
  add column depends_on_keys text[],
  add column on_dependency_failure text;
comment on column task.workflow_id is 'The workflow it belongs to, for good. Without a foreign key, as all of task.';
comment on column task.workflow_key is 'What the others of its workflow call it. Once in a workflow: who adds tasks holds the workflow''s row.';
comment on column task.depends_on_keys is 'The keys of the tasks in depends_on, in the same order.';
comment on column task.on_dependency_failure is 'What a task of a workflow does when a dependency fails, for workflow.retry: task_waiting forgets it.';
create index task_workflow_idx on task (workflow_id, workflow_key) where workflow_id is not null;
comment on index task_workflow_idx is 'The tasks of a workflow. None of its columns ever changes, so ending a task leaves it alone.';

alter table task_waiting
  add column priority smallint,
  add column run_at timestamptz,
  add column lease_seq int not null default 0,
  add column name text;
update task_waiting w set priority = t.priority, run_at = t.run_at, lease_seq = t.lease_seq, name = t.name
  from task t where t.id = w.id and t.queue_id = w.queue_id;
alter table task_waiting alter column priority set not null, alter column run_at set not null;
comment on column task_waiting.run_at is 'Equals task.run_at, as priority, lease_seq and name equal the task''s: what task_ready must know when it becomes ready. Read from the row that was waited for, these are never older than it.';

comment on column task_ready.has_dependents is 'Somebody must be told of its end: a task that waits for it, or its workflow. Travels with it, so that finishing it knows without a look.';

alter table task_dependency drop constraint task_dependency_pkey;
drop index task_dependency_on_idx;
alter table task_dependency drop column position, add primary key (on_id, on_queue_id, task_id, queue_id);

-- migrate:down
alter table task_dependency drop constraint task_dependency_pkey;
alter table task_dependency add column position smallint;
update task_dependency d set position = n.position
  from (select ctid, row_number() over (partition by task_id, queue_id order by on_id) as position from task_dependency) n
  where d.ctid = n.ctid;
alter table task_dependency alter column position set not null, add primary key (task_id, queue_id, position);
comment on column task_dependency.position is 'Where the dependency stands among its task''s: part of the key in place of on_id, so that no index but its own can find a row by on_id.';
create index task_dependency_on_idx on task_dependency (on_id, on_queue_id);
comment on index task_dependency_on_idx is 'For the end of a task: who waits for it.';
comment on column task_ready.has_dependents is 'Some task waits for this one; travels with it so that finishing it knows without a look.';
drop index task_workflow_idx;
alter table task_waiting drop column priority, drop column run_at, drop column lease_seq, drop column name;
alter table task drop column workflow_id, drop column workflow_key, drop column depends_on_keys, drop column on_dependency_failure;
drop table workflow_delta, workflow;
