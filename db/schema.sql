-- Made by `make schema` from db/migrations. Not to be edited, and not what is run: for reading, and for `dbmate load`.

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: task_outcome; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.task_outcome AS ENUM (
    'completed',
    'failed',
    'cancelled'
);

--
-- Name: category_refuse_cycle(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.category_refuse_cycle() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

--
-- Name: FUNCTION category_refuse_cycle(); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.category_refuse_cycle() IS 'Refuses a move that would put a category below itself.';

--
-- Name: note_update(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.note_update() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  new.updated := now();
  return new;
end
$$;

--
-- Name: FUNCTION note_update(); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.note_update() IS 'Keeps `updated` of the catalogue''s tables. The tables of tasks say it in their statements: a trigger would be paid for by each of them.';

--
-- Name: task_category_count(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.task_category_count() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

--
-- Name: FUNCTION task_category_count(); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.task_category_count() IS 'Appends to category_delta what a statement changed, foreign keys'' cascades included.';

--
-- Name: task_partition_bound(timestamp with time zone); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.task_partition_bound(at timestamp with time zone) RETURNS uuid
    LANGUAGE sql STABLE STRICT
    AS $$
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

--
-- Name: FUNCTION task_partition_bound(at timestamp with time zone); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.task_partition_bound(at timestamp with time zone) IS 'The smallest uuid v7 of a time.';

--
-- Name: task_partition_drop_empty(text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.task_partition_drop_empty(partition text) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
declare
  found boolean;
begin
  execute format('select exists (select 1 from %I)', partition) into found;
  if found then
    return false;
  end if;
  -- Dropping a partition locks the whole table: rather not today than make anyone wait.
  perform set_config('lock_timeout', '200ms', true);
  execute format('drop table %I', partition);
  return true;
exception when lock_not_available then
  return false;
end
$$;

--
-- Name: FUNCTION task_partition_drop_empty(partition text); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.task_partition_drop_empty(partition text) IS 'Drops a partition of task that holds nothing; answers whether it did. For partitions whose time is long past: nothing can be added to them any more.';

--
-- Name: task_partition_ensure(timestamp with time zone); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.task_partition_ensure(at timestamp with time zone) RETURNS text
    LANGUAGE plpgsql
    AS $$
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

--
-- Name: FUNCTION task_partition_ensure(at timestamp with time zone); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.task_partition_ensure(at timestamp with time zone) IS 'Makes the partition of task that holds a time, a week long; answers its name, or null if it was there. Fillfactor leaves as much room as there are tasks: each is updated once, when it finishes, and that stays on its page.';

--
-- Name: task_tag_count(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.task_tag_count() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

--
-- Name: FUNCTION task_tag_count(); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.task_tag_count() IS 'Appends to tag_delta what a statement changed, foreign keys'' cascades included.';

--
-- Name: task_words(text, text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.task_words(name text, description text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  select setweight(to_tsvector('pg_catalog.english', coalesce(name, '')), 'A')
      || setweight(to_tsvector('pg_catalog.english', coalesce(description, '')), 'B')
$$;

--
-- Name: FUNCTION task_words(name text, description text); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.task_words(name text, description text) IS 'The word stems that text search finds a task by.';

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: account; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.account (
    id text NOT NULL,
    "accountId" text NOT NULL,
    "providerId" text NOT NULL,
    "userId" text NOT NULL,
    "accessToken" text,
    "refreshToken" text,
    "idToken" text,
    "accessTokenExpiresAt" timestamp with time zone,
    "refreshTokenExpiresAt" timestamp with time zone,
    scope text,
    password text,
    "createdAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp with time zone NOT NULL
);

--
-- Name: TABLE account; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.account IS 'How a person signs in: one row, "credential", with the hash of the password. Goes with its person. Kept by better-auth.';

--
-- Name: COLUMN account.password; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.account.password IS 'Salt and scrypt hash, in hexadecimal.';

--
-- Name: api_key; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.api_key (
    id uuid NOT NULL,
    project_id integer,
    name text NOT NULL,
    key_hash bytea NOT NULL,
    shown text NOT NULL,
    scopes text[] NOT NULL,
    queues text[],
    lifetime_seconds double precision,
    added timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT api_key_hash_length CHECK ((octet_length(key_hash) = 32)),
    CONSTRAINT api_key_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 80))),
    CONSTRAINT api_key_queues_some CHECK ((cardinality(queues) > 0)),
    CONSTRAINT api_key_scopes_some CHECK ((cardinality(scopes) > 0))
);

--
-- Name: TABLE api_key; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.api_key IS 'The keys by which programs call. The key itself is nowhere: it is shown once, when it is made.';

--
-- Name: COLUMN api_key.project_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.api_key.project_id IS 'The project it acts in; null: all of them.';

--
-- Name: COLUMN api_key.shown; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.api_key.shown IS 'How the key begins, by which people tell one from another.';

--
-- Name: COLUMN api_key.queues; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.api_key.queues IS 'Globs of the queues it may know of; null: all.';

--
-- Name: COLUMN api_key.lifetime_seconds; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.api_key.lifetime_seconds IS 'How long it was made to live; null: for ever. A rotation moves expires_at, and the key in its place lives as long again.';

--
-- Name: COLUMN api_key.revoked_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.api_key.revoked_at IS 'Since when it opens nothing. The row stays for a while, to be seen in lists.';

--
-- Name: auth_secret; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.auth_secret (
    one boolean DEFAULT true NOT NULL,
    secret text NOT NULL,
    added timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT auth_secret_length CHECK ((char_length(secret) >= 32)),
    CONSTRAINT auth_secret_one CHECK (one)
);

--
-- Name: TABLE auth_secret; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.auth_secret IS 'What signs the session cookies where AUTH_SECRET does not say: one row at most, made by the first service that needs it. Deleting it signs everybody out at the next start.';

--
-- Name: category; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.category (
    id integer NOT NULL,
    project_id integer NOT NULL,
    name text NOT NULL,
    parent_id integer,
    colour text DEFAULT '#3B82F6'::text NOT NULL,
    description text,
    tasks bigint DEFAULT 0 NOT NULL,
    added timestamp with time zone DEFAULT now() NOT NULL,
    updated timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT category_colour_form CHECK ((colour ~ '^#[0-9A-Fa-f]{6}$'::text)),
    CONSTRAINT category_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 80)))
)
WITH (fillfactor='70');

--
-- Name: TABLE category; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.category IS 'A tree of categories per project.';

--
-- Name: COLUMN category.parent_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.category.parent_id IS 'In the same project. Null for a root; the children of a category that is removed by hand become roots.';

--
-- Name: COLUMN category.tasks; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.category.tasks IS 'Tasks in this very category that are not deleted, as far as upkeep has folded category_delta into it.';

--
-- Name: category_delta; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.category_delta (
    category_id integer NOT NULL,
    tasks integer NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_cost_delay='0');

--
-- Name: TABLE category_delta; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.category_delta IS 'What each statement changed, appended, as in queue_delta.';

--
-- Name: category_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.category ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.category_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: project; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.project (
    id integer NOT NULL,
    name text NOT NULL,
    description text,
    added timestamp with time zone DEFAULT now() NOT NULL,
    updated timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT project_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 80)))
);

