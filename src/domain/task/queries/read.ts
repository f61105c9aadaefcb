import { z } from "zod";
import { sql } from "../../../db/sql.ts";
import { STATES } from "../lifecycle.ts";

export const TaskRow = z.strictObject({
  id: z.uuid(),
  queue: z.string(),
  project: z.string(),
  state: z.enum(STATES),
  name: z.string().nullable(),
  payload: z.unknown(),
  priority: z.int(),
  run_at: z.number(),
  added: z.number(),
  updated: z.number(),
  finished: z.number().nullable(),
  attempts: z.int(),
  max_attempts: z.int(),
  errors: z.unknown(),
  result: z.unknown(),
  progress: z.unknown(),
  dedupe_key: z.string().nullable(),
  description: z.string().nullable(),
  due_at: z.number().nullable(),
  owner_id: z.string().nullable(),
  tags: z.array(z.string()).nullable(),
  categories: z.array(z.string()).nullable(),
  worker: z.string().nullable(),
  lease_expires_at: z.number().nullable(),
  deleted_at: z.number().nullable(),
  depends_on: z.array(z.uuid()).nullable(),
  cursor: z.string(),
});
export type TaskRow = z.output<typeof TaskRow>;

export const AttemptsRow = z.strictObject({
  state: z.enum(STATES),
  errors: z.unknown(),
  attempts: z.int(),
  finished: z.number().nullable(),
  worker: z.string().nullable(),
  claimed_at: z.number().nullable(),
  last_worker: z.string().nullable(),
  last_claimed: z.number().nullable(),
});
export type AttemptsRow = z.output<typeof AttemptsRow>;

export const columns = sql.fragment`
  v.id, q.name as queue, p.name as project, v.state, v.name, v.payload, v.priority::int as priority, v.run_at, v.added, v.updated,
  v.finished, v.attempts, v.max_attempts, v.errors, v.result, v.progress, v.dedupe_key, v.description, v.due_at, v.owner_id,
  v.worker, v.lease_expires_at, v.deleted_at, v.depends_on,
  case when v.catalogued then array(
    select g.name from task_tag x join tag g on g.id = x.tag_id where x.task_id = v.id and x.queue_id = v.queue_id
    order by x.position) end as tags,
  case when v.catalogued then array(
    select c.name from task_category x join category c on c.id = x.category_id where x.task_id = v.id and x.queue_id = v.queue_id
    order by c.name) end as categories`;

export const from = sql.fragment`
  task_with_state v join queue q on q.id = v.queue_id join project p on p.id = q.project_id`;

/** One task of a project with its state. Indexes: the primary keys. */
export const getTask = (projectId: number, queueId: number, id: string) => sql.prepared("get_task", TaskRow)`
  select ${columns}, '' as cursor from ${from}
  where v.id = ${sql.uuid(id)} and v.queue_id = ${queueId} and q.project_id = ${projectId}`;

/** The state of one task of a project, for those that only decide by it. Indexes: the primary keys. */
export const getState = (projectId: number, queueId: number, id: string) => sql.prepared(
  "get_state",
  z.strictObject({
    state: z.enum(STATES),
    lease_seq: z.int(),
    attempts: z.int(),
    deleted_at: z.number().nullable(),
    cancelled_by_delete: z.boolean(),
    dedupe_key: z.string().nullable(),
  }),
)`
  select v.state, v.lease_seq, v.attempts, v.deleted_at, coalesce(v.state = 'cancelled' and v.deleted_at = v.finished, false) as cancelled_by_delete,
         v.dedupe_key
  from task_with_state v join queue q on q.id = v.queue_id
  where v.id = ${sql.uuid(id)} and v.queue_id = ${queueId} and q.project_id = ${projectId}`;

/** Which of these tasks of a queue have ended. Index: task's primary key. */
export const endedOf = (queueId: number, ids: readonly string[]) => sql.prepared(
  "ended_of",
  z.strictObject({ id: z.uuid() }),
)`
  select t.id from task t where t.queue_id = ${queueId} and t.id = any(${sql.array([...ids], "uuid")}) and t.outcome is not null`;

/**
 * What is known of a task's attempts: each that failed (`errors`), the lease it is held under now, and the one that ended
 * last. Indexes: the primary keys.
 */
export const getAttempts = (projectId: number, queueId: number, id: string) => sql.type(AttemptsRow)`
  select v.state, v.errors, v.attempts, v.finished, v.worker, v.claimed_at, v.last_worker, v.last_claimed
  from ${from} where v.id = ${sql.uuid(id)} and v.queue_id = ${queueId} and q.project_id = ${projectId}`;
