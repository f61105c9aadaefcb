-- migrate:up
-- Why: programs show who they are by a key. What is kept is the key's SHA-256: keys are 256 random bits, which nobody can try
-- out, so a slow hash would only slow calls down. A key without project_id is one of the whole service.
-- Locks: a new table only; project for a moment, against changes of its form. Old code: goes on as before, and asks for no key.

create table api_key (
  id uuid primary key,
  project_id int references project (id) on delete cascade,
  name text not null,
  key_hash bytea not null,
  shown text not null,
  scopes text[] not null,
  queues text[],
  lifetime_seconds double precision,
  added timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  constraint api_key_hash_key unique (key_hash),
  constraint api_key_hash_length check (octet_length(key_hash) = 32),
  constraint api_key_name_length check (char_length(name) between 1 and 80),
  constraint api_key_scopes_some check (cardinality(scopes) > 0),
  constraint api_key_queues_some check (cardinality(queues) > 0)
);
comment on table api_key is 'The keys by which programs call. The key itself is nowhere: it is shown once, when it is made.';
comment on column api_key.project_id is 'The project it acts in; null: all of them.';
comment on column api_key.shown is 'How the key begins, by which people tell one from another.';
comment on column api_key.queues is 'Globs of the queues it may know of; null: all.';
comment on column api_key.lifetime_seconds is 'How long it was made to live; null: for ever. A rotation moves expires_at, and the key in its place lives as long again.';
comment on column api_key.revoked_at is 'Since when it opens nothing. The row stays for a while, to be seen in lists.';

create index api_key_project_idx on api_key (project_id, id);
comment on index api_key_project_idx is 'For the list of a project''s keys, and for the project''s deletion.';

-- migrate:down
-- Locks: api_key, project for a moment. All keys are lost.
drop table api_key;
