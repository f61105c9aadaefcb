import { z } from "zod";
import { json, sql, texts } from "../../../db/sql.ts";
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
  worker: z.string().nullable(),
  lease_expires_at: z.number().nullable(),
  deleted_at: z.number().nullable(),
  depends_on: z.array(z.uuid()).nullable(),
  cursor: z.string(),
});
export type TaskRow = z.output<typeof TaskRow>;

const columns = sql.fragment`
  v.id, q.name as queue, p.name as project, v.state, v.name, v.payload, v.priority::int as priority, v.run_at, v.added, v.updated,
  v.finished, v.attempts, v.max_attempts, v.errors, v.result, v.progress, v.dedupe_key, v.description, v.due_at, v.owner_id,
  v.tags, v.worker, v.lease_expires_at, v.deleted_at, v.depends_on`;

const from = sql.fragment`
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

export interface TaskFilter {
  readonly queueId?: number | undefined;
  readonly states?: readonly string[] | undefined;
  readonly names?: readonly string[] | undefined;
  readonly priority?: number | undefined;
  readonly ownerId?: string | undefined;
  readonly addedFrom?: string | undefined;
  readonly addedTo?: string | undefined;
  readonly dueFrom?: string | undefined;
  readonly dueTo?: string | undefined;
  readonly payload?: unknown;
  readonly deleted: boolean;
}

const time = (text: string) => sql.fragment`${text}::timestamptz`;

function conditions(projectId: number, f: TaskFilter) {
  return sql.and([
    sql.fragment`q.project_id = ${projectId}`,
    f.deleted ? sql.fragment`v.deleted_at is not null` : sql.fragment`v.deleted_at is null`,
    f.queueId !== undefined && sql.fragment`v.queue_id = ${f.queueId}`,
    f.states && sql.fragment`v.state = any(${texts(f.states)})`,
    f.names && sql.fragment`v.name = any(${texts(f.names)})`,
    f.priority !== undefined && sql.fragment`v.priority = ${f.priority}`,
    f.ownerId !== undefined && sql.fragment`v.owner_id = ${f.ownerId}`,
    f.addedFrom !== undefined && sql.fragment`v.added >= ${time(f.addedFrom)}`,
    f.addedTo !== undefined && sql.fragment`v.added < ${time(f.addedTo)}`,
    f.dueFrom !== undefined && sql.fragment`v.due_at >= ${time(f.dueFrom)}`,
    f.dueTo !== undefined && sql.fragment`v.due_at < ${time(f.dueTo)}`,
    f.payload !== undefined && sql.fragment`v.payload @> ${json(f.payload)}::jsonb`,
  ]);
}

/**
 * What a list is sorted by. Every sort ends in the id, so that a page's end names one place; tasks without the value come
 * last, as infinity. The key travels in the cursor as text, exact to the microsecond.
 */
export const SORT_KEYS = {
  added: { key: sql.fragment`v.added`, type: "timestamptz", descending: false },
  "-added": { key: sql.fragment`v.added`, type: "timestamptz", descending: true },
  finished: { key: sql.fragment`coalesce(v.finished, 'infinity')`, type: "timestamptz", descending: false },
  "-finished": { key: sql.fragment`coalesce(v.finished, '-infinity')`, type: "timestamptz", descending: true },
  dueAt: { key: sql.fragment`coalesce(v.due_at, 'infinity')`, type: "timestamptz", descending: false },
  priority: { key: sql.fragment`v.priority::int`, type: "int4", descending: false },
} as const;
export type Sort = keyof typeof SORT_KEYS;

/** Where a page ended: the sort key's text and the id. */
export interface Place {
  readonly key: string;
  readonly id: string;
}

/** A page of a project's tasks that fit the filter, after `place`. */
export const listTasks = (projectId: number, f: TaskFilter, sort: Sort, place: Place | null, limit: number) => {
  const { key, type, descending } = SORT_KEYS[sort];
  const past = descending ? sql.fragment`<` : sql.fragment`>`;
  const order = descending ? sql.fragment`desc` : sql.fragment`asc`;
  const after = place
    ? sql.fragment`(${key}, v.id) ${past} (${place.key}::${sql.identifier([type])}, ${sql.uuid(place.id)})`
    : sql.fragment`true`;
  return sql.type(TaskRow)`
    select ${columns}, (${key})::text as cursor from ${from}
    where ${conditions(projectId, f)} and ${after}
    order by ${key} ${order}, v.id ${order} limit ${limit}`;
};

/** How many of a project's tasks fit the filter, counting no further than `most`. */
export const countTasks = (projectId: number, f: TaskFilter, most: number) => sql.type(
  z.strictObject({ count: z.number() }),
)`
  select count(*) as count from (select 1 from ${from} where ${conditions(projectId, f)} limit ${most}) counted`;