--
-- Name: TABLE project; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.project IS 'The tenant: groups queues and whatever belongs to them. There is always one named default.';

--
-- Name: COLUMN project.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.project.id IS 'Internal number; callers know a project by its name.';

--
-- Name: project_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.project ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.project_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: project_member; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.project_member (
    project_id integer NOT NULL,
    user_id text NOT NULL,
    role text NOT NULL,
    added timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT project_member_role_known CHECK ((role = ANY (ARRAY['viewer'::text, 'member'::text, 'admin'::text])))
);

--
-- Name: TABLE project_member; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.project_member IS 'Which people may act in a project, and as what.';

--
-- Name: queue; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.queue (
    id integer NOT NULL,
    project_id integer NOT NULL,
    name text NOT NULL,
    description text,
    lease_seconds double precision DEFAULT 30 NOT NULL,
    max_attempts integer DEFAULT 5 NOT NULL,
    backoff_base_seconds double precision DEFAULT 2 NOT NULL,
    backoff_factor double precision DEFAULT 2 NOT NULL,
    backoff_max_seconds double precision DEFAULT 3600 NOT NULL,
    backoff_jitter boolean DEFAULT true NOT NULL,
    retention_completed_seconds double precision DEFAULT 604800,
    retention_failed_seconds double precision DEFAULT 2592000,
    max_payload_bytes integer DEFAULT 262144 NOT NULL,
    paused boolean DEFAULT false NOT NULL,
    added timestamp with time zone DEFAULT now() NOT NULL,
    updated timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT queue_attempts_range CHECK (((max_attempts >= 1) AND (max_attempts <= 1000))),
    CONSTRAINT queue_lease_range CHECK (((lease_seconds >= (1)::double precision) AND (lease_seconds <= (43200)::double precision))),
    CONSTRAINT queue_name_form CHECK ((name ~ '^[A-Za-z0-9_-]{1,80}$'::text))
);

--
-- Name: TABLE queue; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.queue IS 'A named line of tasks and the policy they are run by.';

--
-- Name: COLUMN queue.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.queue.id IS 'Also the low 32 bits of the id of each of its tasks, so that a bare task id names its queue.';

--
-- Name: COLUMN queue.lease_seconds; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.queue.lease_seconds IS 'How long a claim holds a task unless the claim says otherwise.';

--
-- Name: COLUMN queue.backoff_base_seconds; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.queue.backoff_base_seconds IS 'Delay before the second attempt; each further one is longer by backoff_factor, up to backoff_max_seconds.';

--
-- Name: COLUMN queue.backoff_jitter; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.queue.backoff_jitter IS 'Whether the delay is drawn evenly from zero to the computed one (full jitter), so that failures do not return together.';

--
-- Name: COLUMN queue.retention_completed_seconds; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.queue.retention_completed_seconds IS 'How long completed and cancelled tasks are kept; null keeps them for good.';

--
-- Name: COLUMN queue.retention_failed_seconds; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.queue.retention_failed_seconds IS 'How long failed tasks are kept; null keeps them for good.';

--
-- Name: COLUMN queue.paused; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.queue.paused IS 'A paused queue takes tasks and hands out none.';

--
-- Name: queue_delta; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.queue_delta (
    queue_id integer NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    enqueued integer DEFAULT 0 NOT NULL,
    completed integer DEFAULT 0 NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    cancelled integer DEFAULT 0 NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_cost_delay='0');

--
-- Name: TABLE queue_delta; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.queue_delta IS 'What each statement changed, appended: one counter row that every call updates would make them wait for each other.';

--
-- Name: queue_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.queue ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.queue_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: queue_rate; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.queue_rate (
    queue_id integer NOT NULL,
    bucket timestamp with time zone NOT NULL,
    enqueued bigint DEFAULT 0 NOT NULL,
    completed bigint DEFAULT 0 NOT NULL
);

--
-- Name: TABLE queue_rate; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.queue_rate IS 'Tasks that came and were completed in each stretch of ten seconds, for the rates of queue.stats; kept for minutes.';

--
-- Name: queue_total; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.queue_total (
    queue_id integer NOT NULL,
    completed bigint DEFAULT 0 NOT NULL,
    failed bigint DEFAULT 0 NOT NULL,
    cancelled bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');

--
-- Name: TABLE queue_total; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.queue_total IS 'Finished tasks of a queue as far as upkeep has folded queue_delta into them; queue.stats adds both.';

--
-- Name: request; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.request (
    project_id integer NOT NULL,
    request_id text NOT NULL,
    method text NOT NULL,
    params_hash bytea NOT NULL,
    answer jsonb,
    added timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT request_id_length CHECK (((char_length(request_id) >= 1) AND (char_length(request_id) <= 128)))
);

--
-- Name: TABLE request; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.request IS 'What a call with a requestId answered, written in the transaction of its effect; a repeat within 24 hours answers it again.';

--
-- Name: COLUMN request.params_hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.request.params_hash IS 'SHA-256 of the call''s parameters: the same requestId with other ones is refused.';

--
-- Name: schedule; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schedule (
    id integer NOT NULL,
    project_id integer NOT NULL,
    name text NOT NULL,
    queue text NOT NULL,
    cron text,
    every_seconds double precision,
    timezone text DEFAULT 'UTC'::text NOT NULL,
    task_name text,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    priority smallint DEFAULT 5 NOT NULL,
    max_attempts integer,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    missed text DEFAULT 'latest'::text NOT NULL,
    overlap text DEFAULT 'allow'::text NOT NULL,
    start_at timestamp with time zone,
    end_at timestamp with time zone,
    anchor timestamp with time zone DEFAULT now() NOT NULL,
    paused boolean DEFAULT false NOT NULL,
    last_run timestamp with time zone,
    next_run timestamp with time zone,
    computed timestamp with time zone DEFAULT now() NOT NULL,
    last_task_id uuid,
    added timestamp with time zone DEFAULT now() NOT NULL,
    updated timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT schedule_attempts_range CHECK (((max_attempts >= 1) AND (max_attempts <= 1000))),
    CONSTRAINT schedule_cron_or_every CHECK (((cron IS NULL) <> (every_seconds IS NULL))),
    CONSTRAINT schedule_every_range CHECK ((every_seconds >= (1)::double precision)),
    CONSTRAINT schedule_missed_known CHECK ((missed = ANY (ARRAY['skip'::text, 'latest'::text, 'all'::text]))),
    CONSTRAINT schedule_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 80))),
    CONSTRAINT schedule_overlap_known CHECK ((overlap = ANY (ARRAY['allow'::text, 'skip'::text]))),
    CONSTRAINT schedule_paused_rests CHECK (((NOT paused) OR (next_run IS NULL))),
    CONSTRAINT schedule_payload_object CHECK ((jsonb_typeof(payload) = 'object'::text)),
    CONSTRAINT schedule_priority_range CHECK (((priority >= 0) AND (priority <= 9))),
    CONSTRAINT schedule_queue_form CHECK ((queue ~ '^[A-Za-z0-9_-]{1,80}$'::text)),
    CONSTRAINT schedule_start_before_end CHECK ((start_at <= end_at))
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.1', autovacuum_vacuum_cost_delay='0');

