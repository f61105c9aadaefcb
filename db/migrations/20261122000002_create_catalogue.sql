-- migrate:up
-- Why: what people search, sort and group tasks by: tags, categories, owners, due dates, words. A task that has none of
-- these pays for none: what finds the others lies beside `task`, in task_catalogue, which plain tasks have no row in. So
-- `task` needs no index on a column that changes when a task finishes, and that change stays on its page.
-- Locks: task, project and the narrow tables for a moment, and task while the tags of its tasks are carried over.
-- Old code: does not go on beside it (it would lose tags). Stop older instances first.

create function note_update() returns trigger language plpgsql as $$
begin
  new.updated := now();
  return new;
end
$$;
comment on function note_update is 'Keeps `updated` of the catalogue''s tables. The tables of tasks say it in their statements: a trigger would be paid for by each of them.';

create trigger project_updated before update on project for each row execute function note_update();

create table tag (
  id int generated always as identity primary key,
  project_id int not null references project (id) on delete cascade,
  name text not null,
  key text collate "C" not null,
  colour text,
  used bigint not null default 0,
  added timestamptz not null default now(),
  updated timestamptz not null default now(),
  constraint tag_key unique (project_id, key),
  constraint tag_name_length check (char_length(name) between 1 and 50),
  constraint tag_colour_form check (colour ~ '^#[0-9A-Fa-f]{6}$')
) with (fillfactor = 70);
comment on table tag is 'What tasks are tagged with, a name once per project without regard to case.';
comment on column tag.key is 'The name in lower case and in Unicode''s composed form, made by the service: what PostgreSQL calls lower case depends on the database. Its unique index is also the one for prefixes.';
comment on column tag.used is 'Tasks with this tag that are not deleted, as far as upkeep has folded tag_delta into it.';
create trigger tag_updated before update of name, key, colour on tag for each row execute function note_update();

