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
    'create table %I partition of task for values from (%L) to (%L) with (fillfactor = 85,
       autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0)',
    partition, task_partition_bound(starts), task_partition_bound(starts + make_interval(secs => week)));
  return partition;
end
$$;

--
-- Name: FUNCTION task_partition_ensure(at timestamp with time zone); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.task_partition_ensure(at timestamp with time zone) IS 'Makes the partition of task that holds a time, a week long; answers its name, or null if it was there. Fillfactor leaves room for the update that finishes a task to stay on its page.';

SET default_tablespace = '';

SET default_table_access_method = heap;

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
-- Name: schema_migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schema_migrations (
    version character varying NOT NULL
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

COMMENT ON COLUMN public.task.tags IS 'Names, as given; null for none.';

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
    "position" smallint NOT NULL,
    on_queue_id integer NOT NULL,
    on_id uuid NOT NULL
);

--
-- Name: TABLE task_dependency; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.task_dependency IS 'Which task waits for which. A row goes when the other task ends.';

--
-- Name: COLUMN task_dependency."position"; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.task_dependency."position" IS 'Where the dependency stands among its task''s: part of the key in place of on_id, so that no index but its own can find a row by on_id.';

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

COMMENT ON COLUMN public.task_ready.has_dependents IS 'Some task waits for this one; travels with it so that finishing it knows without a look.';

--
-- Name: task_waiting; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.task_waiting (
    id uuid NOT NULL,
    queue_id integer NOT NULL,
    unmet integer NOT NULL,
    has_dependents boolean DEFAULT false NOT NULL,
    on_failure text NOT NULL,
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
    t.tags,
    t.depends_on,
    t.deleted_at,
    t.errors,
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
    l.expires_at AS lease_expires_at
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
            l_1.expires_at
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
-- Name: schema_migrations schema_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

--
-- Name: task_dedupe task_dedupe_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_dedupe
    ADD CONSTRAINT task_dedupe_pkey PRIMARY KEY (queue_id, key);

--
-- Name: task_dependency task_dependency_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_dependency
    ADD CONSTRAINT task_dependency_pkey PRIMARY KEY (task_id, queue_id, "position");

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
-- Name: task_waiting task_waiting_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_waiting
    ADD CONSTRAINT task_waiting_pkey PRIMARY KEY (id, queue_id);

--
-- Name: worker worker_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.worker
    ADD CONSTRAINT worker_pkey PRIMARY KEY (project_id, id);

--
-- Name: request_added_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX request_added_idx ON public.request USING btree (added);

--
-- Name: INDEX request_added_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.request_added_idx IS 'For upkeep, which forgets requests after 24 hours.';

--
-- Name: task_dedupe_task_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_dedupe_task_idx ON public.task_dedupe USING btree (task_id);

--
-- Name: INDEX task_dedupe_task_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_dedupe_task_idx IS 'For upkeep, which forgets the keys of tasks that are gone.';

--
-- Name: task_dependency_on_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_dependency_on_idx ON public.task_dependency USING btree (on_id, on_queue_id);

--
-- Name: INDEX task_dependency_on_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_dependency_on_idx IS 'For the end of a task: who waits for it.';

--
-- Name: task_lease_expires_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_lease_expires_idx ON public.task_lease USING btree (expires_at);

--
-- Name: INDEX task_lease_expires_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_lease_expires_idx IS 'For upkeep, which returns tasks whose lease ran out. Without the queue''s number: an index that begins with it invites the planner to look a task up by reading the whole queue.';

--
-- Name: task_ready_name_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_ready_name_idx ON public.task_ready USING btree (queue_id, name, priority, run_at, id) WHERE (name IS NOT NULL);

--
-- Name: INDEX task_ready_name_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.task_ready_name_idx IS 'For claims by name.';

--
-- Name: worker_last_seen_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX worker_last_seen_idx ON public.worker USING btree (project_id, last_seen DESC, id);

--
-- Name: INDEX worker_last_seen_idx; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.worker_last_seen_idx IS 'For worker.list.';

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
-- Name: worker worker_project_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.worker
    ADD CONSTRAINT worker_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.project(id) ON DELETE CASCADE;

INSERT INTO public.schema_migrations (version) VALUES
    ('20261121000001'),
    ('20261121000002'),
    ('20261122000001');
