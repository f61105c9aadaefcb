import { z } from "zod";
import { ints, sql, texts, uuids } from "../../db/sql.ts";

export const QueueRow = z.strictObject({
  id: z.int(),
  project: z.string(),
  project_id: z.int(),
  name: z.string(),
  description: z.string().nullable(),
  lease_seconds: z.number(),
  max_attempts: z.int(),
  backoff_base_seconds: z.number(),
  backoff_factor: z.number(),
  backoff_max_seconds: z.number(),
  backoff_jitter: z.boolean(),
  retention_completed_seconds: z.number().nullable(),
  retention_failed_seconds: z.number().nullable(),
  max_payload_bytes: z.int(),
  paused: z.boolean(),
  added: z.number(),
  updated: z.number(),
});
export type QueueRow = z.output<typeof QueueRow>;

const columns = sql.fragment`
  q.id, p.name as project, q.project_id, q.name, q.description, q.lease_seconds, q.max_attempts, q.backoff_base_seconds,
  q.backoff_factor, q.backoff_max_seconds, q.backoff_jitter, q.retention_completed_seconds, q.retention_failed_seconds,
  q.max_payload_bytes, q.paused, q.added, q.updated`;

/** One queue by name. Index: queue_name_key. */
export const queueByName = (projectId: number, name: string) => sql.type(QueueRow)`
  select ${columns} from queue q join project p on p.id = q.project_id where q.project_id = ${projectId} and q.name = ${name}`;

/** One of a project's queues by number. Index: queue's primary key. */
export const queueById = (projectId: number, id: number) => sql.type(QueueRow)`
  select ${columns} from queue q join project p on p.id = q.project_id where q.id = ${id} and q.project_id = ${projectId}`;

/** A page of a project's queues by name. Index: queue_name_key. */
export const listQueues = (projectId: number, after: string, limit: number) => sql.type(QueueRow)`
  select ${columns} from queue q join project p on p.id = q.project_id
  where q.project_id = ${projectId} and q.name > ${after} order by q.name limit ${limit}`;

/** The names of a project's queues. Index: queue_name_key. */
export const queueNames = (projectId: number) => sql.type(z.strictObject({ id: z.int(), name: z.string() }))`
  select q.id, q.name from queue q where q.project_id = ${projectId}`;

/** What queue.create and queue.update may set; undefined leaves the default, or what is there. */
export interface QueuePolicy {
  readonly description?: string | null | undefined;
  readonly leaseSeconds?: number | undefined;
  readonly maxAttempts?: number | undefined;
  readonly backoff?:
    | {
        readonly baseSeconds?: number | undefined;
        readonly factor?: number | undefined;
        readonly maxSeconds?: number | undefined;
        readonly jitter?: boolean | undefined;
      }
    | undefined;
  readonly retention?:
    | { readonly completedSeconds?: number | null | undefined; readonly failedSeconds?: number | null | undefined }
    | undefined;
  readonly maxPayloadBytes?: number | undefined;
}

/** Creates a queue with the defaults; answers no row when the name is taken. Index: queue_name_key. */
export const insertQueue = (projectId: number, name: string) => sql.type(z.strictObject({ id: z.int() }))`
  insert into queue (project_id, name) values (${projectId}, ${name}) on conflict (project_id, name) do nothing returning id`;

/**
 * Creates those queues that are not there, of projects that are, in the order of their names, so that two calls cannot wait
 * for each other in a circle. Indexes: project's primary key, queue_name_key.
 */
export const insertQueues = (
  queues: readonly { readonly project_id: number; readonly queue: string }[],
) => sql.prepared("insert_queues", z.strictObject({ id: z.int() }))`
  insert into queue as q (project_id, name)
  select p.id, i.name
  from unnest(${ints(queues.map((one) => one.project_id))}, ${texts(queues.map((one) => one.queue))}) as i(project_id, name)
  cross join lateral (select p.id from project p where p.id = i.project_id for key share) p
  order by 1, 2
  on conflict (project_id, name) do nothing returning q.id`;

/** Sets the named parts of a queue's policy. Index: queue's primary key. */
export const setPolicy = (id: number, p: QueuePolicy) => {
  const set = (column: string, value: string | number | boolean | null | undefined) =>
    value !== undefined && sql.fragment`${sql.identifier([column])} = ${value}`;
  const parts = [
    set("description", p.description),
    set("lease_seconds", p.leaseSeconds),
    set("max_attempts", p.maxAttempts),
    set("backoff_base_seconds", p.backoff?.baseSeconds),
    set("backoff_factor", p.backoff?.factor),
    set("backoff_max_seconds", p.backoff?.maxSeconds),
    set("backoff_jitter", p.backoff?.jitter),
    set("retention_completed_seconds", p.retention?.completedSeconds),
    set("retention_failed_seconds", p.retention?.failedSeconds),
    set("max_payload_bytes", p.maxPayloadBytes),
    sql.fragment`updated = now()`,
  ].filter((part) => part !== false);
  return sql.type(z.strictObject({ id: z.int() }))`
    update queue set ${sql.join(parts, sql.fragment`, `)} where id = ${id} returning id`;
};

