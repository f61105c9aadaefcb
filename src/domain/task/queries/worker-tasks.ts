/**
 * The tasks that a worker tried. No table says so: what it ended last stands on the task, what failed in its errors, what it
 * holds in its lease. They are found by walking back from when the worker was last seen, a stretch at a time.
 */
import { z } from "zod";
import { ints, json, sql } from "../../../db/sql.ts";
import { type Room, withTasks } from "./list.ts";

/** The smallest id of a time (epoch milliseconds): a walk back begins before it. */
export const boundOf = (ms: number) => sql.type(z.strictObject({ id: z.guid() }))`
  select task_partition_bound(${new Date(ms).toISOString()}::timestamptz) as id`;

/** The id that lies so many tasks before another; no row where there are fewer. Index: task's primary key. */
export const idBefore = (id: string, tasks: number) => sql.type(z.strictObject({ id: z.uuid() }))`
  select t.id from task t where t.id < ${sql.uuid(id)} order by t.id desc offset ${tasks - 1} limit 1`;

/** A worker's tasks with ids below `below` and not below `from`, newest first. Index: task's primary key. */
export const tasksOfWorker = (
  { projectId, queueIds }: { readonly projectId: number; readonly queueIds: readonly number[] | null },
  worker: string,
  below: string,
  from: string,
  room: Room,
) =>
  withTasks(
    sql.fragment`
    select t.id, t.queue_id from task t
    where t.id < ${sql.uuid(below)} and t.id >= ${sql.uuid(from)} and t.deleted_at is null
      and t.queue_id in (select q.id from queue q where q.project_id = ${projectId})
      and ${queueIds === null ? sql.fragment`true` : sql.fragment`t.queue_id = any(${ints(queueIds)})`}
      and (t.last_worker = ${worker} or t.errors @> ${json([{ worker }])}::jsonb
        or (t.outcome is null and exists (
          select 1 from task_lease l where l.id = t.id and l.queue_id = t.queue_id and l.worker = ${worker})))
    order by t.id desc limit ${room.limit}`,
    sql.fragment`k.id desc`,
    room,
  );
