-- migrate:up
-- Why: people act in the projects that they are members of, each in a role. What a role may do stands in the code
-- (src/domain/access/scopes.ts), beside the scopes of keys.
-- Locks: a new table only; project and "user" for a moment, against changes of their form. Old code: goes on as before.

create table project_member (
  project_id int not null references project (id) on delete cascade,
  user_id text not null references "user" (id) on delete cascade,
  role text not null,
  added timestamptz not null default now(),
  primary key (project_id, user_id),
  constraint project_member_role_known check (role in ('viewer', 'member', 'admin'))
);
comment on table project_member is 'Which people may act in a project, and as what.';

create index project_member_user_idx on project_member (user_id);
comment on index project_member_user_idx is 'For what somebody who calls may do, and for deleting a person.';

-- migrate:down
-- Locks: project_member, and project and "user" for a moment. All memberships are lost.
drop table project_member;