create table tag_delta (
  tag_id int not null,
  used int not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
comment on table tag_delta is 'What each statement changed, appended, as in queue_delta.';

create table category (
  id int generated always as identity primary key,
  project_id int not null references project (id) on delete cascade,
  name text not null,
  parent_id int,
  colour text not null default '#3B82F6',
  description text,
  tasks bigint not null default 0,
  added timestamptz not null default now(),
  updated timestamptz not null default now(),
  constraint category_name_key unique (project_id, name),
  constraint category_of_project unique (project_id, id),
  constraint category_parent_fkey foreign key (project_id, parent_id) references category (project_id, id)
    on delete set null (parent_id),
  constraint category_name_length check (char_length(name) between 1 and 80),
  constraint category_colour_form check (colour ~ '^#[0-9A-Fa-f]{6}$')
) with (fillfactor = 70);
comment on table category is 'A tree of categories per project.';
comment on column category.parent_id is 'In the same project. Null for a root; the children of a category that is removed by hand become roots.';
comment on column category.tasks is 'Tasks in this very category that are not deleted, as far as upkeep has folded category_delta into it.';
create index category_parent_idx on category (project_id, parent_id);
comment on index category_parent_idx is 'For walks down the tree, and for the foreign key.';
create trigger category_updated before update of name, parent_id, colour, description on category
  for each row execute function note_update();

create table category_delta (
  category_id int not null,
  tasks int not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
comment on table category_delta is 'What each statement changed, appended, as in queue_delta.';

create function category_refuse_cycle() returns trigger language plpgsql as $$
declare
  at int := new.parent_id;
begin
  -- Moves within a project wait for one another: two that are fine alone can close a circle together. Each look below has
  -- a snapshot of its own, so it sees what the move before it committed.
  perform 1 from project p where p.id = new.project_id for no key update;
  while at is not null loop
    if at = new.id then
      raise exception 'a category is not below itself' using errcode = 'check_violation', constraint = 'category_no_cycle';
    end if;
    select c.parent_id into at from category c where c.id = at;
  end loop;
  return new;
end
$$;
comment on function category_refuse_cycle is 'Refuses a move that would put a category below itself.';
create trigger category_no_cycle before insert or update of parent_id on category
  for each row when (new.parent_id is not null) execute function category_refuse_cycle();

alter table task
  add column catalogued boolean not null default false,
  add column last_worker text,
  add column last_claimed timestamptz;
comment on column task.catalogued is 'Has a row in task_catalogue: it has, or had, an owner, a due date, a description, tags or categories.';
comment on column task.last_worker is 'Who held the lease that ended last; null before the first end, or where nobody was named.';
comment on column task.last_claimed is 'When that lease began.';
comment on column task.tags is 'Not used any more: see task_tag. Not dropped, since rows of new partitions would then differ from the table''s and be converted one by one.';

create table task_catalogue (
  id uuid not null,
  queue_id int not null,
  project_id int not null,
  owner_id text,
  name text,
  priority smallint not null,
  outcome task_outcome,
  finished timestamptz,
  due_at timestamptz,
  hidden boolean not null default false,
  words tsvector not null,
  primary key (id, queue_id)
) with (fillfactor = 85);
comment on table task_catalogue is 'What finds the tasks that people look for by more than their id. Holds copies of facts of `task`, changed with them. Without foreign keys, as `task` is: a row goes in the transaction that removes its task.';
comment on column task_catalogue.hidden is 'The task is deleted. Not in the indexes then: deleted tasks are found by task_deleted_idx, and the others can be counted by an index alone.';
comment on column task_catalogue.words is 'The word stems of name (weight A) and description (B).';

create index task_catalogue_owner_idx on task_catalogue (project_id, owner_id, id) where owner_id is not null and not hidden;
comment on index task_catalogue_owner_idx is 'An owner''s tasks, the newest first.';
create index task_catalogue_owner_state_idx on task_catalogue (project_id, owner_id, outcome, id)
  where owner_id is not null and outcome is not null and not hidden;
comment on index task_catalogue_owner_state_idx is 'An owner''s tasks by how they ended, the newest first.';
create index task_catalogue_owner_open_idx on task_catalogue (project_id, owner_id, id)
  where owner_id is not null and outcome is null and not hidden;
comment on index task_catalogue_owner_open_idx is 'An owner''s unfinished tasks, the newest first: an index that holds null cannot give an order after it.';
create index task_catalogue_owner_priority_idx on task_catalogue (project_id, owner_id, priority, id) where owner_id is not null and not hidden;
comment on index task_catalogue_owner_priority_idx is 'An owner''s tasks by priority.';
create index task_catalogue_name_idx on task_catalogue (project_id, name, id) where name is not null and not hidden;
comment on index task_catalogue_name_idx is 'Tasks of a name, the newest first.';
create index task_catalogue_priority_idx on task_catalogue (project_id, priority, id) where not hidden;
comment on index task_catalogue_priority_idx is 'Tasks of a priority, the newest first.';
create index task_catalogue_outcome_idx on task_catalogue (project_id, outcome, id) where outcome is not null and not hidden;
comment on index task_catalogue_outcome_idx is 'Tasks that ended in one way, the newest first.';
create index task_catalogue_due_idx on task_catalogue (project_id, due_at, id) where due_at is not null and not hidden;
comment on index task_catalogue_due_idx is 'Tasks by due date.';
create index task_catalogue_finished_idx on task_catalogue (project_id, finished, id) where finished is not null and not hidden;
comment on index task_catalogue_finished_idx is 'Tasks by their end.';
create index task_catalogue_words_idx on task_catalogue using gin (words);
comment on index task_catalogue_words_idx is 'Text search.';

create index task_payload_idx on task using gin (payload jsonb_path_ops) where catalogued;
comment on index task_payload_idx is 'Containment in payloads, of catalogued tasks: for plain ones it would cost more than adding them does.';
create index task_plain_idx on task using brin ((catalogued::int)) with (pages_per_range = 16, autosummarize = on);
comment on index task_plain_idx is 'Which stretches of the table hold plain tasks: a search reads those, since nothing finds them otherwise.';
create index task_deleted_idx on task (id) where deleted_at is not null;
comment on index task_deleted_idx is 'Deleted tasks, the newest first, for lists and for upkeep, which removes them in the end.';
create index task_errors_idx on task (id) where errors is not null;
comment on index task_errors_idx is 'Tasks of which an attempt failed: among them the dead, which people look for. Not by outcome: an index on a column that each completion changes would cost each completion.';

create table task_tag (
  task_id uuid not null,
  queue_id int not null,
  tag_id int not null references tag (id) on delete cascade,
  position smallint not null,
  hidden boolean not null default false,
  primary key (task_id, queue_id, tag_id),
  constraint task_tag_task_fkey foreign key (task_id, queue_id) references task_catalogue (id, queue_id) on delete cascade
);
comment on table task_tag is 'Which task has which tag.';
comment on column task_tag.position is 'Where the tag stands among its task''s, in the order they were given.';
comment on column task_tag.hidden is 'The task is deleted, and not counted.';
create index task_tag_tag_idx on task_tag (tag_id, hidden, task_id);
comment on index task_tag_tag_idx is 'A tag''s tasks, the newest first.';

create table task_category (
  task_id uuid not null,
  queue_id int not null,
  category_id int not null references category (id) on delete cascade,
  hidden boolean not null default false,
  primary key (task_id, queue_id, category_id),
  constraint task_category_task_fkey foreign key (task_id, queue_id) references task_catalogue (id, queue_id) on delete cascade
);
comment on table task_category is 'Which task is in which category.';
comment on column task_category.hidden is 'The task is deleted, and not counted.';
create index task_category_category_idx on task_category (category_id, hidden, task_id);
comment on index task_category_category_idx is 'A category''s tasks, the newest first.';

create function task_tag_count() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into tag_delta (tag_id, used) select tag_id, count(*) from came where not hidden group by tag_id;
  elsif tg_op = 'DELETE' then
    insert into tag_delta (tag_id, used) select tag_id, -count(*) from went where not hidden group by tag_id;
  else
    insert into tag_delta (tag_id, used)
    select tag_id, sum(n) from (select tag_id, 1 as n from came where not hidden union all select tag_id, -1 from went where not hidden) c
    group by tag_id having sum(n) <> 0;
  end if;
  return null;
end
$$;
comment on function task_tag_count is 'Appends to tag_delta what a statement changed, foreign keys'' cascades included.';
create trigger task_tag_added after insert on task_tag referencing new table as came
  for each statement execute function task_tag_count();
create trigger task_tag_removed after delete on task_tag referencing old table as went
  for each statement execute function task_tag_count();
create trigger task_tag_changed after update on task_tag referencing new table as came old table as went
  for each statement execute function task_tag_count();

create function task_category_count() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into category_delta (category_id, tasks) select category_id, count(*) from came where not hidden group by category_id;
  elsif tg_op = 'DELETE' then
    insert into category_delta (category_id, tasks) select category_id, -count(*) from went where not hidden group by category_id;
  else
    insert into category_delta (category_id, tasks)
    select category_id, sum(n)
    from (select category_id, 1 as n from came where not hidden union all select category_id, -1 from went where not hidden) c
    group by category_id having sum(n) <> 0;
  end if;
  return null;
end
$$;
comment on function task_category_count is 'Appends to category_delta what a statement changed, foreign keys'' cascades included.';
create trigger task_category_added after insert on task_category referencing new table as came
  for each statement execute function task_category_count();
create trigger task_category_removed after delete on task_category referencing old table as went
  for each statement execute function task_category_count();
create trigger task_category_changed after update on task_category referencing new table as came old table as went
  for each statement execute function task_category_count();

create function task_words(name text, description text) returns tsvector language sql immutable parallel safe as $$
  select setweight(to_tsvector('pg_catalog.english', coalesce(name, '')), 'A')
      || setweight(to_tsvector('pg_catalog.english', coalesce(description, '')), 'B')
$$;
comment on function task_words is 'The word stems that text search finds a task by.';

-- What was catalogued before there was a catalogue.
update task t set catalogued = true
where t.owner_id is not null or t.due_at is not null or t.description is not null or cardinality(t.tags) > 0;
insert into task_catalogue (id, queue_id, project_id, owner_id, name, priority, outcome, finished, due_at, hidden, words)
select t.id, t.queue_id, q.project_id, t.owner_id, t.name, t.priority, t.outcome, t.finished, t.due_at, t.deleted_at is not null,
       task_words(t.name, t.description)
from task t join queue q on q.id = t.queue_id where t.catalogued;
insert into tag (project_id, name, key)
select distinct on (c.project_id, lower(normalize(n.name, NFC))) c.project_id, n.name, lower(normalize(n.name, NFC))
from task t join task_catalogue c on c.id = t.id and c.queue_id = t.queue_id
cross join unnest(t.tags) with ordinality as n(name, at)
order by c.project_id, lower(normalize(n.name, NFC)), t.id, n.at;
insert into task_tag (task_id, queue_id, tag_id, position, hidden)
select distinct on (t.id, t.queue_id, g.id) t.id, t.queue_id, g.id, n.at, t.deleted_at is not null
from task t join task_catalogue c on c.id = t.id and c.queue_id = t.queue_id
cross join unnest(t.tags) with ordinality as n(name, at) join tag g on g.project_id = c.project_id and g.key = lower(normalize(n.name, NFC))
order by t.id, t.queue_id, g.id, n.at;
update task set tags = null where tags is not null;

drop view task_with_state;
create view task_with_state as
  select t.id, t.queue_id, t.name, t.payload, t.priority, t.run_at, t.added, t.updated, t.finished, t.max_attempts, t.result,
         t.dedupe_key, t.description, t.due_at, t.owner_id, t.depends_on, t.deleted_at, t.errors, t.catalogued,
         t.last_worker, t.last_claimed, t.outcome,
         case when t.outcome is not null then t.outcome::text
              when r.id is not null then 'pending'
              when l.id is not null then 'claimed'
              when w.id is not null then 'waiting' end as state,
         coalesce(l.attempts, r.attempts, t.attempts) as attempts,
         coalesce(l.lease_seq, r.lease_seq, t.lease_seq) as lease_seq,
         coalesce(l.progress, t.progress) as progress,
         l.worker, l.expires_at as lease_expires_at, l.claimed_at
  from task t
  -- Each look-up is fenced by offset 0: with the keys as constants the planner would read a whole queue for one task when
  -- it believes the narrow tables empty. A finished task is looked up nowhere.
  left join lateral (
    select r.id, r.attempts, r.lease_seq from task_ready r
    where t.outcome is null and r.queue_id = t.queue_id and r.priority = t.priority and r.run_at = t.run_at and r.id = t.id
    offset 0) r on true
  left join lateral (
    select l.id, l.attempts, l.lease_seq, l.progress, l.worker, l.expires_at, l.claimed_at from task_lease l
    where t.outcome is null and l.id = t.id and l.queue_id = t.queue_id offset 0) l on true
  left join lateral (
    select w.id from task_waiting w where t.outcome is null and w.id = t.id and w.queue_id = t.queue_id offset 0) w on true;
comment on view task_with_state is 'A task with its state, for people and reports. A null state is a fault that admin.verify reports.';

-- migrate:down
-- Locks: as on the way up. Categories, owners' indexes and colours are lost; tags go back to their tasks.
update task t set tags = n.names
from (select x.task_id, x.queue_id, array_agg(g.name order by x.position) as names
      from task_tag x join tag g on g.id = x.tag_id group by x.task_id, x.queue_id) n
where t.id = n.task_id and t.queue_id = n.queue_id;
drop view task_with_state;
drop index task_payload_idx, task_plain_idx, task_deleted_idx, task_errors_idx;
drop table task_tag, task_category, task_catalogue, tag, tag_delta, category, category_delta;
drop function task_tag_count(), task_category_count(), category_refuse_cycle(), task_words(text, text);
drop trigger project_updated on project;
drop function note_update();
alter table task drop column catalogued, drop column last_worker, drop column last_claimed;
comment on column task.tags is 'Names, as given; null for none.';
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
