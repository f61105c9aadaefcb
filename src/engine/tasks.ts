import type { Db } from "../db/pool.ts";
import { holdQueue, type QueueRow } from "../domain/queue/queries.ts";
import { InvalidParams, Refusal } from "../domain/refusals.ts";
import { type Action, allows, isFinished, type State } from "../domain/task/lifecycle.ts";
import { hideLabels } from "../domain/task/queries/catalogue.ts";
import * as change from "../domain/task/queries/change.ts";
import * as read from "../domain/task/queries/read.ts";
import { recatalogue, retakeKey, settle } from "../domain/task/repository.ts";
import { isSameProgress, type TaskView, taskView, time } from "../domain/task/views.ts";
import { queueOf } from "../lib/uuid7.ts";
import type { After, EngineContext } from "./context.ts";
import type { Call, Engine, InProject, OfTask } from "./engine.ts";

import { isLabelGone, prepareLabels, relabel } from "./labels.ts";
import { refuseStrangeOwner } from "./members.ts";
import { payloadText } from "./new-tasks.ts";
import { answered, orAnswered, repeatable } from "./repeatable.ts";
import { tellSettled } from "./settled.ts";

/** A task moves at most a few times while one call looks; more means it is in no state, which admin.verify reports. */
const LOOKS_MAX = 50;
/** A tag or category deleted while a task gets it is found out anew; more often than this it is somebody's loop. */
const TRIES = 10;

const notFound = (id: string) => new Refusal("not_found", { noun: "task", id });

type StateRow = NonNullable<Awaited<ReturnType<typeof stateOf>>>;

async function stateOf(db: Db, queue: QueueRow, id: string) {
  return await db.maybeOne(read.getState(queue.project_id, queue.id, id));
}

/** Finds the queue that a task's id names; refused as not_found when it is not the project's. */
async function locate(context: EngineContext, params: InProject & { readonly id: string }, call: Call) {
  const projectId = await context.directory.projectOf(params, call);
  const queue = await context.directory.queueOfTask(projectId, queueOf(params.id), call);
  if (!queue) throw notFound(params.id);
  return { projectId, queue };
}

type Attempt<T> = (db: Db, queue: QueueRow, found: StateRow, after: After) => Promise<T | null>;
interface Change<T> {
  /** What must be there before the change, in transactions of its own. */
  readonly prepare: (projectId: number) => Promise<void>;
  readonly attempt: Attempt<T>;
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
  how: Attempt<T> | Change<T>,
): Promise<T> {
  const { prepare, attempt } = typeof how === "function" ? { prepare: undefined, attempt: how } : how;
  const projectId = await context.directory.projectOf(params, call);
  const key = { projectId, requestId: params.requestId, method, params };
  return await orAnswered(context.cold, key, async () => {
    const { queue } = await locate(context, params, call);
    const once = () =>
      repeatable(context.cold, key, (db, after) =>
        untilItHolds(params.id, db, queue, (found) => attempt(db, queue, found, after)),
      );
    if (!prepare) return await once();
    for (let tries = 1; ; tries++) {
      // A repeat must not make anew what the first call found there.
      const { requestId } = params;
      const first = requestId === undefined ? undefined : await answered<T>(context.cold, { ...key, requestId });
      if (first !== undefined) return first;
      await prepare(projectId);
      try {
        return await once();
      } catch (error) {
        if (!isLabelGone(error)) throw error;
        if (tries === TRIES) throw new Refusal("conflict", { field: "tags" });
      }
    }
  });
}

/** Reads a task's state and lets `attempt` act on it, until that finds the task still in it. */
async function untilItHolds<T>(
  id: string,
  db: Db,
  queue: QueueRow,
  attempt: (found: StateRow) => Promise<T | null>,
): Promise<T> {
  for (let look = 0; look < LOOKS_MAX; look++) {
    const found = await stateOf(db, queue, id);
    if (!found) throw notFound(id);
    const answer = await attempt(found);
    if (answer !== null) return answer;
  }
  throw new Error(`Task ${id} keeps moving.`);
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
    await recatalogue(tx, queue.id, [row]);
    if (deleting && row.catalogued) await tx.query(hideLabels({ id, queueId: queue.id }, true));
    const ended = [{ id, queueId: queue.id, outcome: "cancelled" as const }];
    const settled = await settle(tx, row.has_dependents ? ended : []);
    after(() => {
      context.waiters.ended(queue.id, id);
      tellSettled(context, settled);
    });
    return row;
  });
}

