-- migrate:up
-- Why: tasks that belong together, with keys to name them by, and a state of the whole. How many of them are unfinished is
-- not counted in the workflow's row, which every end would then lock: what each transaction ended is appended to
-- workflow_delta, and upkeep folds it in.
-- Locks: new tables only, and the comments' tables for a moment.
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

create table workflow_task (
  id uuid not null,
  queue_id int not null,
  workflow_id uuid not null references workflow (id) on delete cascade,
  key text not null,
  after text[],
  on_failure text not null,
  primary key (id, queue_id),
  constraint workflow_task_key unique (workflow_id, key),
  constraint workflow_task_key_length check (char_length(key) between 1 and 255)
);
comment on table workflow_task is 'Which task belongs to which workflow. Without a foreign key to task, as the narrow tables: a row goes in the statement that removes its task.';
comment on column workflow_task.key is 'What the others of its workflow call it.';
comment on column workflow_task.after is 'The keys of the tasks it depends on, in the order of task.depends_on; null for none.';
comment on column workflow_task.on_failure is 'What it does when one of them fails, for workflow.retry: task_waiting forgets it.';

create table workflow_delta (
  workflow_id uuid not null,
  ended int not null,
  failed int not null,
  cancelled int not null,
  at timestamptz not null default now()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
comment on table workflow_delta is 'How many tasks of a workflow each transaction ended, appended, as in queue_delta; fewer than none where they are run again.';
create index workflow_delta_idx on workflow_delta (workflow_id);
comment on index workflow_delta_idx is 'What one workflow''s state is short of.';

comment on column task_ready.has_dependents is 'Somebody must be told of its end: a task that waits for it, or its workflow. Travels with it, so that finishing it knows without a look.';

-- migrate:down
drop table workflow_delta, workflow_task, workflow;
comment on column task_ready.has_dependents is 'Some task waits for this one; travels with it so that finishing it knows without a look.';
