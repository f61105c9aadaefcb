import type { Db } from "../db/pool.ts";
import type { QueueRow } from "../domain/queue/queries.ts";
import { InvalidParams, Refusal } from "../domain/refusals.ts";
import { type Action, allows, isFinished, type State } from "../domain/task/lifecycle.ts";
import * as change from "../domain/task/queries/change.ts";
import * as read from "../domain/task/queries/read.ts";
import { retakeKey, settle } from "../domain/task/repository.ts";
import { type TaskView, taskView, time } from "../domain/task/views.ts";
import { queueOf } from "../lib/uuid7.ts";
import type { After, EngineContext } from "./context.ts";
import { formatCursor, parseCursor } from "./cursor.ts";
import type { Call, Engine, FilterParams, InProject, OfTask } from "./engine.ts";
import { payloadText } from "./enqueue.ts";
import { orAnswered, repeatable } from "./repeatable.ts";

/** A task moves at most a few times while one call looks; more means it is in no state, which admin.verify reports. */
const LOOKS_MAX = 50;
/** Counting stops here and says that it is not exact. */
const COUNT_MAX = 100_000;

const notFound = (id: string) => new Refusal("not_found", { noun: "task", id });

type StateRow = NonNullable<Awaited<ReturnType<typeof stateOf>>>;

async function stateOf(db: Db, queue: QueueRow, id: string) {
  return await db.maybeOne(read.getState(queue.project_id, queue.id, id));
}

/** Finds the queue that a task's id names; refused as not_found when it is not the project's. */
async function locate(context: EngineContext, params: InProject & { readonly id: string }, call: Call) {
  const projectId = await context.directory.project(params.project ?? call.project);
  const queue = await context.directory.queueOfTask(projectId, queueOf(params.id));
  if (!queue) throw notFound(params.id);
  return { projectId, queue };
}

/**
 * Changes one task: reads its state, lets `attempt` try, and looks again if the task had moved meanwhile (`attempt` then
 * answers null). With a requestId all of it is one transaction.
 */
async function changeOne<T>(
  context: EngineContext,
  method: string,
  params: OfTask,
  call: Call,
  attempt: (db: Db, queue: QueueRow, found: StateRow, after: After) => Promise<T | null>,
): Promise<T> {
  const projectId = await context.directory.project(params.project ?? call.project);
  const key = { projectId, requestId: params.requestId, method, params };
  return await orAnswered(context.cold, key, async () => {
    const { queue } = await locate(context, params, call);
    return await repeatable(context.cold, key, async (db, after) => {
      for (let look = 0; look < LOOKS_MAX; look++) {
        const found = await stateOf(db, queue, params.id);
        if (!found) throw notFound(params.id);
        const answer = await attempt(db, queue, found, after);
        if (answer !== null) return answer;
      }
      throw new Error(`Task ${params.id} keeps moving.`);
    });
  });
}

function refuseUnless(action: Action, found: StateRow): void {
  if (found.deleted_at !== null || !allows(action, found.state))
    throw new Refusal("wrong_state", { state: found.state });
}

/** Cancels an unfinished task and settles those that wait for it. Null when it has moved. */
async function cancel(
  context: EngineContext,
  db: Db,
  queue: QueueRow,
  id: string,
  reason: string | null,
  deleting: boolean,
  after: After,
) {
  return await db.transaction(async (tx) => {
    const [row] = await tx.any(change.cancelTask(queue.id, id, reason, deleting));
    if (!row) return null;
    const settled = row.has_dependents ? await settle(tx, [{ id, queueId: queue.id }]) : null;
    after(() => {
      context.waiters.ended(id);
      for (const woken of settled?.woken ?? []) context.wakeups.wake(woken);
      for (const ended of settled?.ended ?? []) context.waiters.ended(ended.id);
    });
    return row;
  });
}

/**
 * Makes a finished task pending again. Its dedupe key is taken back first: another unfinished task that holds it is a
 * conflict. Null when the task has moved.
 */
async function revive(
  context: EngineContext,
  db: Db,
  queue: QueueRow,
  id: string,
  found: StateRow,
  options: { delaySeconds: number; restoring: boolean },
  after: After,
) {
  return await db.transaction(async (tx) => {
    if (found.dedupe_key !== null && !(await retakeKey(tx, queue.id, found.dedupe_key, id)))
      throw new Refusal("conflict", { field: "dedupeKey" });
    const [row] = await tx.any(change.retryTasks(queue.id, [id], { ...options, every: 0 }));
    if (!row) return null;
    after(() => context.wakeups.wake(queue.id));
    return { id, state: "pending" as State };
  });
}

async function updateTask(
  context: EngineContext,
  params: Parameters<Engine["updateTask"]>[0],
  call: Call,
): Promise<TaskView> {
  const { id, name, payload, priority, runAt, maxAttempts } = params;
  if (params.categories?.[0] !== undefined)
    throw new Refusal("not_found", { noun: "category", id: params.categories[0] });
  const deciding = [name, payload, priority, runAt, maxAttempts].some((value) => value !== undefined);
  return await changeOne(context, "task.update", params, call, async (db, queue, found, after) => {
    if (payload) payloadText(payload, queue.max_payload_bytes);
    if (found.deleted_at !== null || (deciding && found.state !== "waiting" && found.state !== "pending"))
      throw new Refusal("wrong_state", { state: found.state });
    // Attempts never pass the maximum, so one must be left to a task that is to run.
    if (maxAttempts !== undefined && maxAttempts <= found.attempts)
      throw new InvalidParams([
        { path: "maxAttempts", message: `must be more than the ${found.attempts} attempts made` },
      ]);
    const patch = { ...params, tags: params.tags && [...new Set(params.tags)] };
    const statement = deciding ? change.changeTask(queue.id, id, patch) : change.describeTask(queue.id, id, patch);
    if ((await db.any(statement)).length === 0) return null;
    if (deciding) after(() => context.wakeups.wake(queue.id));
    return taskView(await db.one(read.getTask(queue.project_id, queue.id, id)));
  });
}