--
-- Name: TABLE schedule; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.schedule IS 'When tasks are made by the service itself, and which.';

--
-- Name: COLUMN schedule.queue; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.schedule.queue IS 'By name: a queue that is not there is made by the next fire, as by an enqueue.';

--
-- Name: COLUMN schedule.anchor; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.schedule.anchor IS 'What every_seconds counts from: start_at where there is one, else when every_seconds was set.';

--
-- Name: COLUMN schedule.last_run; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.schedule.last_run IS 'The last fire time that made a task.';

--
-- Name: COLUMN schedule.next_run; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.schedule.next_run IS 'The next fire time; null while paused, and when none comes any more.';

--
-- Name: COLUMN schedule.computed; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.schedule.computed IS 'When next_run was computed. Later than now only if the clock was set back: it is then computed anew.';

--
-- Name: COLUMN schedule.last_task_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.schedule.last_task_id IS 'The last task it made, fired or triggered, for overlap. May be gone.';

--
-- Name: schedule_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.schedule ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.schedule_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: schedule_run; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schedule_run (
    schedule_id integer NOT NULL,
    fire_at timestamp with time zone NOT NULL,
    task_id uuid NOT NULL
);

--
-- Name: TABLE schedule_run; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.schedule_run IS 'Which fire times have made a task; its primary key is what makes it one each. Forgotten some days after the fire time. Without a foreign key: a schedule''s number is never used again, so rows of a deleted one are only waste until then.';

--
-- Name: schema_migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schema_migrations (
    version character varying NOT NULL
);

--
-- Name: session; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.session (
    id text NOT NULL,
    "expiresAt" timestamp with time zone NOT NULL,
    token text NOT NULL,
    "createdAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp with time zone NOT NULL,
    "ipAddress" text,
    "userAgent" text,
    "userId" text NOT NULL
);

--
-- Name: TABLE session; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.session IS 'Who is signed in, a row for each browser. Goes with its person; signing out removes it. Kept by better-auth.';

--
-- Name: COLUMN session."expiresAt"; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.session."expiresAt" IS 'Moved on once a day while the session is used.';

--
-- Name: COLUMN session.token; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.session.token IS 'What the cookie holds, signed there with the secret: of no use by itself.';

--
-- Name: tag; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.tag (
    id integer NOT NULL,
    project_id integer NOT NULL,
    name text NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    colour text,
    used bigint DEFAULT 0 NOT NULL,
    added timestamp with time zone DEFAULT now() NOT NULL,
    updated timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT tag_colour_form CHECK ((colour ~ '^#[0-9A-Fa-f]{6}$'::text)),
    CONSTRAINT tag_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 50)))
)
WITH (fillfactor='70');

--
-- Name: TABLE tag; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.tag IS 'What tasks are tagged with, a name once per project without regard to case.';

--
-- Name: COLUMN tag.key; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.tag.key IS 'The name in lower case and in Unicode''s composed form, made by the service: what PostgreSQL calls lower case depends on the database. Its unique index is also the one for prefixes.';

--
-- Name: COLUMN tag.used; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.tag.used IS 'Tasks with this tag that are not deleted, as far as upkeep has folded tag_delta into it.';

--
-- Name: tag_delta; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.tag_delta (
    tag_id integer NOT NULL,
    used integer NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_cost_delay='0');

--
-- Name: TABLE tag_delta; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.tag_delta IS 'What each statement changed, appended, as in queue_delta.';

--
-- Name: tag_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.tag ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.tag_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: task; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.task (
    id uuid NOT NULL,
    queue_id integer NOT NULL,
    priority smallint NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    max_attempts integer NOT NULL,
    lease_seq integer DEFAULT 0 NOT NULL,
    outcome public.task_outcome,
    run_at timestamp with time zone NOT NULL,
    added timestamp with time zone NOT NULL,
    updated timestamp with time zone NOT NULL,
    finished timestamp with time zone,
    due_at timestamp with time zone,
    deleted_at timestamp with time zone,
    name text,
    owner_id text,
    dedupe_key text,
    description text,
    tags text[],
    depends_on uuid[],
    payload jsonb NOT NULL,
    result jsonb,
    progress jsonb,
    errors jsonb,
    catalogued boolean DEFAULT false NOT NULL,
    last_worker text,
    last_claimed timestamp with time zone,
    workflow_id uuid,
    workflow_key text,
    depends_on_keys text[],
    on_dependency_failure text,
    CONSTRAINT task_id_names_queue CHECK ((((('x'::text || "right"((id)::text, 8)))::bit(32))::integer = queue_id)),
    CONSTRAINT task_outcome_when_finished CHECK (((outcome IS NULL) = (finished IS NULL))),
    CONSTRAINT task_payload_object CHECK ((jsonb_typeof(payload) = 'object'::text)),
    CONSTRAINT task_priority_range CHECK (((priority >= 0) AND (priority <= 9)))
)
PARTITION BY RANGE (id);

--
-- Name: TABLE task; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.task IS 'The facts of a task. Inserted once, updated when an attempt fails and when it finishes. A uuid v7 begins with its time, so a partition is a stretch of days.';

--
-- Name: COLUMN task.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task.id IS 'uuid v7 made by the service: milliseconds of the database''s clock first, the queue''s number in the low 32 bits.';

--
-- Name: COLUMN task.attempts; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task.attempts IS 'Attempts begun, as of the last failure or the end; while the task is ready or claimed the narrow table knows better.';

--
-- Name: COLUMN task.lease_seq; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task.lease_seq IS 'Number of the last lease, as of the last failure or the end. Never goes back, so no receipt is ever valid twice.';

--
-- Name: COLUMN task.outcome; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task.outcome IS 'How it ended; null while unfinished.';

--
-- Name: COLUMN task.run_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task.run_at IS 'Not before. Equals task_ready.run_at while the task is there: together with priority it finds that row.';

--
-- Name: COLUMN task.deleted_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task.deleted_at IS 'Soft delete. Equal to finished when deleting it cancelled it, which is how restore knows.';

