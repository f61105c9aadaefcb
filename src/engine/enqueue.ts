import { isUnavailable, violatedConstraint } from "../db/failure.ts";
import { type Db, NoConnection } from "../db/pool.ts";
import type { QueueRow } from "../domain/queue/queries.ts";
import { Refusal } from "../domain/refusals.ts";
import { addDependencies } from "../domain/task/queries/dependencies.ts";
import { isCatalogued, type TaskRow } from "../domain/task/queries/enqueue.ts";
import { isPlain } from "../domain/task/queries/enqueue-plain.ts";
import {
  type Added,
  addTasks,
  groupBy,
  markAwaited,
  QueueGone,
  settle,
  statesOf,
  type TaskKey,
} from "../domain/task/repository.ts";
import { shareOut } from "../lib/share-out.ts";
import { queueOf } from "../lib/uuid7.ts";
import type { ClaimDispatcher } from "./claim-dispatcher.ts";
import type { After, BatchLimits, EngineContext } from "./context.ts";
import type { Call, EnqueueParams, NewTask } from "./engine.ts";
import { addPlain } from "./enqueue-plain.ts";
import { GroupCommit } from "./group-commit.ts";
import { distinct, isLabelGone, prepareLabels, putInCatalogue, tagKeys } from "./labels.ts";
import { answered, orAnswered, type RequestKey, repeatable, repeatableAll, type Told } from "./repeatable.ts";

export const DEFAULT_PRIORITY = 5;
/** A queue deleted while tasks are added to it is made anew; more often than this it is somebody's loop. */
const TRIES = 10;

interface Placed {
  readonly queue: QueueRow;
  readonly task: NewTask;
  readonly payload: string;
}

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
    rows: placed.map(({ task, payload }) => taskRow(context.newId(queueId, at), task, payload)),
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
  const projectId = await context.directory.project(params.project ?? call.project);
  const request = { projectId, requestId: params.requestId, method, params: rest };
  return await orAnswered(context.hot, request, async () => {
    for (let tries = 1; ; tries++) {
      await refuseForeignDependencies(context, projectId, params.tasks);
      const first = await answeredBefore(context, request, params.tasks);
      if (first) return first;
      const placed = await place(context, projectId, params.tasks);
      await prepareLabels(context, projectId, params.tasks);
      try {
        return await addPlaced(context, pipe, placed, request);
      } catch (error) {
        const again = error instanceof QueueGone || isLabelGone(error) || violatedConstraint(error)?.endsWith("_pkey");
        if (!again) throw error;
        if (tries === TRIES) throw new Refusal("conflict", { field: isLabelGone(error) ? "tags" : "queue" });
        for (const { queue } of placed) context.directory.forget(projectId, queue.name);
      }
    }
  });
}

/** A repeat must not make a queue or a tag anew that was deleted since: it is answered before its tasks are placed. */
async function answeredBefore(
  context: EngineContext,
  request: RequestKey,
  tasks: readonly NewTask[],
): Promise<Added[] | undefined> {
  const { projectId, requestId } = request;
  if (requestId === undefined) return undefined;
  for (const { queue, tags } of tasks)
    if (tags?.length || !(await context.directory.find(projectId, queue)))
      return await answered<Added[]>(context.hot, { ...request, requestId });
  return undefined;
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
    return await repeatable(context.hot, request, (db, after) => add(context, db, placed, after));
  const told = await pipe.submit({ projectId: queue.project_id, queueId: queue.id }, { placed, request });
  if ("refusal" in told) throw told.refusal;
  return told.answer;
}

/** Adds tasks to one queue, and those of them that are new to the catalogue. In a transaction where there is need of one. */
async function addCatalogued(db: Db, queue: QueueRow, rows: readonly TaskRow[], at: number): Promise<Added[]> {
  const listed = rows.filter(isCatalogued);
  if (listed.length === 0) return await addTasks(db, queue.id, rows, at);
  return await db.transaction(async (tx) => {
    const added = await addTasks(tx, queue.id, rows, at);
    const fresh = new Set(added.filter(({ duplicate }) => !duplicate).map(({ id }) => id));
    await putInCatalogue(
      tx,
      queue.project_id,
      queue.id,
      listed.filter(({ id }) => fresh.has(id)),
    );
    return added;
  });
}

