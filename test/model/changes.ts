/** What people do to single tasks. */
import {
  type Expectation,
  invalid,
  type Operation,
  refusal,
  refuse,
  type Scene,
  stamp,
  unknownTask,
} from "./expectation.ts";
import { taskPattern } from "./reads.ts";
import { after, errorEntry, isUnfinished, type Task } from "./state.ts";
import { bytesOf } from "./work.ts";

const onTask = (scene: Scene, id: string, change: (task: Task) => Expectation): Expectation => {
  const task = scene.model.task(id);
  return task ? change(task) : { refusals: [unknownTask(id)] };
};

const wrongState = (task: Task) => refusal("wrong_state", { state: task.state });

export const cancel: Operation<"task.cancel"> = (scene, { id, reason }) =>
  onTask(scene, id, (task) => {
    if (!isUnfinished(task)) return { refusals: [wrongState(task)] };
    endAsCancelled(scene, task, reason);
    return { result: { id, state: "cancelled" } };
  });

function endAsCancelled({ model }: Scene, task: Task, reason?: string): void {
  const worker = task.lease?.worker ?? null;
  if (reason !== undefined)
    task.errors.push(errorEntry({ attempt: task.attempts, worker, message: reason, code: "cancelled" }));
  task.progress = "unknown";
  model.end(task, "cancelled");
}

export const retry: Operation<"task.retry"> = (scene, { id, delaySeconds = 0 }) =>
  onTask(scene, id, (task) => {
    if (isUnfinished(task) || task.deletedAt !== null) return { refusals: [wrongState(task)] };
    if (scene.model.keyTaken(task)) return refuse("conflict", { field: "dedupeKey" });
    scene.model.revive(task, after(delaySeconds));
    return { result: { id, state: "pending" } };
  });

export const remove: Operation<"task.delete"> = (scene, { id }) =>
  onTask(scene, id, (task) => {
    if (task.deletedAt === null) {
      task.cancelledByDelete = isUnfinished(task);
      if (task.cancelledByDelete) endAsCancelled(scene, task);
      task.deletedAt = after(0);
      task.version++;
    }
    return { result: { id, deletedAt: stamp(scene, task, "deletedAt") } };
  });

export const restore: Operation<"task.restore"> = (scene, { id }) =>
  onTask(scene, id, (task) => {
    if (task.deletedAt !== null && task.cancelledByDelete) {
      if (scene.model.keyTaken(task)) return refuse("conflict", { field: "dedupeKey" });
      scene.model.revive(task, after(0));
    } else if (task.deletedAt !== null) {
      task.deletedAt = null;
      task.version++;
    }
    return { result: { id, deletedAt: null } };
  });

export const update: Operation<"task.update"> = (scene, params) =>
  onTask(scene, params.id, (task) => {
    const { name, payload, priority, runAt, maxAttempts, description, dueAt, ownerId, tags } = params;
    const deciding = [name, payload, priority, runAt, maxAttempts].some((value) => value !== undefined);
    const { maxPayloadBytes: limitBytes } = task.queue;
    const refusals = [
      ...(payload && bytesOf(payload) > limitBytes ? [refusal("payload_too_large", { limitBytes })] : []),
      ...(task.deletedAt !== null || (deciding && task.state !== "waiting" && task.state !== "pending")
        ? [wrongState(task)]
        : []),
      // Attempts never pass the maximum, so one must be left to a task that is to run.
      ...(maxAttempts !== undefined && maxAttempts <= task.attempts ? [invalid("maxAttempts")] : []),
    ];
    if (refusals.length > 0) return { refusals };
    if (name !== undefined) task.name = name;
    if (payload !== undefined) task.payload = payload;
    if (typeof priority === "number") task.priority = priority;
    if (runAt !== undefined) task.runAt = Date.parse(runAt) * 1000;
    if (maxAttempts !== undefined) task.maxAttempts = maxAttempts;
    if (description !== undefined) task.description = description;
    if (dueAt !== undefined) task.dueAt = dueAt && new Date(dueAt).toISOString();
    if (ownerId !== undefined) task.ownerId = ownerId;
    if (tags !== undefined) task.tags = [...new Set(tags)];
    task.version++;
    return { result: taskPattern(scene, task) };
  });
