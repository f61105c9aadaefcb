import type { FragmentSqlToken } from "slonik";
import { z } from "zod";
import { booleans, ints, jsons, sql, uuids } from "../../../db/sql.ts";
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

/** What is stored in so few bytes, and not compressed, is not read to learn how long it is when printed. */
const STORED_SHORT = 1_000;
export const printed = (value: FragmentSqlToken) => sql.fragment`
  case when ${value} is null then 0
       when pg_column_size(${value}) <= ${STORED_SHORT} and pg_column_compression(${value}) is null then pg_column_size(${value})
       else octet_length(${value}::text) end`;

/**
 * About how many bytes the large values of a task `t` take in an answer. As they are stored they may be a hundredth of that:
 * PostgreSQL compresses, and it keeps numbers without their zeros.
 */
export const bytesOfTask = sql.fragment`
  (${printed(sql.fragment`t.payload`)} + ${printed(sql.fragment`t.result`)} + ${printed(sql.fragment`t.errors`)}
    + coalesce(octet_length(t.description), 0))`;

/** One task of a project with its state. Indexes: the primary keys. */
export const getTask = (projectId: number, queueId: number, id: string) => sql.prepared("get_task", TaskRow)`
  select ${columns}, '' as cursor from ${from}
  where v.id = ${sql.uuid(id)} and v.queue_id = ${queueId} and q.project_id = ${projectId}`;

/**
 * Tasks of one queue of a project with their states, in the order of `ids`, as far as they fit: the first, and what follows
 * as long as the tasks before it take less than `bytesMax` in an answer. `more` in all rows where others were left out:
 * they are among the ids behind the last one answered. Each list is walked once, and each row looked up in a lateral
 * sub-query. Indexes: the primary keys.
 */
export const getTasks = (projectId: number, queueId: number, ids: readonly string[], bytesMax: number) => sql.prepared(
  "get_tasks",
  TaskRow.extend({ more: z.boolean() }),
)`
  with sized as materialized (
    select i.at, t.id, sum(t.bytes) over (order by i.at) - t.bytes < ${bytesMax} as fits
    from unnest(${uuids(ids)}) with ordinality as i(id, at) cross join lateral (
      select t.id, ${bytesOfTask} as bytes from task t where t.id = i.id and t.queue_id = ${queueId} offset 0
    ) t
  )
  select v.*, exists (select from sized s where not s.fits) as more
  from sized s cross join lateral (
    select ${columns}, '' as cursor from ${from}
    where v.id = s.id and v.queue_id = ${queueId} and q.id = ${queueId} and q.project_id = ${projectId} and p.id = ${projectId}
    offset 0
  ) v
  where s.fits order by s.at`;

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

/** A task that somebody waits for, and what that caller knows of it. */
export interface Awaited {
  readonly id: string;
  readonly queueId: number;
  /** The progress that is known, null for none; undefined where only the end is waited for. */
  readonly known: unknown;
}

/**
 * Which of these tasks, by their place in the list, have come to something that those who wait for them do not know: an end,
 * in that they are gone or their queue is, or another progress. A lease has the progress of its attempt, a task that of
 * those before. Indexes: the primary keys.
 */
export const newsOf = (awaited: readonly Awaited[]) => sql.prepared("news_of", z.strictObject({ at: z.int() }))`
  with input as materialized (
    select i.id, i.queue_id, i.follows, jsonb_strip_nulls(i.known) as known, i.at::int as at
    from unnest(${uuids(awaited.map(({ id }) => id))}, ${ints(awaited.map(({ queueId }) => queueId))},
        ${booleans(awaited.map(({ known }) => known !== undefined))},
        ${jsons(awaited.map(({ known }) => known ?? undefined))}::jsonb[])
      with ordinality as i(id, queue_id, follows, known, at)
  )
  select i.at from input i
  left join lateral (
    select t.id, t.outcome, t.progress from task t where t.id = i.id and t.queue_id = i.queue_id offset 0
  ) t on true
  left join lateral (
    select l.progress from task_lease l
    where i.follows and t.outcome is null and l.id = i.id and l.queue_id = i.queue_id offset 0
  ) l on true
  left join lateral (select q.id from queue q where q.id = i.queue_id offset 0) q on true
  where t.id is null or q.id is null or t.outcome is not null
    or (i.follows and jsonb_strip_nulls(coalesce(l.progress, t.progress)) is distinct from i.known)`;

/**
 * What is known of a task's attempts: each that failed (`errors`), the lease it is held under now, and the one that ended
 * last. Indexes: the primary keys.
 */
export const getAttempts = (projectId: number, queueId: number, id: string) => sql.type(AttemptsRow)`
  select v.state, v.errors, v.attempts, v.finished, v.worker, v.claimed_at, v.last_worker, v.last_claimed
  from ${from} where v.id = ${sql.uuid(id)} and v.queue_id = ${queueId} and q.project_id = ${projectId}`;
