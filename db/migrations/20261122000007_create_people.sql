-- migrate:up
-- Why: people sign in. The first four tables are better-auth's, named and shaped as it defines them (camel case, ids as text,
-- times set by it), so that it finds nothing to change (test/people/schema.test.ts); comments and the two indexes for upkeep
-- are ours. auth_secret holds what signs the session cookies where AUTH_SECRET does not say.
-- Locks: new tables only. Old code: goes on as before.

create table "user" (
  id text primary key,
  name text not null,
  email text not null,
  "emailVerified" boolean not null default false,
  image text,
  "createdAt" timestamptz not null default current_timestamp,
  "updatedAt" timestamptz not null default current_timestamp,
  constraint user_email_key unique (email)
);
comment on table "user" is 'People who can sign in. Kept by better-auth.';
comment on column "user".email is 'In lower case.';
comment on column "user"."emailVerified" is 'Always false: the service sends no mail.';
comment on column "user".image is 'Not used.';

create table session (
  id text primary key,
  "expiresAt" timestamptz not null,
  token text not null,
  "createdAt" timestamptz not null default current_timestamp,
  "updatedAt" timestamptz not null,
  "ipAddress" text,
  "userAgent" text,
  "userId" text not null references "user" (id) on delete cascade,
  constraint session_token_key unique (token)
);
comment on table session is 'Who is signed in, a row for each browser. Goes with its person; signing out removes it. Kept by better-auth.';
comment on column session.token is 'What the cookie holds, signed there with the secret: of no use by itself.';
comment on column session."expiresAt" is 'Moved on once a day while the session is used.';

create index "session_userId_idx" on session ("userId");
comment on index "session_userId_idx" is 'For the sessions of a person, and for deleting a person.';
create index session_expires_idx on session ("expiresAt");
comment on index session_expires_idx is 'For upkeep, which forgets sessions.';

create table account (
  id text primary key,
  "accountId" text not null,
  "providerId" text not null,
  "userId" text not null references "user" (id) on delete cascade,
  "accessToken" text,
  "refreshToken" text,
  "idToken" text,
  "accessTokenExpiresAt" timestamptz,
  "refreshTokenExpiresAt" timestamptz,
  scope text,
  password text,
  "createdAt" timestamptz not null default current_timestamp,
  "updatedAt" timestamptz not null
);
comment on table account is 'How a person signs in: one row, "credential", with the hash of the password. Goes with its person. Kept by better-auth.';
comment on column account.password is 'Salt and scrypt hash, in hexadecimal.';

create index "account_userId_idx" on account ("userId");
comment on index "account_userId_idx" is 'For signing in, and for deleting a person.';

create table verification (
  id text primary key,
  identifier text not null,
  value text not null,
  "expiresAt" timestamptz not null,
  "createdAt" timestamptz not null default current_timestamp,
  "updatedAt" timestamptz not null default current_timestamp
);
comment on table verification is 'What a person must prove within a time. Empty, since the service sends no mail; better-auth wants it there.';

create index verification_identifier_idx on verification (identifier);
comment on index verification_identifier_idx is 'For better-auth, which looks for what was to be proved.';
create index verification_expires_idx on verification ("expiresAt");
comment on index verification_expires_idx is 'For upkeep, which forgets verifications.';

create table auth_secret (
  one boolean primary key default true,
  secret text not null,
  added timestamptz not null default now(),
  constraint auth_secret_one check (one),
  constraint auth_secret_length check (char_length(secret) >= 32)
);
comment on table auth_secret is 'What signs the session cookies where AUTH_SECRET does not say: one row at most, made by the first service that needs it. Deleting it signs everybody out at the next start.';

-- migrate:down
-- Locks: none that others wait for. All people, their passwords and their sessions are lost.
drop table auth_secret, verification, account, session, "user";