--
-- Name: COLUMN task.tags; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task.tags IS 'Not used any more: see task_tag. Not dropped, since rows of new partitions would then differ from the table''s and be converted one by one.';

--
-- Name: COLUMN task.depends_on; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task.depends_on IS 'The tasks it waits, or waited, for; null for none.';

--
-- Name: COLUMN task.progress; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task.progress IS 'What the last attempt said of its progress, kept when the task ended.';

--
-- Name: COLUMN task.errors; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task.errors IS 'One entry per failed attempt: attempt, at, worker, message, code, data. Null for none.';

--
-- Name: COLUMN task.catalogued; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task.catalogued IS 'Has a row in task_catalogue: it has, or had, an owner, a due date, a description, tags or categories.';

--
-- Name: COLUMN task.last_worker; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task.last_worker IS 'Who held the lease that ended last; null before the first end, or where nobody was named.';

--
-- Name: COLUMN task.last_claimed; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task.last_claimed IS 'When that lease began.';

--
-- Name: COLUMN task.workflow_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task.workflow_id IS 'The workflow it belongs to, for good. Without a foreign key, as all of task.';

--
-- Name: COLUMN task.workflow_key; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task.workflow_key IS 'What the others of its workflow call it. Once in a workflow: who adds tasks holds the workflow''s row.';

--
-- Name: COLUMN task.depends_on_keys; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task.depends_on_keys IS 'The keys of the tasks in depends_on, in the same order.';

--
-- Name: COLUMN task.on_dependency_failure; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task.on_dependency_failure IS 'What a task of a workflow does when a dependency fails, for workflow.retry: task_waiting forgets it.';

--
-- Name: task_catalogue; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.task_catalogue (
    id uuid NOT NULL,
    queue_id integer NOT NULL,
    project_id integer NOT NULL,
    owner_id text,
    name text,
    priority smallint NOT NULL,
    outcome public.task_outcome,
    finished timestamp with time zone,
    due_at timestamp with time zone,
    hidden boolean DEFAULT false NOT NULL,
    words tsvector NOT NULL
)
WITH (fillfactor='85');

--
-- Name: TABLE task_catalogue; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.task_catalogue IS 'What finds the tasks that people look for by more than their id. Holds copies of facts of `task`, changed with them. Without foreign keys, as `task` is: a row goes in the transaction that removes its task.';

--
-- Name: COLUMN task_catalogue.hidden; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task_catalogue.hidden IS 'The task is deleted. Not in the indexes then: deleted tasks are found by task_deleted_idx, and the others can be counted by an index alone.';

--
-- Name: COLUMN task_catalogue.words; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task_catalogue.words IS 'The word stems of name (weight A) and description (B).';

--
-- Name: task_category; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.task_category (
    task_id uuid NOT NULL,
    queue_id integer NOT NULL,
    category_id integer NOT NULL,
    hidden boolean DEFAULT false NOT NULL
);

--
-- Name: TABLE task_category; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.task_category IS 'Which task is in which category.';

--
-- Name: COLUMN task_category.hidden; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task_category.hidden IS 'The task is deleted, and not counted.';

--
-- Name: task_dedupe; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.task_dedupe (
    queue_id integer NOT NULL,
    key text NOT NULL,
    task_id uuid NOT NULL,
    taken bigint DEFAULT 1 NOT NULL,
    holds_until timestamp with time zone,
    CONSTRAINT task_dedupe_key_length CHECK (((char_length(key) >= 1) AND (char_length(key) <= 255)))
);

--
-- Name: TABLE task_dedupe; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.task_dedupe IS 'The task that holds a dedupe key: while it is unfinished, and until holds_until.';

--
-- Name: COLUMN task_dedupe.taken; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task_dedupe.taken IS 'How often the key changed hands. A statement may replace the holder only if this is what it saw, or it would judge a newer holder by an older snapshot.';

--
-- Name: task_dependency; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.task_dependency (
    queue_id integer NOT NULL,
    task_id uuid NOT NULL,
    on_queue_id integer NOT NULL,
    on_id uuid NOT NULL
);

--
-- Name: TABLE task_dependency; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.task_dependency IS 'Which task waits for which. A row goes when the other task ends.';

--
-- Name: task_lease; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.task_lease (
    id uuid NOT NULL,
    queue_id integer NOT NULL,
    attempts integer NOT NULL,
    lease_seq integer NOT NULL,
    claimed_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    has_dependents boolean NOT NULL,
    worker text,
    progress jsonb
)
WITH (fillfactor='80', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='20000', autovacuum_vacuum_cost_delay='0', autovacuum_analyze_scale_factor='0.5');

--
-- Name: TABLE task_lease; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.task_lease IS 'Claimed tasks. The row is the lease: a receipt is valid exactly while the row with its lease_seq is here.';

--
-- Name: task_ready; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.task_ready (
    queue_id integer NOT NULL,
    priority smallint NOT NULL,
    run_at timestamp with time zone NOT NULL,
    id uuid NOT NULL,
    attempts integer NOT NULL,
    lease_seq integer NOT NULL,
    has_dependents boolean DEFAULT false NOT NULL,
    name text
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='20000', autovacuum_vacuum_insert_scale_factor='0.5', autovacuum_vacuum_cost_delay='0', autovacuum_analyze_scale_factor='0.5');

--
-- Name: TABLE task_ready; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.task_ready IS 'Pending tasks, due or delayed. The primary key is the order in which they are claimed.';

--
-- Name: COLUMN task_ready.has_dependents; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task_ready.has_dependents IS 'Somebody must be told of its end: a task that waits for it, or its workflow. Travels with it, so that finishing it knows without a look.';

--
-- Name: task_tag; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.task_tag (
    task_id uuid NOT NULL,
    queue_id integer NOT NULL,
    tag_id integer NOT NULL,
    "position" smallint NOT NULL,
    hidden boolean DEFAULT false NOT NULL
);

--
-- Name: TABLE task_tag; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.task_tag IS 'Which task has which tag.';

--
-- Name: COLUMN task_tag."position"; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task_tag."position" IS 'Where the tag stands among its task''s, in the order they were given.';

--
-- Name: COLUMN task_tag.hidden; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task_tag.hidden IS 'The task is deleted, and not counted.';

--
-- Name: task_waiting; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.task_waiting (
    id uuid NOT NULL,
    queue_id integer NOT NULL,
    unmet integer NOT NULL,
    has_dependents boolean DEFAULT false NOT NULL,
    on_failure text NOT NULL,
    priority smallint NOT NULL,
    run_at timestamp with time zone NOT NULL,
    lease_seq integer DEFAULT 0 NOT NULL,
    name text,
    CONSTRAINT task_waiting_on_failure_known CHECK ((on_failure = ANY (ARRAY['cancel'::text, 'fail'::text, 'run'::text]))),
    CONSTRAINT task_waiting_unmet_positive CHECK ((unmet > 0))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='20000', autovacuum_vacuum_cost_delay='0');

