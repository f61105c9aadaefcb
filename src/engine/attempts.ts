import { InvalidParams, Refusal } from "../domain/refusals.ts";
import { attemptViews } from "../domain/task/attempts.ts";
import type { PageRow } from "../domain/task/queries/list.ts";
import { getAttempts } from "../domain/task/queries/read.ts";
import * as walks from "../domain/task/queries/worker-tasks.ts";
import { taskView } from "../domain/task/views.ts";
import { getWorker } from "../domain/worker/worker.ts";
import { queueOf } from "../lib/uuid7.ts";
import type { EngineContext } from "./context.ts";
import { formatCursor, parseCursor } from "./cursor.ts";
import type { Call, Page } from "./engine.ts";
import { onlyQueues } from "./task-lists.ts";
import { seen } from "./workers.ts";

/** A walk back over a worker's tasks reads so many tasks at a time, and no more than so often for one page. */
const STRETCH = 20_000;
const STRETCHES_MAX = 10;
/** Ids are made by the instances' clocks, which may be so far from the database's. */
const SLACK_MS = 60_000;
const LOWEST = "00000000-0000-0000-0000-000000000000";

type OfOne = Page & { readonly id: string };

const notOurs = () => new InvalidParams([{ path: "cursor", message: "is not a cursor of this list" }]);

/** The engine's part that tells who tried which task. */
export function attempts(context: EngineContext) {
  return {
    async taskAttempts({ id, limit, cursor, project }: OfOne, call: Call) {
      const projectId = await context.directory.projectOf({ project }, call);
      const queue = await context.directory.queueOfTask(projectId, queueOf(id), call);
      const row = queue && (await context.cold.run((db) => db.maybeOne(getAttempts(projectId, queue.id, id))));
      if (!row) throw new Refusal("not_found", { noun: "task", id });
      const from = cursor === undefined ? 0 : Number(parseCursor(cursor, 1)[0]);
      if (!Number.isInteger(from) || from < 0) throw notOurs();
      const all = attemptViews(row);
      const nextCursor = from + limit < all.length ? formatCursor([String(from + limit)]) : null;
      return { attempts: all.slice(from, from + limit), nextCursor };
    },
    workerTasks: (params: OfOne, call: Call) => workerTasks(context, params, call),
  };
}

/**
 * A page of a worker's tasks, newest first. Where they lie far apart a page may be short, or empty, and still have a next
 * one: no call reads more than so many tasks.
 */
async function workerTasks(context: EngineContext, { id, limit, cursor, project }: OfOne, call: Call) {
  const projectId = await context.directory.projectOf({ project }, call);
  await context.workers.flush();
  return await context.cold.run(async (db) => {
    const worker = await db.maybeOne(getWorker(projectId, id));
    if (!worker || seen(worker, call) === null) throw new Refusal("not_found", { noun: "worker", id });
    const { queueIds = null } = await onlyQueues(context, projectId, call);
    let below = cursor === undefined ? (await db.one(walks.boundOf(worker.last_seen + SLACK_MS))).id : placeOf(cursor);
    const rows: PageRow[] = [];
    // Each stretch has its share.
    const bytesMax = Math.floor(context.sizes.answerBytesMax / STRETCHES_MAX);
    for (let stretch = 0; stretch < STRETCHES_MAX; stretch++) {
      const back = await db.maybeOne(walks.idBefore(below, STRETCH));
      const from = back ? startOf(back.id) : LOWEST;
      const wanted = limit + 1 - rows.length;
      rows.push(
        ...(await db.any(walks.tasksOfWorker({ projectId, queueIds }, id, below, from, { limit: wanted, bytesMax }))),
      );
      if (rows.length > limit || rows.at(-1)?.last) break;
      if (from === LOWEST) return { tasks: rows.map(taskView), nextCursor: null };
      below = from;
    }
    const page = rows.slice(0, limit);
    return {
      tasks: page.map(taskView),
      nextCursor: formatCursor([rows.length > limit || page.at(-1)?.last ? page.at(-1)!.id : below]),
    };
  });
}

/** The smallest id of an id's millisecond: a walk may end at anybody's task, and a cursor must not tell which. */
const startOf = (id: string) => id.slice(0, 13) + LOWEST.slice(13);

function placeOf(cursor: string): string {
  const [id] = parseCursor(cursor, 1);
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id!)) throw notOurs();
  return id!;
}
