import { z } from "zod";
import { booleans, floats, ints, sql, texts, uuids } from "../../../db/sql.ts";

/** A new task as the statement takes it: ids made, defaults left null, one queue a statement. */
export interface TaskRow {
  readonly id: string;
  readonly name: string | null;
  /** JSON text. */
  readonly payload: string;
  readonly priority: number;
  /** ISO 8601; null for now + delaySeconds. */
  readonly runAt: string | null;
  readonly delaySeconds: number;
  readonly maxAttempts: number | null;
  readonly dueAt: string | null;
  readonly ownerId: string | null;
  readonly dedupeKey: string | null;
  readonly dedupeSeconds: number | null;
  readonly description: string | null;
  /** Keys of tags that exist, and names of categories that do; null for none. */
  readonly tags: readonly string[] | null;
  readonly categories: readonly string[] | null;
  /** The tasks it depends on; null for none. */
  readonly dependsOn: readonly string[] | null;
  /** How many of them it waits for. */
  readonly unmet: number;
  /** Somebody must be told of its end: a task that waits for it, or its workflow. */
  readonly awaited: boolean;
  /** Null for a task of no workflow. */
  readonly workflow: TaskInWorkflow | null;
  readonly onDependencyFailure: string;
}

/** What a task is in its workflow. */
export interface TaskInWorkflow {
  readonly id: string;
  readonly key: string;
  /** The keys of those it depends on, in the order of dependsOn. */
  readonly after: readonly string[];
}

/**
 * When tasks were added, epoch milliseconds: the time that their ids begin with, so that the order of ids is the order of
 * this, and lists sorted by it need no index but the primary key's.
 */
export const addedAt = (at: number) => sql.fragment`${new Date(at).toISOString()}::timestamptz`;

/** Whether people can find it by more than its id, its queue and its state: it then has a row in task_catalogue. */
export const isCatalogued = (r: TaskRow): boolean =>
  r.tags !== null || r.categories !== null || r.dueAt !== null || r.ownerId !== null || r.description !== null;

/**
 * Adds tasks to one queue, but those whose dedupe key is held. Answers which of the keyed tasks were added; no row at all
 * when the queue is gone.
 *
 * The queue's row is locked for key share, so that a queue.delete cannot overlook a task that is being added: what a
 * foreign key would do, but once a statement instead of once a row.
 *
 * A key is taken over only if its row is still the one this statement's snapshot saw (`taken`): whether the holder has
 * finished is judged by that snapshot, and must not be judged of a holder that came later. Lists are matched by hashed
 * sub-plans (IN), since joins of two lists would be nested loops here.
 * Indexes: task_dedupe_pkey, task's primary key.
 */
