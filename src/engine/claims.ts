import type { Db } from "../db/pool.ts";
import type { QueueRow } from "../domain/queue/queries.ts";
import { Refusal } from "../domain/refusals.ts";
import { type ClaimedRow, claimNamedTasks, claimTasks } from "../domain/task/queries/claim.ts";
import { releaseTasks } from "../domain/task/queries/finish.ts";
import { parseReceipt } from "../domain/task/receipt.ts";
import { type ClaimedView, claimedView } from "../domain/task/views.ts";
import type { ClaimDispatcher } from "./claim-dispatcher.ts";
import type { EngineContext } from "./context.ts";
import type { Call, ClaimParams } from "./engine.ts";
import { answered, repeatable } from "./repeatable.ts";

const METHOD = "task.claim";

/** Raised to undo a recorded claim that found nothing, so that it may look again under the same requestId. */
class NothingFound extends Error {}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

const lineOf = (projectId: number, queue: string) => `${projectId}/${queue}`;

/** The claiming part of the engine. At most `waitersMax` claims wait at a time. */
export function claiming(context: EngineContext, dispatcher: ClaimDispatcher, waitersMax: number) {
  context.wakeups.listen((queueId) => {
    const queue = context.directory.known(queueId);
    if (queue) dispatcher.wake(lineOf(queue.project_id, queue.name));
  });

  return async function claim(params: ClaimParams, call: Call): Promise<ClaimedView[]> {
    const projectId = await context.directory.project(params.project ?? call.project);
    const { requestId } = params;
    if (requestId !== undefined) {
      const first = await answered<ClaimedView[]>(context.hot, { projectId, requestId, method: METHOD, params });
      if (first) return first;
    }
    const look = () => lookAtQueues(context, projectId, params, call.signal);
    const found = (await look()) ?? (await wait(dispatcher, waitersMax, projectId, params, call.signal, look));
    if (found) return found;
    // An empty answer is an answer too: a repeat must not take what the first call did not.
    if (requestId === undefined || call.signal.aborted) return [];
    return await repeatable<ClaimedView[]>(
      context.hot,
      { projectId, requestId, method: METHOD, params },
      async () => [],
    );
  };
}

async function wait(
  dispatcher: ClaimDispatcher,
  waitersMax: number,
  projectId: number,
  params: ClaimParams,
  signal: AbortSignal,
  look: () => Promise<ClaimedView[] | null>,
): Promise<ClaimedView[] | null> {
  if (params.waitSeconds === 0 || signal.aborted) return null;
  if (dispatcher.waiting >= waitersMax) throw new Refusal("overloaded", { retryAfterSeconds: 1 });
  return await dispatcher.wait({
    lines: params.queues.map((queue) => lineOf(projectId, queue)),
    filter: params.names ? JSON.stringify(params.names) : null,
    waitMs: params.waitSeconds * 1000,
    signal,
    look,
  });
}

/** Looks at each queue in turn. Takes nothing for a caller that has gone, and gives back what it took in that moment. */
async function lookAtQueues(
  context: EngineContext,
  projectId: number,
  params: ClaimParams,
  signal: AbortSignal,
): Promise<ClaimedView[] | null> {
  const { worker } = params;
  if (worker !== undefined) context.workers.note(projectId, worker, {});
  for (const name of params.queues) {
    if (signal.aborted) return null;
    const queue = await context.directory.find(projectId, name);
    const tasks = queue ? await take(context, queue, params) : [];
    if (!queue || tasks.length === 0) continue;
    // The news that the caller has hung up may have come while the statement ran, and is told in a turn of its own.
    await nextTurn();
    // A recorded claim is kept even so: its caller will ask for it again.
    if (signal.aborted && params.requestId === undefined) {
      await giveBack(context, queue, tasks);
      return null;
    }
    if (worker !== undefined) context.workers.note(projectId, worker, { queue: name, claimed: tasks.length });
    return tasks;
  }
  return null;
}

async function take(context: EngineContext, queue: QueueRow, params: ClaimParams): Promise<ClaimedView[]> {
  const { requestId } = params;
  if (requestId === undefined) return await context.hot.run((db) => takeFrom(db, queue, params));
  try {
    const key = { projectId: queue.project_id, requestId, method: METHOD, params };
    return await repeatable(context.hot, key, async (db) => {
      const tasks = await takeFrom(db, queue, params);
      if (tasks.length === 0) throw new NothingFound();
      return tasks;
    });
  } catch (error) {
    if (error instanceof NothingFound) return [];
    throw error;
  }
}

async function giveBack(context: EngineContext, queue: QueueRow, tasks: readonly ClaimedView[]): Promise<void> {
  const items = tasks.map(({ receipt }) => ({ ...parseReceipt(receipt)!, delaySeconds: null }));
  await context.hot.run((db) => db.any(releaseTasks(queue.id, items)));
  context.wakeups.wake(queue.id);
}

/** Claims in one statement and shows the tasks in their order: priority, then runAt, then id. */
async function takeFrom(db: Db, queue: QueueRow, params: ClaimParams): Promise<ClaimedView[]> {
  const args = {
    queueId: queue.id,
    limit: params.limit,
    leaseSeconds: params.leaseSeconds ?? null,
    worker: params.worker ?? null,
  };
  const rows = await db.any(params.names ? claimNamedTasks(args, params.names) : claimTasks(args));
  return [...rows].sort(byOrder).map((row) => claimedView(row, queue.name));
}

const byOrder = (a: ClaimedRow, b: ClaimedRow) =>
  a.priority - b.priority || a.run_at - b.run_at || (a.id < b.id ? -1 : 1);