async function filterOf(context: EngineContext, { queue, project, ...filter }: FilterParams, call: Call) {
  const projectId = await context.directory.project(project ?? call.project);
  const queueId = queue === undefined ? undefined : (await context.directory.queue(projectId, queue)).id;
  return { projectId, filter: { ...filter, queueId } };
}

async function listTasks(context: EngineContext, params: Parameters<Engine["listTasks"]>[0], call: Call) {
  const { sort, limit, cursor, ...rest } = params;
  const { projectId, filter } = await filterOf(context, rest, call);
  const place = cursor === undefined ? null : placeOf(cursor, sort);
  const rows = await context.cold.run((db) => db.any(read.listTasks(projectId, filter, sort, place, limit + 1)));
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const nextCursor = rows.length > limit && last ? formatCursor([sort, last.cursor, last.id]) : null;
  return { tasks: page.map(taskView), nextCursor };
}

/** The place a cursor names; one of another sort is refused, since its key means nothing here. */
function placeOf(cursor: string, sort: read.Sort): read.Place {
  const [of, key, id] = parseCursor(cursor, 3);
  const isKey =
    sort === "priority" ? /^\d$/ : /^(-?infinity|\d{4,6}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?[+-]\d\d(:\d\d)*)$/;
  if (of !== sort || !isKey.test(key!) || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id!))
    throw new InvalidParams([{ path: "cursor", message: "is not a cursor of this list and sort" }]);
  return { key: key!, id: id! };
}

async function waitForTask(context: EngineContext, params: Parameters<Engine["waitForTask"]>[0], call: Call) {
  const { projectId, queue } = await locate(context, params, call);
  const deadline = performance.now() + params.waitSeconds * 1000;
  for (;;) {
    const row = await context.cold.run((db) => db.maybeOne(read.getTask(projectId, queue.id, params.id)));
    if (!row) throw notFound(params.id);
    const left = deadline - performance.now();
    const done = isFinished(row.state);
    if (done || left <= 0 || call.signal.aborted) return { task: taskView(row), done };
    await context.waiters.wait(params.id, left, call.signal);
  }
}

/** The engine's part that reads and changes single tasks. */
export function singleTasks(context: EngineContext) {
  return {
    async getTask(params: InProject & { readonly id: string }, call: Call) {
      const { projectId, queue } = await locate(context, params, call);
      const row = await context.cold.run((db) => db.maybeOne(read.getTask(projectId, queue.id, params.id)));
      if (!row) throw notFound(params.id);
      return taskView(row);
    },
    listTasks: (params: Parameters<Engine["listTasks"]>[0], call: Call) => listTasks(context, params, call),
    async countTasks(params: FilterParams, call: Call) {
      const { projectId, filter } = await filterOf(context, params, call);
      const { count } = await context.cold.run((db) => db.one(read.countTasks(projectId, filter, COUNT_MAX + 1)));
      return { count: Math.min(count, COUNT_MAX), exact: count <= COUNT_MAX };
    },
    updateTask: (params: Parameters<Engine["updateTask"]>[0], call: Call) => updateTask(context, params, call),
    cancelTask: (params: OfTask & { readonly reason?: string | undefined }, call: Call) =>
      changeOne(context, "task.cancel", params, call, async (db, queue, found, after) => {
        refuseUnless("cancel", found);
        const row = await cancel(context, db, queue, params.id, params.reason ?? null, false, after);
        return row && { id: row.id, state: "cancelled" as State };
      }),
    retryTask: (params: OfTask & { readonly delaySeconds: number }, call: Call) =>
      changeOne(context, "task.retry", params, call, async (db, queue, found, after) => {
        refuseUnless("retry", found);
        const options = { delaySeconds: params.delaySeconds, restoring: false };
        return await revive(context, db, queue, params.id, found, options, after);
      }),
    deleteTask: (params: OfTask, call: Call) =>
      changeOne(context, "task.delete", params, call, async (db, queue, found, after) => {
        if (found.deleted_at !== null) return { id: params.id, deletedAt: time(found.deleted_at) };
        const [row] = isFinished(found.state)
          ? await db.any(change.hideTask(queue.id, params.id, true))
          : [await cancel(context, db, queue, params.id, null, true, after)];
        return row ? { id: row.id, deletedAt: time(row.deleted_at!) } : null;
      }),
    restoreTask: (params: OfTask, call: Call) =>
      changeOne(context, "task.restore", params, call, async (db, queue, found, after) => {
        if (found.deleted_at === null) return { id: params.id, deletedAt: null };
        const restored = found.cancelled_by_delete
          ? await revive(context, db, queue, params.id, found, { delaySeconds: 0, restoring: true }, after)
          : (await db.any(change.hideTask(queue.id, params.id, false)))[0];
        return restored ? { id: params.id, deletedAt: null } : null;
      }),
    waitForTask: (params: Parameters<Engine["waitForTask"]>[0], call: Call) => waitForTask(context, params, call),
  };
}