/** Pauses or resumes a queue. Index: queue's primary key. */
export const setPaused = (id: number, paused: boolean) => sql.type(z.strictObject({ id: z.int() }))`
  update queue set paused = ${paused}, updated = case when paused = ${paused} then updated else now() end
  where id = ${id} returning id`;

/** Locks a queue's row against new tasks until the transaction ends. Index: queue's primary key. */
export const lockQueue = (id: number) => sql.type(z.strictObject({ id: z.int() }))`
  select id from queue where id = ${id} for update`;

/** Keeps a queue from being deleted until the transaction ends; no row when it is gone. Index: queue's primary key. */
export const holdQueue = (id: number) => sql.type(z.strictObject({ id: z.int() }))`
  select id from queue where id = ${id} for key share`;

/** Whether a queue has a task in a narrow table. Indexes: the narrow tables' primary keys and task_lease_expires_idx. */
export const hasUnfinished = (id: number) => sql.type(z.strictObject({ found: z.boolean() }))`
  select exists (select 1 from task_ready where queue_id = ${id}) or exists (select 1 from task_lease where queue_id = ${id})
      or exists (select 1 from task_waiting where queue_id = ${id}) as found`;

/** Removes a queue's row; its totals and rates go with it. Index: queue's primary key. */
export const deleteQueue = (id: number) => sql.type(z.strictObject({ id: z.int() }))`
  delete from queue where id = ${id} returning id`;

export const StatsRow = z.strictObject({
  queue: z.string(),
  waiting: z.number(),
  pending: z.number(),
  delayed: z.number(),
  claimed: z.number(),
  completed: z.number(),
  failed: z.number(),
  cancelled: z.number(),
  oldest_ready_seconds: z.number().nullable(),
  enqueued_per_second: z.number(),
  completed_per_second: z.number(),
});
export type StatsRow = z.output<typeof StatsRow>;

/** Rates are means over this many seconds. */
const RATE_WINDOW_SECONDS = 60;

/**
 * Counts of a project's queues (or one), each task once, in one snapshot: unfinished tasks counted in their narrow tables,
 * finished ones from the totals and what is not folded into them yet.
 */
export const queueStats = (projectId: number, name: string | null) => sql.type(StatsRow)`
  select q.name as queue, coalesce(w.n, 0) as waiting, coalesce(r.due, 0) as pending, coalesce(r.later, 0) as delayed,
         coalesce(l.n, 0) as claimed,
         coalesce(t.completed, 0) + coalesce(d.completed, 0) as completed,
         coalesce(t.failed, 0) + coalesce(d.failed, 0) as failed,
         coalesce(t.cancelled, 0) + coalesce(d.cancelled, 0) as cancelled,
         extract(epoch from now() - r.oldest)::float8 as oldest_ready_seconds,
         ((coalesce(s.enqueued, 0) + coalesce(d.recently_enqueued, 0)) / ${RATE_WINDOW_SECONDS}::float8)::float8 as enqueued_per_second,
         ((coalesce(s.completed, 0) + coalesce(d.recently_completed, 0)) / ${RATE_WINDOW_SECONDS}::float8)::float8 as completed_per_second
  from queue q
  left join queue_total t on t.queue_id = q.id
  left join lateral (select count(*) as n from task_waiting w where w.queue_id = q.id) w on true
  left join lateral (select count(*) as n from task_lease l where l.queue_id = q.id) l on true
  left join lateral (
    select count(*) filter (where r.run_at <= now()) as due, count(*) filter (where r.run_at > now()) as later,
           min(r.run_at) filter (where r.run_at <= now()) as oldest
    from task_ready r where r.queue_id = q.id) r on true
  left join lateral (
    select sum(d.completed) as completed, sum(d.failed) as failed, sum(d.cancelled) as cancelled,
           sum(d.enqueued) as recently_enqueued, sum(greatest(d.completed, 0)) as recently_completed
    from queue_delta d where d.queue_id = q.id) d on true
  left join lateral (
    select sum(s.enqueued) as enqueued, sum(s.completed) as completed from queue_rate s
    where s.queue_id = q.id and s.bucket > now() - make_interval(secs => ${RATE_WINDOW_SECONDS})) s on true
  where q.project_id = ${projectId} and ${name === null ? sql.fragment`true` : sql.fragment`q.name = ${name}`}
  order by q.name`;

/** The dedupe keys of those tasks that have one. Index: task's primary key. */
export const keysOfTasks = (queueId: number, ids: readonly string[]) => sql.type(
  z.strictObject({ id: z.uuid(), dedupe_key: z.string() }),
)`
  select t.id, t.dedupe_key from task t
  where t.queue_id = ${queueId} and t.id = any(${uuids(ids)}) and t.dedupe_key is not null order by t.dedupe_key, t.id`;
