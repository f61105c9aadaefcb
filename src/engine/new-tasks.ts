import { violatedConstraint } from "../db/failure.ts";
import type { QueueRow } from "../domain/queue/queries.ts";
import { Refusal } from "../domain/refusals.ts";
import type { TaskRow } from "../domain/task/queries/enqueue.ts";
import { QueueGone } from "../domain/task/repository.ts";
import { isLongerThan } from "../lib/json-size.ts";
import { queueOf } from "../lib/uuid7.ts";
import type { EngineContext } from "./context.ts";
import type { Call, NewTask } from "./engine.ts";
import { distinct, isLabelGone, prepareLabels, tagKeys } from "./labels.ts";
import { answered, type RequestKey } from "./repeatable.ts";

export const DEFAULT_PRIORITY = 5;
/** A queue deleted while tasks are added to it is made anew; more often than this it is somebody's loop. */
const TRIES = 10;

/** A new task with the queue it goes to. */
export interface Placed<T extends NewTask = NewTask> {
  readonly queue: QueueRow;
  readonly task: T;
  /** JSON text. */
  readonly payload: string;
}

/**
 * Finds, or makes, the queues and tags of new tasks, and adds the tasks; all over again where one of these goes in that
 * moment. A repeat is answered before: it must not make a queue or a tag anew that was deleted since.
 */
export async function placeAndAdd<T extends NewTask, A>(
  context: EngineContext,
  request: RequestKey,
  by: Call,
  tasks: readonly T[],
  add: (placed: readonly Placed<T>[]) => Promise<A>,
): Promise<A> {
  const { projectId } = request;
  for (let tries = 1; ; tries++) {
    await refuseForeignDependencies(context, projectId, by, tasks);
    const first = await answeredBefore<A>(context, request, tasks);
    if (first !== undefined) return first;
    const placed = await place(context, projectId, tasks);
    await prepareLabels(context, projectId, tasks);
    try {
      return await add(placed);
    } catch (error) {
      const again = error instanceof QueueGone || isLabelGone(error) || violatedConstraint(error)?.endsWith("_pkey");
      if (!again) throw error;
      if (tries === TRIES) throw new Refusal("conflict", { field: isLabelGone(error) ? "tags" : "queue" });
      for (const { queue } of placed) context.directory.forget(projectId, queue.name);
    }
  }
}

async function answeredBefore<A>(
  context: EngineContext,
  request: RequestKey,
  tasks: readonly NewTask[],
): Promise<A | undefined> {
  const { projectId, requestId } = request;
  if (requestId === undefined) return undefined;
  for (const { queue, tags } of tasks)
    if (tags?.length || !(await context.directory.find(projectId, queue)))
      return await answered<A>(context.hot, { ...request, requestId });
  return undefined;
}

/** Looked at before the transaction begins: inside it would take a second connection, and all could wait for one. */
async function refuseForeignDependencies(
  context: EngineContext,
  projectId: number,
  by: Call,
  tasks: readonly NewTask[],
): Promise<void> {
  for (const id of new Set(tasks.flatMap((task) => task.dependsOn ?? [])))
    if (!(await context.directory.queueOfTask(projectId, queueOf(id), by)))
      throw new Refusal("not_found", { noun: "task", id });
}

async function place<T extends NewTask>(
  context: EngineContext,
  projectId: number,
  tasks: readonly T[],
): Promise<Placed<T>[]> {
  const placed: Placed<T>[] = [];
  for (const task of tasks) {
    const queue = await context.directory.queueForTask(projectId, task.queue);
    placed.push({ queue, task, payload: payloadText(task.payload ?? {}, queue.max_payload_bytes) });
  }
  return placed;
}

/** A payload as JSON text; refused when it is larger, in bytes of UTF-8 and with its numbers' digits, than its queue allows. */
export function payloadText(payload: object, limitBytes: number): string {
  const text = JSON.stringify(payload);
  if (isLongerThan(text, limitBytes)) throw new Refusal("payload_too_large", { limitBytes });
  return text;
}

/** A new task as the statements take it; without dependencies, and nobody's. */
export function taskRow(id: string, { task, payload }: Pick<Placed, "task" | "payload">): TaskRow {
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
    dependsOn: null,
    unmet: 0,
    awaited: false,
    workflow: null,
    onDependencyFailure: task.onDependencyFailure ?? "cancel",
  };
}
