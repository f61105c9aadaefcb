-- migrate:up
-- Why: every enqueue of the client writes a row here, and the foreign key looked its project up for each of them, one by one.
-- The rows live for a day and are read by project and id alone; a project's number is never used again, so those of a
-- deleted project are only waste until upkeep forgets them.
-- Locks: request and project, for a moment and against everybody; nothing is rewritten. Old code: goes on as before.
alter table request drop constraint request_project_id_fkey;

-- migrate:down
-- Locks: request against writers while its rows are checked. Rows of projects that are gone must go first.
delete from request r where not exists (select 1 from project p where p.id = r.project_id);
alter table request
  add constraint request_project_id_fkey foreign key (project_id) references project (id) on delete cascade;