async function place(context: EngineContext, projectId: number, tasks: readonly NewTask[]): Promise<Placed[]> {
  const placed: Placed[] = [];
  for (const task of tasks) {
    const queue = await context.directory.queueForTask(projectId, task.queue);
    placed.push({ queue, task, payload: payloadText(task.payload ?? {}, queue.max_payload_bytes) });
  }
  return placed;
}

/** A payload as JSON text; refused when it is larger, in bytes of UTF-8, than its queue allows. */
export function payloadText(payload: object, limitBytes: number): string {
  const text = JSON.stringify(payload);
  if (text.length > limitBytes || (text.length * 3 > limitBytes && Buffer.byteLength(text) > limitBytes))
    throw new Refusal("payload_too_large", { limitBytes });
  return text;
}

async function add(context: EngineContext, db: Db, placed: readonly Placed[], after: After): Promise<Added[]> {
  const groups = groupBy([...placed.entries()], ([, { queue }]) => queue.id);
  const answers = new Array<Added>(placed.length);
  await db.transaction(async (tx) => {
    for (const group of groups.values()) {
      const some = group.map(([, one]) => one);
      const added = await addToQueue(context, tx, some, after);
      for (const [index, [at]] of group.entries()) answers[at] = added[index]!;
    }
  });
  return answers;
}

async function addToQueue(context: EngineContext, db: Db, placed: readonly Placed[], after: After): Promise<Added[]> {
  const [{ queue }] = placed as [Placed];
  const queueId = queue.id;
  const at = context.now();
  const rows = placed.map(({ task, payload }) => taskRow(context.newId(queueId, at), task, payload));
  const ended = await awaitOthers(db, placed);
  const added = await addCatalogued(db, queue, rows, at);
  after(() => context.wakeups.wake(queueId));
  if (!placed.some(({ task }) => task.dependsOn?.length)) return added;
  for (const [at, { task }] of placed.entries()) {
    const { id, duplicate } = added[at]!;
    if (task.dependsOn?.length && !duplicate) await db.query(addDependencies({ id, queueId }, keysOf(task.dependsOn)));
  }
  const settled = await settle(db, ended);
  after(() => {
    for (const queue of settled.woken) context.wakeups.wake(queue);
    for (const { id } of settled.ended) context.waiters.ended(id);
  });
  const states = await statesOf(
    db,
    queueId,
    added.map(({ id }) => id),
  );
  return added.map((one) => ({ ...one, state: states.get(one.id)?.state ?? one.state }));
}

/** Looked at before the transaction begins: inside it would take a second connection, and all could wait for one. */
async function refuseForeignDependencies(
  context: EngineContext,
  projectId: number,
  tasks: readonly NewTask[],
): Promise<void> {
  for (const id of new Set(tasks.flatMap((task) => task.dependsOn ?? [])))
    if (!(await context.directory.queueOfTask(projectId, queueOf(id))))
      throw new Refusal("not_found", { noun: "task", id });
}

/** Marks what the new tasks depend on; answers what has ended already. An unknown dependency is refused. */
async function awaitOthers(db: Db, placed: readonly Placed[]): Promise<TaskKey[]> {
  const on = keysOf(placed.flatMap(({ task }) => task.dependsOn ?? []).sort());
  if (on.length === 0) return [];
  const { ended, unknown } = await markAwaited(db, on);
  if (unknown !== null) throw new Refusal("not_found", { noun: "task", id: unknown });
  return ended;
}

const keysOf = (ids: readonly string[]): TaskKey[] => [...new Set(ids)].map((id) => ({ id, queueId: queueOf(id) }));

function taskRow(id: string, task: NewTask, payload: string): TaskRow {
  return {
    id,
    payload,
    name: task.name ?? null,
    priority: task.priority ?? DEFAULT_PRIORITY,
    runAt: task.runAt ?? null,
    delaySeconds: task.delaySeconds ?? 0,
    maxAttempts: task.maxAttempts ?? null,
    dueAt: task.dueAt ?? null,
    ownerId: task.ownerId ?? null,
    dedupeKey: task.dedupeKey ?? null,
    dedupeSeconds: task.dedupeSeconds ?? null,
    description: task.description ?? null,
    tags: tagKeys(task.tags),
    categories: distinct(task.categories),
    dependsOn: task.dependsOn?.length ? [...new Set(task.dependsOn)] : null,
    onDependencyFailure: task.onDependencyFailure ?? "cancel",
  };
}