export const enqueueTasks = (queueId: number, rows: readonly TaskRow[], at: number) => sql.prepared(
  "enqueue_tasks",
  z.strictObject({ keyed: z.array(z.uuid()) }),
)`
  with home as materialized (
    select q.max_attempts from queue q where q.id = ${queueId} for key share
  ), input as materialized (
    select i.*, coalesce(i.run_at, now() + make_interval(secs => i.delay)) as due
    from unnest(
      ${uuids(rows.map((r) => r.id))}, ${texts(rows.map((r) => r.name))}, ${texts(rows.map((r) => r.payload))}::jsonb[],
      ${ints(rows.map((r) => r.priority))}, ${texts(rows.map((r) => r.runAt))}::timestamptz[],
      ${floats(rows.map((r) => r.delaySeconds))}, ${ints(rows.map((r) => r.maxAttempts))},
      ${texts(rows.map((r) => r.dueAt))}::timestamptz[], ${texts(rows.map((r) => r.ownerId))},
      ${texts(rows.map((r) => r.dedupeKey))}, ${floats(rows.map((r) => r.dedupeSeconds))},
      ${texts(rows.map((r) => r.description))}, ${booleans(rows.map(isCatalogued))},
      ${texts(rows.map((r) => r.dependsOn && `{${r.dependsOn.join()}}`))}, ${ints(rows.map((r) => r.unmet))},
      ${booleans(rows.map((r) => r.awaited))}, ${texts(rows.map((r) => r.onDependencyFailure))},
      ${texts(rows.map((r) => r.workflow?.id ?? null))}, ${texts(rows.map((r) => r.workflow?.key ?? null))},
      ${texts(rows.map((r) => (r.workflow?.after.length ? JSON.stringify(r.workflow.after) : null)))}::jsonb[]
    ) as i(id, name, payload, priority, run_at, delay, max_attempts, due_at, owner_id, key, key_seconds, description, catalogued,
           depends_on, unmet, awaited, on_failure, workflow_id, workflow_key, keys)
  ), seen as materialized (
    select d.key, d.taken,
      coalesce(d.holds_until > now(), false) or exists (
        select 1 from task t where t.id = any(array[d.task_id]) and t.queue_id = d.queue_id and t.outcome is null) as holds
    from input i cross join lateral (
      select d.queue_id, d.key, d.taken, d.task_id, d.holds_until from task_dedupe d where d.queue_id = ${queueId} and d.key = i.key offset 0
    ) d
    where i.key is not null
  ), taken as (
    insert into task_dedupe as d (queue_id, key, task_id, holds_until)
    select ${queueId}, i.key, i.id, now() + make_interval(secs => i.key_seconds)
    from input i, home where i.key is not null order by i.key
    on conflict (queue_id, key) do update
      set task_id = excluded.task_id, holds_until = excluded.holds_until, taken = d.taken + 1
      where d.queue_id = ${queueId}
        and (d.key, d.taken) in (select s.key, s.taken from seen s where not s.holds)
    returning d.task_id
  ), accepted as materialized (
    select i.*, coalesce(i.max_attempts, home.max_attempts) as attempts_max
    from home cross join input i
    where i.key is null or i.id in (select k.task_id from taken k)
  ), facts as (
    insert into task (id, queue_id, priority, max_attempts, run_at, added, updated, due_at, name, owner_id, dedupe_key,
                      description, catalogued, depends_on, workflow_id, workflow_key, depends_on_keys,
                      on_dependency_failure, payload)
    select a.id, ${queueId}, a.priority, a.attempts_max, a.due, ${addedAt(at)}, now(), a.due_at, a.name, a.owner_id, a.key,
           a.description,
           a.catalogued, a.depends_on::uuid[], a.workflow_id::uuid, a.workflow_key,
           case when a.keys is not null then array(select jsonb_array_elements_text(a.keys)) end,
           case when a.workflow_id is not null then a.on_failure end, a.payload
    from accepted a
  ), ready as (
    insert into task_ready (queue_id, priority, run_at, id, attempts, lease_seq, has_dependents, name)
    select ${queueId}, a.priority, a.due, a.id, 0, 0, a.awaited, a.name from accepted a where a.unmet = 0
  ), waiting as (
    insert into task_waiting (id, queue_id, unmet, has_dependents, on_failure, priority, run_at, name)
    select a.id, ${queueId}, a.unmet, a.awaited, a.on_failure, a.priority, a.due, a.name from accepted a where a.unmet > 0
  ), counted as (
    insert into queue_delta (queue_id, enqueued)
    select ${queueId}, count(*) from accepted having count(*) > 0
  )
  select array(select k.task_id from taken k) as keyed from home`;

/** Who holds these dedupe keys of one queue now. Index: task_dedupe_pkey. */
export const keyHolders = (queueId: number, keys: readonly string[]) => sql.prepared(
  "key_holders",
  z.strictObject({ key: z.string(), task_id: z.uuid() }),
)`
  select d.key, d.task_id from task_dedupe d where d.queue_id = ${queueId} and d.key = any(${texts(keys)})`;

/** Puts a dedupe key's row there if it is not. Waits for whoever is just putting it there. Index: task_dedupe_pkey. */
export const ensureKey = (queueId: number, key: string, id: string) => sql.type(z.strictObject({ key: z.string() }))`
  insert into task_dedupe as d (queue_id, key, task_id) values (${queueId}, ${key}, ${sql.uuid(id)})
  on conflict (queue_id, key) do nothing returning d.key`;

/** Locks a dedupe key's row, so that the next statement's snapshot is as new as its holder. Index: task_dedupe_pkey. */
export const lockKey = (queueId: number, key: string) => sql.type(z.strictObject({ key: z.string() }))`
  select d.key from task_dedupe d where d.queue_id = ${queueId} and d.key = ${key} for update`;

/**
 * Gives a locked key to a task, unless another unfinished task holds it: no row then. Index: task_dedupe_pkey.
 */
export const giveKey = (queueId: number, key: string, id: string) => sql.type(z.strictObject({ key: z.string() }))`
  update task_dedupe d set task_id = ${sql.uuid(id)}, taken = d.taken + 1
  where d.queue_id = ${queueId} and d.key = ${key} and (d.task_id = ${sql.uuid(id)} or not exists (
    select 1 from task t where t.id = any(array[d.task_id]) and t.queue_id = d.queue_id and t.outcome is null))
  returning d.key`;
