import { isUnavailable } from "../db/failure.ts";
import { type Db, NoConnection } from "../db/pool.ts";
import { isPlain } from "../domain/task/queries/enqueue-plain.ts";
import { type Added, QueueGone } from "../domain/task/repository.ts";
import { shareOut } from "../lib/share-out.ts";
import { addCatalogued, addNodes, endFailed } from "./add-tasks.ts";
import type { ClaimDispatcher } from "./claim-dispatcher.ts";
import type { After, BatchLimits, EngineContext } from "./context.ts";
import type { Call, EnqueueParams } from "./engine.ts";
import { addPlain } from "./enqueue-plain.ts";
import { GroupCommit } from "./group-commit.ts";
import { owned } from "./members.ts";
import { type Placed, placeAndAdd, taskRow } from "./new-tasks.ts";
import { orAnswered, type RequestKey, repeatable, repeatableAll, type Told } from "./repeatable.ts";

/** One call's tasks for one queue, as a member of that queue's batch. */
interface Part {
  readonly placed: readonly Placed[];
  readonly request: RequestKey;
}

/** Most tasks of a batch, about. */
const BATCH_MAX = 1_000;
/** So much payload, in UTF-16 units, weighs as much as a task of its own: a batch of large ones holds few. */
const PAYLOAD_OF_A_TASK = 4_096;

/** The enqueueing part of the engine: calls on the same queue share a statement, each answered after it has committed. */
export function enqueueing(context: EngineContext, dispatcher: ClaimDispatcher, limits: BatchLimits) {
  const pipe = new GroupCommit<Part, Told<Added[]>>({
    ...limits,
    weight: ({ placed }) => placed.reduce((sum, { payload }) => sum + 1 + payload.length / PAYLOAD_OF_A_TASK, 0),
    weightMax: BATCH_MAX,
    mayBeOnes: (error) => !isUnavailable(error) && !(error instanceof NoConnection) && !(error instanceof QueueGone),
    run: (queueId, parts) => addParts(context, dispatcher, queueId, parts),
  });
  return (params: EnqueueParams, call: Call) => enqueue(context, pipe, params, call);
}

/** Adds one batch: the tasks of several calls on one queue. */
async function addParts(
  context: EngineContext,
  dispatcher: ClaimDispatcher,
  queueId: number,
  parts: readonly Part[],
): Promise<Told<Added[]>[]> {
  const { queue } = parts[0]!.placed[0]!;
  const at = context.now();
  const calls = parts.map(({ request, placed }) => ({
    request,
    rows: placed.map((one) => taskRow(context.newId(queueId, at), one)),
  }));
  if (calls.every(({ rows }) => rows.every(isPlain))) return await addPlain(context, dispatcher, queue, calls, at);
  return await repeatableAll(context.hot, calls, async (db, due, after) => {
    const rows = due.flatMap((call) => call.rows);
    if (rows.length === 0) return due.map(() => []);
    const added = await addCatalogued(db, queue, rows, at);
    // A task made for an earlier time lies before those that were claimed last.
    const stirred = rows.some(({ runAt }) => runAt !== null);
    after(() => context.wakeups.wake(queueId, { stirred }));
    return shareOut(
      added,
      due.map((call) => call.rows.length),
    );
  });
}

/** Adds tasks, all or none. Answers them in order. */
async function enqueue(
  context: EngineContext,
  pipe: GroupCommit<Part, Told<Added[]>>,
  params: EnqueueParams,
  call: Call,
): Promise<Added[]> {
  const { method, ...rest } = params;
  const tasks = owned(params.tasks, call, method === "task.enqueue" ? () => "" : undefined);
  const projectId = await context.directory.projectOf(params, call);
  const request = { projectId, requestId: params.requestId, method, params: rest };
  return await orAnswered(context.hot, request, () =>
    placeAndAdd(context, request, call, tasks, (placed) => addPlaced(context, pipe, placed, request)),
  );
}

async function addPlaced(
  context: EngineContext,
  pipe: GroupCommit<Part, Told<Added[]>>,
  placed: readonly Placed[],
  request: RequestKey,
): Promise<Added[]> {
  const [{ queue }] = placed as [Placed];
  // Several queues or dependencies need a transaction of their own to be all or nothing.
  if (placed.some((one) => one.queue.id !== queue.id || one.task.dependsOn?.length))
    return await repeatable(context.hot, request, (db, after) => addTogether(context, db, placed, after));
  const told = await pipe.submit({ projectId: queue.project_id, queueId: queue.id }, { placed, request });
  if ("refusal" in told) throw told.refusal;
  return told.answer;
}

async function addTogether(context: EngineContext, db: Db, placed: readonly Placed[], after: After): Promise<Added[]> {
  const at = context.now();
  const nodes = placed.map((one) => ({
    ...one,
    id: context.newId(one.queue.id, at),
    dependsOn: [...new Set(one.task.dependsOn)],
    workflow: null,
  }));
  return await db.transaction(async (tx) => {
    const grown = await addNodes(context, tx, nodes, at, after);
    return [...(await endFailed(context, tx, grown, after))];
  });
}