--
-- Name: TABLE task_waiting; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.task_waiting IS 'Tasks that something holds back: dependencies that are not settled yet.';

--
-- Name: COLUMN task_waiting.unmet; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task_waiting.unmet IS 'How many dependencies are not settled.';

--
-- Name: COLUMN task_waiting.run_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task_waiting.run_at IS 'Equals task.run_at, as priority, lease_seq and name equal the task''s: what task_ready must know when it becomes ready. Read from the row that was waited for, these are never older than it.';

--
-- Name: task_with_state; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.task_with_state AS
 SELECT t.id,
    t.queue_id,
    t.name,
    t.payload,
    t.priority,
    t.run_at,
    t.added,
    t.updated,
    t.finished,
    t.max_attempts,
    t.result,
    t.dedupe_key,
    t.description,
    t.due_at,
    t.owner_id,
    t.depends_on,
    t.deleted_at,
    t.errors,
    t.catalogued,
    t.last_worker,
    t.last_claimed,
    t.outcome,
        CASE
            WHEN (t.outcome IS NOT NULL) THEN (t.outcome)::text
            WHEN (r.id IS NOT NULL) THEN 'pending'::text
            WHEN (l.id IS NOT NULL) THEN 'claimed'::text
            WHEN (w.id IS NOT NULL) THEN 'waiting'::text
            ELSE NULL::text
        END AS state,
    COALESCE(l.attempts, r.attempts, t.attempts) AS attempts,
    COALESCE(l.lease_seq, r.lease_seq, t.lease_seq) AS lease_seq,
    COALESCE(l.progress, t.progress) AS progress,
    l.worker,
    l.expires_at AS lease_expires_at,
    l.claimed_at
   FROM (((public.task t
     LEFT JOIN LATERAL ( SELECT r_1.id,
            r_1.attempts,
            r_1.lease_seq
           FROM public.task_ready r_1
          WHERE ((t.outcome IS NULL) AND (r_1.queue_id = t.queue_id) AND (r_1.priority = t.priority) AND (r_1.run_at = t.run_at) AND (r_1.id = t.id))
         OFFSET 0) r ON (true))
     LEFT JOIN LATERAL ( SELECT l_1.id,
            l_1.attempts,
            l_1.lease_seq,
            l_1.progress,
            l_1.worker,
            l_1.expires_at,
            l_1.claimed_at
           FROM public.task_lease l_1
          WHERE ((t.outcome IS NULL) AND (l_1.id = t.id) AND (l_1.queue_id = t.queue_id))
         OFFSET 0) l ON (true))
     LEFT JOIN LATERAL ( SELECT w_1.id
           FROM public.task_waiting w_1
          WHERE ((t.outcome IS NULL) AND (w_1.id = t.id) AND (w_1.queue_id = t.queue_id))
         OFFSET 0) w ON (true));

--
-- Name: VIEW task_with_state; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON VIEW public.task_with_state IS 'A task with its state, for people and reports. A null state is a fault that admin.verify reports.';