/** Hides or shows a finished task, and its labels' counts with it. Null when it has moved. */
async function hide(db: Db, queue: QueueRow, id: string, hidden: boolean) {
  return await db.transaction(async (tx) => {
    const row = await tx.maybeOne(change.hideTask(queue.id, id, hidden));
    if (row) await recatalogue(tx, queue.id, [row]);
    if (row?.catalogued) await tx.query(hideLabels({ id, queueId: queue.id }, hidden));
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
    await recatalogue(tx, queue.id, [row]);
    if (options.restoring && row.catalogued) await tx.query(hideLabels({ id, queueId: queue.id }, false));
    after(() => context.wakeups.wake(queue.id));
    return { id, state: "pending" as State };
  });
}

async function updateTask(
  context: EngineContext,
  params: Parameters<Engine["updateTask"]>[0],
  call: Call,
): Promise<TaskView> {
  const { id, name, payload, priority, runAt, maxAttempts, tags, categories } = params;
  const deciding = [name, payload, priority, runAt, maxAttempts].some((value) => value !== undefined);
  const labelled = tags !== undefined || categories !== undefined;
  const describing = [params.description, params.dueAt, params.ownerId].some((value) => value != null);
  const catalogued = describing || (tags?.length ?? 0) > 0 || (categories?.length ?? 0) > 0;
  return await changeOne(context, "task.update", params, call, {
    async prepare(projectId) {
      await refuseStrangeOwner(context, projectId, params.ownerId, call);
      await prepareLabels(context, projectId, [{ tags, categories }]);
    },
    async attempt(db, queue, found, after) {
      if (payload) payloadText(payload, queue.max_payload_bytes);
      if (found.deleted_at !== null || (deciding && found.state !== "waiting" && found.state !== "pending"))
        throw new Refusal("wrong_state", { state: found.state });
      // Attempts never pass the maximum, so one must be left to a task that is to run.
      if (maxAttempts !== undefined && maxAttempts <= found.attempts)
        throw new InvalidParams([
          { path: "maxAttempts", message: `must be more than the ${found.attempts} attempts made` },
        ]);
      return await db.transaction(async (tx) => {
        if (!(await tx.maybeOne(holdQueue(queue.id)))) throw notFound(id);
        const patch = { ...params, catalogued };
        const statement = deciding ? change.changeTask(queue.id, id, patch) : change.describeTask(queue.id, id, patch);
        const [changed] = await tx.any(statement);
        if (!changed) return null;
        if (changed.catalogued || labelled) await relabel(tx, queue.project_id, queue.id, { id, tags, categories });
        if (deciding) after(() => context.wakeups.wake(queue.id));
        return taskView(await tx.one(read.getTask(queue.project_id, queue.id, id)));
      });
    },
  });
}

/**
 * Reads a task, and again whenever it may have come to something, until it has ended, or has another progress than the
 * caller knows of. The place is taken before the first read, so that nothing happens between looking and waiting.
 */
async function waitForTask(context: EngineContext, params: Parameters<Engine["waitForTask"]>[0], call: Call) {
  const { reader, waiters } = context;
  const { projectId, queue } = await locate(context, params, call);
  const deadline = performance.now() + params.waitSeconds * 1000;
  const { id, progress: known } = params;
  const key = { projectId, queueId: queue.id };
  const place = waiters.enter({ id, queueId: queue.id, known });
  try {
    for (let task = await reader.ask(key, id); ; task = await reader.again(key, id)) {
      if (!task) throw notFound(id);
      const left = deadline - performance.now();
      const done = isFinished(task.state);
      const news = done || (known !== undefined && !isSameProgress(known, task.progress));
      if (news || left <= 0 || call.signal.aborted) return { task, done };
      await waiters.news(place, left, call.signal);
    }
  } finally {
    waiters.leave(place);
  }
}

/** The engine's part that reads and changes single tasks. */
export function singleTasks(context: EngineContext) {
  return {
    async getTask(params: InProject & { readonly id: string }, call: Call) {
      const { projectId, queue } = await locate(context, params, call);
      const task = await context.reader.ask({ projectId, queueId: queue.id }, params.id);
      if (!task) throw notFound(params.id);
      return task;
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
        const row = isFinished(found.state)
          ? await hide(db, queue, params.id, true)
          : await cancel(context, db, queue, params.id, null, true, after);
        return row ? { id: row.id, deletedAt: time(row.deleted_at!) } : null;
      }),
    restoreTask: (params: OfTask, call: Call) =>
      changeOne(context, "task.restore", params, call, async (db, queue, found, after) => {
        if (found.deleted_at === null) return { id: params.id, deletedAt: null };
        const restored = found.cancelled_by_delete
          ? await revive(context, db, queue, params.id, found, { delaySeconds: 0, restoring: true }, after)
          : await hide(db, queue, params.id, false);
        return restored ? { id: params.id, deletedAt: null } : null;
      }),
    waitForTask: (params: Parameters<Engine["waitForTask"]>[0], call: Call) => waitForTask(context, params, call),
  };
}