--
-- Name: user; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public."user" (
    id text NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    "emailVerified" boolean DEFAULT false NOT NULL,
    image text,
    "createdAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);

--
-- Name: TABLE "user"; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public."user" IS 'People who can sign in. Kept by better-auth.';

--
-- Name: COLUMN "user".email; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public."user".email IS 'In lower case.';

--
-- Name: COLUMN "user"."emailVerified"; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public."user"."emailVerified" IS 'Always false: the service sends no mail.';

--
-- Name: COLUMN "user".image; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public."user".image IS 'Not used.';

--
-- Name: verification; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.verification (
    id text NOT NULL,
    identifier text NOT NULL,
    value text NOT NULL,
    "expiresAt" timestamp with time zone NOT NULL,
    "createdAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);

--
-- Name: TABLE verification; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.verification IS 'What a person must prove within a time. Empty, since the service sends no mail; better-auth wants it there.';

--
-- Name: worker; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.worker (
    project_id integer NOT NULL,
    id text NOT NULL,
    queues text[] DEFAULT '{}'::text[] NOT NULL,
    last_seen timestamp with time zone DEFAULT now() NOT NULL,
    claimed bigint DEFAULT 0 NOT NULL,
    completed bigint DEFAULT 0 NOT NULL,
    failed bigint DEFAULT 0 NOT NULL,
    CONSTRAINT worker_id_length CHECK (((char_length(id) >= 1) AND (char_length(id) <= 255)))
)
WITH (fillfactor='70');

--
-- Name: TABLE worker; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.worker IS 'Who has claimed under a name. Counted in memory by each instance and added here about once a second.';

--
-- Name: workflow; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.workflow (
    id uuid NOT NULL,
    project_id integer NOT NULL,
    name text,
    unfinished integer NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    cancelled integer DEFAULT 0 NOT NULL,
    stopped boolean DEFAULT false NOT NULL,
    outcome public.task_outcome,
    added timestamp with time zone NOT NULL,
    updated timestamp with time zone DEFAULT now() NOT NULL,
    finished timestamp with time zone,
    CONSTRAINT workflow_name_length CHECK (((char_length(name) >= 1) AND (char_length(name) <= 255))),
    CONSTRAINT workflow_outcome_when_finished CHECK (((outcome IS NULL) = (finished IS NULL)))
)
WITH (fillfactor='70');

--
-- Name: TABLE workflow; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.workflow IS 'Tasks that belong together.';

--
-- Name: COLUMN workflow.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.workflow.id IS 'uuid v7 made by the service, as a task''s; the low 32 bits are the project''s number.';

--
-- Name: COLUMN workflow.unfinished; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.workflow.unfinished IS 'Its tasks that have not ended, as far as workflow_delta has been folded into it; failed and cancelled likewise.';

--
-- Name: COLUMN workflow.stopped; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.workflow.stopped IS 'It was cancelled as a whole, and ends cancelled whatever its tasks did.';

--
-- Name: workflow_delta; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.workflow_delta (
    workflow_id uuid NOT NULL,
    ended integer NOT NULL,
    failed integer NOT NULL,
    cancelled integer NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_cost_delay='0');

--
-- Name: TABLE workflow_delta; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.workflow_delta IS 'How many tasks of a workflow each statement ended, appended, as in queue_delta; fewer than none where they are to run again.';

--
-- Name: account account_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (id);

--
-- Name: api_key api_key_hash_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_hash_key UNIQUE (key_hash);

--
-- Name: api_key api_key_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_pkey PRIMARY KEY (id);

--
-- Name: auth_secret auth_secret_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.auth_secret
    ADD CONSTRAINT auth_secret_pkey PRIMARY KEY (one);

--
-- Name: category category_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.category
    ADD CONSTRAINT category_name_key UNIQUE (project_id, name);

--
-- Name: category category_of_project; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.category
    ADD CONSTRAINT category_of_project UNIQUE (project_id, id);

--
-- Name: category category_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.category
    ADD CONSTRAINT category_pkey PRIMARY KEY (id);

--
-- Name: project_member project_member_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.project_member
    ADD CONSTRAINT project_member_pkey PRIMARY KEY (project_id, user_id);

--
-- Name: project project_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.project
    ADD CONSTRAINT project_name_key UNIQUE (name);

--
-- Name: project project_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.project
    ADD CONSTRAINT project_pkey PRIMARY KEY (id);

--
-- Name: queue queue_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.queue
    ADD CONSTRAINT queue_name_key UNIQUE (project_id, name);

--
-- Name: queue queue_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.queue
    ADD CONSTRAINT queue_pkey PRIMARY KEY (id);

--
-- Name: queue_rate queue_rate_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.queue_rate
    ADD CONSTRAINT queue_rate_pkey PRIMARY KEY (queue_id, bucket);

--
-- Name: queue_total queue_total_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.queue_total
    ADD CONSTRAINT queue_total_pkey PRIMARY KEY (queue_id);

--
-- Name: request request_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.request
    ADD CONSTRAINT request_pkey PRIMARY KEY (project_id, request_id);

--
-- Name: schedule schedule_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schedule
    ADD CONSTRAINT schedule_name_key UNIQUE (project_id, name);

--
-- Name: schedule schedule_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schedule
    ADD CONSTRAINT schedule_pkey PRIMARY KEY (id);

--
-- Name: schedule_run schedule_run_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schedule_run
    ADD CONSTRAINT schedule_run_pkey PRIMARY KEY (schedule_id, fire_at);

--
-- Name: schema_migrations schema_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

--
-- Name: session session_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.session
    ADD CONSTRAINT session_pkey PRIMARY KEY (id);

--
-- Name: session session_token_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.session
    ADD CONSTRAINT session_token_key UNIQUE (token);

--
-- Name: tag tag_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tag
    ADD CONSTRAINT tag_key UNIQUE (project_id, key);

--
-- Name: tag tag_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tag
    ADD CONSTRAINT tag_pkey PRIMARY KEY (id);

--
-- Name: task_catalogue task_catalogue_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_catalogue
    ADD CONSTRAINT task_catalogue_pkey PRIMARY KEY (id, queue_id);

--
-- Name: task_category task_category_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_category
    ADD CONSTRAINT task_category_pkey PRIMARY KEY (task_id, queue_id, category_id);

--
-- Name: task_dedupe task_dedupe_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_dedupe
    ADD CONSTRAINT task_dedupe_pkey PRIMARY KEY (queue_id, key);

--
-- Name: task_dependency task_dependency_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_dependency
    ADD CONSTRAINT task_dependency_pkey PRIMARY KEY (on_id, on_queue_id, task_id, queue_id);

--
-- Name: task_lease task_lease_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_lease
    ADD CONSTRAINT task_lease_pkey PRIMARY KEY (id, queue_id);

--
-- Name: task task_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task
    ADD CONSTRAINT task_pkey PRIMARY KEY (id, queue_id);

--
-- Name: task_ready task_ready_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_ready
    ADD CONSTRAINT task_ready_pkey PRIMARY KEY (queue_id, priority, run_at, id);

--
-- Name: task_tag task_tag_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_tag
    ADD CONSTRAINT task_tag_pkey PRIMARY KEY (task_id, queue_id, tag_id);

--
-- Name: task_waiting task_waiting_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_waiting
    ADD CONSTRAINT task_waiting_pkey PRIMARY KEY (id, queue_id);

--
-- Name: user user_email_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public."user"
    ADD CONSTRAINT user_email_key UNIQUE (email);

--
-- Name: user user_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public."user"
    ADD CONSTRAINT user_pkey PRIMARY KEY (id);

--
-- Name: verification verification_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.verification
    ADD CONSTRAINT verification_pkey PRIMARY KEY (id);

--
-- Name: worker worker_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.worker
    ADD CONSTRAINT worker_pkey PRIMARY KEY (project_id, id);

--
-- Name: workflow workflow_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.workflow
    ADD CONSTRAINT workflow_pkey PRIMARY KEY (id);

--
-- Name: account_userId_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX "account_userId_idx" ON public.account USING btree ("userId");

--
-- Name: INDEX "account_userId_idx"; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public."account_userId_idx" IS 'For signing in, and for deleting a person.';

--
-- Name: api_key_project_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX api_key_project_idx ON public.api_key USING btree (project_id, id);

--
-- Name: INDEX api_key_project_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.api_key_project_idx IS 'For the list of a project''s keys, and for the project''s deletion.';

--
-- Name: category_parent_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX category_parent_idx ON public.category USING btree (project_id, parent_id);

--
-- Name: INDEX category_parent_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.category_parent_idx IS 'For walks down the tree, and for the foreign key.';

--
-- Name: project_member_user_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX project_member_user_idx ON public.project_member USING btree (user_id);

--
-- Name: INDEX project_member_user_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.project_member_user_idx IS 'For what somebody who calls may do, and for deleting a person.';

--
-- Name: request_added_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX request_added_idx ON public.request USING btree (added);

--
-- Name: INDEX request_added_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.request_added_idx IS 'For upkeep, which forgets requests after 24 hours.';

--
-- Name: schedule_next_run_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX schedule_next_run_idx ON public.schedule USING btree (next_run) WHERE (NOT paused);

--
-- Name: INDEX schedule_next_run_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.schedule_next_run_idx IS 'For upkeep, which fires what is due.';

--
-- Name: schedule_run_fire_at_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX schedule_run_fire_at_idx ON public.schedule_run USING btree (fire_at);

--
-- Name: INDEX schedule_run_fire_at_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.schedule_run_fire_at_idx IS 'For upkeep, which forgets runs.';

--
-- Name: session_expires_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX session_expires_idx ON public.session USING btree ("expiresAt");

--
-- Name: INDEX session_expires_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.session_expires_idx IS 'For upkeep, which forgets sessions.';

--
-- Name: session_userId_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX "session_userId_idx" ON public.session USING btree ("userId");

--
-- Name: INDEX "session_userId_idx"; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public."session_userId_idx" IS 'For the sessions of a person, and for deleting a person.';

--
-- Name: task_catalogue_due_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_catalogue_due_idx ON public.task_catalogue USING btree (project_id, due_at, id) WHERE ((due_at IS NOT NULL) AND (NOT hidden));

--
-- Name: INDEX task_catalogue_due_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_catalogue_due_idx IS 'Tasks by due date.';

--
-- Name: task_catalogue_finished_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_catalogue_finished_idx ON public.task_catalogue USING btree (project_id, finished, id) WHERE ((finished IS NOT NULL) AND (NOT hidden));

--
-- Name: INDEX task_catalogue_finished_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_catalogue_finished_idx IS 'Tasks by their end.';

--
-- Name: task_catalogue_name_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_catalogue_name_idx ON public.task_catalogue USING btree (project_id, name, id) WHERE ((name IS NOT NULL) AND (NOT hidden));

--
-- Name: INDEX task_catalogue_name_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_catalogue_name_idx IS 'Tasks of a name, the newest first.';

--
-- Name: task_catalogue_outcome_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_catalogue_outcome_idx ON public.task_catalogue USING btree (project_id, outcome, id) WHERE ((outcome IS NOT NULL) AND (NOT hidden));

--
-- Name: INDEX task_catalogue_outcome_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_catalogue_outcome_idx IS 'Tasks that ended in one way, the newest first.';

--
-- Name: task_catalogue_owner_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_catalogue_owner_idx ON public.task_catalogue USING btree (project_id, owner_id, id) WHERE ((owner_id IS NOT NULL) AND (NOT hidden));

--
-- Name: INDEX task_catalogue_owner_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_catalogue_owner_idx IS 'An owner''s tasks, the newest first.';

--
-- Name: task_catalogue_owner_open_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_catalogue_owner_open_idx ON public.task_catalogue USING btree (project_id, owner_id, id) WHERE ((owner_id IS NOT NULL) AND (outcome IS NULL) AND (NOT hidden));

--
-- Name: INDEX task_catalogue_owner_open_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_catalogue_owner_open_idx IS 'An owner''s unfinished tasks, the newest first: an index that holds null cannot give an order after it.';

--
-- Name: task_catalogue_owner_priority_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_catalogue_owner_priority_idx ON public.task_catalogue USING btree (project_id, owner_id, priority, id) WHERE ((owner_id IS NOT NULL) AND (NOT hidden));

--
-- Name: INDEX task_catalogue_owner_priority_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_catalogue_owner_priority_idx IS 'An owner''s tasks by priority.';

--
-- Name: task_catalogue_owner_state_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_catalogue_owner_state_idx ON public.task_catalogue USING btree (project_id, owner_id, outcome, id) WHERE ((owner_id IS NOT NULL) AND (outcome IS NOT NULL) AND (NOT hidden));

--
-- Name: INDEX task_catalogue_owner_state_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_catalogue_owner_state_idx IS 'An owner''s tasks by how they ended, the newest first.';

--
-- Name: task_catalogue_priority_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_catalogue_priority_idx ON public.task_catalogue USING btree (project_id, priority, id) WHERE (NOT hidden);

--
-- Name: INDEX task_catalogue_priority_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_catalogue_priority_idx IS 'Tasks of a priority, the newest first.';

--
-- Name: task_catalogue_words_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_catalogue_words_idx ON public.task_catalogue USING gin (words);

--
-- Name: INDEX task_catalogue_words_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_catalogue_words_idx IS 'Text search.';

--
-- Name: task_category_category_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_category_category_idx ON public.task_category USING btree (category_id, hidden, task_id);

--
-- Name: INDEX task_category_category_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_category_category_idx IS 'A category''s tasks, the newest first.';

--
-- Name: task_dedupe_task_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_dedupe_task_idx ON public.task_dedupe USING btree (task_id);

--
-- Name: INDEX task_dedupe_task_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_dedupe_task_idx IS 'For upkeep, which forgets the keys of tasks that are gone.';

--
-- Name: task_deleted_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_deleted_idx ON ONLY public.task USING btree (id) WHERE (deleted_at IS NOT NULL);

--
-- Name: INDEX task_deleted_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_deleted_idx IS 'Deleted tasks, the newest first, for lists and for upkeep, which removes them in the end.';

--
-- Name: task_errors_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_errors_idx ON ONLY public.task USING btree (id) WHERE (errors IS NOT NULL);

--
-- Name: INDEX task_errors_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_errors_idx IS 'Tasks of which an attempt failed: among them the dead, which people look for. Not by outcome: an index on a column that each completion changes would cost each completion.';

--
-- Name: task_lease_expires_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_lease_expires_idx ON public.task_lease USING btree (expires_at);

--
-- Name: INDEX task_lease_expires_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_lease_expires_idx IS 'For upkeep, which returns tasks whose lease ran out. Without the queue''s number: an index that begins with it invites the planner to look a task up by reading the whole queue.';

--
-- Name: task_payload_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_payload_idx ON ONLY public.task USING gin (payload jsonb_path_ops) WHERE catalogued;

--
-- Name: INDEX task_payload_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_payload_idx IS 'Containment in payloads, of catalogued tasks: for plain ones it would cost more than adding them does.';

--
-- Name: task_plain_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_plain_idx ON ONLY public.task USING brin (((catalogued)::integer)) WITH (pages_per_range='16', autosummarize='on');

--
-- Name: INDEX task_plain_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_plain_idx IS 'Which stretches of the table hold plain tasks: a search reads those, since nothing finds them otherwise.';

--
-- Name: task_ready_name_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_ready_name_idx ON public.task_ready USING btree (queue_id, name, priority, run_at, id) WHERE (name IS NOT NULL);

--
-- Name: INDEX task_ready_name_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_ready_name_idx IS 'For claims by name.';

--
-- Name: task_tag_tag_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_tag_tag_idx ON public.task_tag USING btree (tag_id, hidden, task_id);

--
-- Name: INDEX task_tag_tag_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_tag_tag_idx IS 'A tag''s tasks, the newest first.';

--
-- Name: task_workflow_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_workflow_idx ON ONLY public.task USING btree (workflow_id, workflow_key) WHERE (workflow_id IS NOT NULL);

--
-- Name: INDEX task_workflow_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_workflow_idx IS 'The tasks of a workflow. None of its columns ever changes, so ending a task leaves it alone.';

--
-- Name: verification_expires_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verification_expires_idx ON public.verification USING btree ("expiresAt");

--
-- Name: INDEX verification_expires_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.verification_expires_idx IS 'For upkeep, which forgets verifications.';

--
-- Name: verification_identifier_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX verification_identifier_idx ON public.verification USING btree (identifier);

--
-- Name: INDEX verification_identifier_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.verification_identifier_idx IS 'For better-auth, which looks for what was to be proved.';

--
-- Name: worker_last_seen_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX worker_last_seen_idx ON public.worker USING btree (project_id, last_seen DESC, id);

--
-- Name: INDEX worker_last_seen_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.worker_last_seen_idx IS 'For worker.list.';

--
-- Name: workflow_delta_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX workflow_delta_idx ON public.workflow_delta USING btree (workflow_id);

--
-- Name: INDEX workflow_delta_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.workflow_delta_idx IS 'What one workflow''s state is short of.';

--
-- Name: workflow_outcome_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX workflow_outcome_idx ON public.workflow USING btree (project_id, outcome, added) WHERE (outcome IS NOT NULL);

--
-- Name: INDEX workflow_outcome_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.workflow_outcome_idx IS 'Those that ended in one way.';

--
-- Name: workflow_project_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX workflow_project_idx ON public.workflow USING btree (project_id, added);

--
-- Name: INDEX workflow_project_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.workflow_project_idx IS 'A project''s workflows, the newest first. Without the id, by which the planner would otherwise read it whole for one workflow.';

--
-- Name: workflow_running_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX workflow_running_idx ON public.workflow USING btree (project_id, added) WHERE (outcome IS NULL);

--
-- Name: INDEX workflow_running_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.workflow_running_idx IS 'Those that run.';

--
-- Name: category category_no_cycle; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER category_no_cycle BEFORE INSERT OR UPDATE OF parent_id ON public.category FOR EACH ROW WHEN ((new.parent_id IS NOT NULL)) EXECUTE FUNCTION public.category_refuse_cycle();

--
-- Name: category category_updated; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER category_updated BEFORE UPDATE OF name, parent_id, colour, description ON public.category FOR EACH ROW EXECUTE FUNCTION public.note_update();

--
-- Name: project project_updated; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER project_updated BEFORE UPDATE ON public.project FOR EACH ROW EXECUTE FUNCTION public.note_update();

--
-- Name: schedule schedule_updated; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER schedule_updated BEFORE UPDATE OF queue, cron, every_seconds, timezone, task_name, payload, priority, max_attempts, tags, missed, overlap, start_at, end_at, paused ON public.schedule FOR EACH ROW EXECUTE FUNCTION public.note_update();

--
-- Name: tag tag_updated; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER tag_updated BEFORE UPDATE OF name, key, colour ON public.tag FOR EACH ROW EXECUTE FUNCTION public.note_update();

--
-- Name: task_category task_category_added; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER task_category_added AFTER INSERT ON public.task_category REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION public.task_category_count();

--
-- Name: task_category task_category_changed; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER task_category_changed AFTER UPDATE ON public.task_category REFERENCING OLD TABLE AS went NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION public.task_category_count();

--
-- Name: task_category task_category_removed; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER task_category_removed AFTER DELETE ON public.task_category REFERENCING OLD TABLE AS went FOR EACH STATEMENT EXECUTE FUNCTION public.task_category_count();

--
-- Name: task_tag task_tag_added; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER task_tag_added AFTER INSERT ON public.task_tag REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION public.task_tag_count();

--
-- Name: task_tag task_tag_changed; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER task_tag_changed AFTER UPDATE ON public.task_tag REFERENCING OLD TABLE AS went NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION public.task_tag_count();

--
-- Name: task_tag task_tag_removed; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER task_tag_removed AFTER DELETE ON public.task_tag REFERENCING OLD TABLE AS went FOR EACH STATEMENT EXECUTE FUNCTION public.task_tag_count();

--
-- Name: workflow workflow_updated; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER workflow_updated BEFORE UPDATE ON public.workflow FOR EACH ROW EXECUTE FUNCTION public.note_update();

--
-- Name: account account_userId_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.account
    ADD CONSTRAINT "account_userId_fkey" FOREIGN KEY ("userId") REFERENCES public."user"(id) ON DELETE CASCADE;

--
-- Name: api_key api_key_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.project(id) ON DELETE CASCADE;

--
-- Name: category category_parent_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.category
    ADD CONSTRAINT category_parent_fkey FOREIGN KEY (project_id, parent_id) REFERENCES public.category(project_id, id) ON DELETE SET NULL (parent_id);

--
-- Name: category category_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.category
    ADD CONSTRAINT category_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.project(id) ON DELETE CASCADE;

--
-- Name: project_member project_member_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.project_member
    ADD CONSTRAINT project_member_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.project(id) ON DELETE CASCADE;

--
-- Name: project_member project_member_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.project_member
    ADD CONSTRAINT project_member_user_id_fkey FOREIGN KEY (user_id) REFERENCES public."user"(id) ON DELETE CASCADE;

--
-- Name: queue queue_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.queue
    ADD CONSTRAINT queue_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.project(id) ON DELETE CASCADE;

--
-- Name: queue_rate queue_rate_queue_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.queue_rate
    ADD CONSTRAINT queue_rate_queue_id_fkey FOREIGN KEY (queue_id) REFERENCES public.queue(id) ON DELETE CASCADE;

--
-- Name: queue_total queue_total_queue_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.queue_total
    ADD CONSTRAINT queue_total_queue_id_fkey FOREIGN KEY (queue_id) REFERENCES public.queue(id) ON DELETE CASCADE;

--
-- Name: schedule schedule_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schedule
    ADD CONSTRAINT schedule_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.project(id) ON DELETE CASCADE;

--
-- Name: session session_userId_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.session
    ADD CONSTRAINT "session_userId_fkey" FOREIGN KEY ("userId") REFERENCES public."user"(id) ON DELETE CASCADE;

--
-- Name: tag tag_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tag
    ADD CONSTRAINT tag_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.project(id) ON DELETE CASCADE;

--
-- Name: task_category task_category_category_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_category
    ADD CONSTRAINT task_category_category_id_fkey FOREIGN KEY (category_id) REFERENCES public.category(id) ON DELETE CASCADE;

--
-- Name: task_category task_category_task_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_category
    ADD CONSTRAINT task_category_task_fkey FOREIGN KEY (task_id, queue_id) REFERENCES public.task_catalogue(id, queue_id) ON DELETE CASCADE;

--
-- Name: task_tag task_tag_tag_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_tag
    ADD CONSTRAINT task_tag_tag_id_fkey FOREIGN KEY (tag_id) REFERENCES public.tag(id) ON DELETE CASCADE;

--
-- Name: task_tag task_tag_task_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_tag
    ADD CONSTRAINT task_tag_task_fkey FOREIGN KEY (task_id, queue_id) REFERENCES public.task_catalogue(id, queue_id) ON DELETE CASCADE;

--
-- Name: worker worker_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.worker
    ADD CONSTRAINT worker_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.project(id) ON DELETE CASCADE;

--
-- Name: workflow workflow_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.workflow
    ADD CONSTRAINT workflow_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.project(id) ON DELETE CASCADE;

INSERT INTO public.schema_migrations (version) VALUES
    ('20261121000001'),
    ('20261121000002'),
    ('20261122000001'),
    ('20261122000002'),
    ('20261122000003'),
    ('20261122000004'),
    ('20261122000005'),
    ('20261122000006'),
    ('20261122000007'),
    ('20261122000008');
