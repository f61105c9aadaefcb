/** What can be done with queues. */
import type { Contract } from "../../src/rpc/methods/index.ts";
import { type Expectation, type Operation, refuse, type Scene, unknownQueue } from "./expectation.ts";
import { anyNumber, anyTime, type Pattern } from "./pattern.ts";
import { after, isUnfinished, type Queue } from "./state.ts";
import { isDue, queueForTask } from "./work.ts";

function queuePattern(queue: Queue): Pattern {
  const { name, description, leaseSeconds, maxAttempts, maxPayloadBytes, paused, backoff } = queue;
  const known: Pattern = backoff.jitter ? () => null : { ...backoff };
  return {
    id: anyNumber,
    project: "default",
    name,
    description,
    leaseSeconds,
    maxAttempts,
    backoff: known,
    retention: () => null,
    maxPayloadBytes,
    paused,
    added: anyTime,
    updated: anyTime,
  };
}

const onQueue = ({ model }: Scene, name: string, work: (queue: Queue) => Expectation): Expectation => {
  const queue = model.queues.get(name);
  return queue ? work(queue) : { refusals: [unknownQueue(name)] };
};

type Policy = Contract["queue.update"]["params"];

function setPolicy(queue: Queue, { leaseSeconds, maxAttempts, maxPayloadBytes, description, backoff }: Policy): void {
  if (leaseSeconds !== undefined) queue.leaseSeconds = leaseSeconds;
  if (maxAttempts !== undefined) queue.maxAttempts = maxAttempts;
  if (maxPayloadBytes !== undefined) queue.maxPayloadBytes = maxPayloadBytes;
  if (description !== undefined) queue.description = description;
  Object.assign(queue.backoff, backoff);
}

export const create: Operation<"queue.create"> = (scene, params) => {
  if (scene.model.queues.has(params.name)) return refuse("conflict", { field: "name" });
  const queue = queueForTask(scene, params.name);
  setPolicy(queue, params);
  return { result: queuePattern(queue) };
};

export const update: Operation<"queue.update"> = (scene, params) =>
  onQueue(scene, params.name, (queue) => {
    setPolicy(queue, params);
    return { result: queuePattern(queue) };
  });

export const get: Operation<"queue.get"> = (scene, { name }) =>
  onQueue(scene, name, (queue) => ({ result: queuePattern(queue) }));

const setPaused =
  (paused: boolean) =>
  (scene: Scene, { name }: { readonly name: string }): Expectation =>
    onQueue(scene, name, (queue) => {
      queue.paused = paused;
      return { result: queuePattern(queue) };
    });
export const pause = setPaused(true);
export const resume = setPaused(false);

/** Takes away what was in these states when the call came, so not what only gets there because of it. */
export const purge: Operation<"queue.purge"> = (scene, { name, states = ["pending", "waiting"] }) =>
  onQueue(scene, name, (queue) => {
    const gone = new Set(scene.model.tasksOf(queue).filter((task) => states.includes(task.state)));
    scene.model.remove(gone);
    return { result: { purged: gone.size } };
  });

/** The oldest first; a task whose key another unfinished one holds by then stays. */
export const redrive: Operation<"queue.redrive"> = (scene, params) =>
  onQueue(scene, params.name, (queue) => {
    const { state = "failed", names, limit = Number.POSITIVE_INFINITY } = params;
    let moved = 0;
    for (const task of scene.model.tasksOf(queue)) {
      if (moved >= limit || task.state !== state || task.deletedAt !== null || scene.model.keyTaken(task)) continue;
      if (names && !(task.name !== null && names.includes(task.name))) continue;
      scene.model.revive(task, after(0));
      moved++;
    }
    return { result: { moved } };
  });

export const remove: Operation<"queue.delete"> = (scene, { name, force = false }) =>
  onQueue(scene, name, (queue) => {
    const tasks = scene.model.tasksOf(queue);
    if (!force && tasks.some(isUnfinished)) return refuse("conflict", { field: "tasks" });
    scene.model.remove(new Set(tasks));
    scene.model.queues.delete(name);
    return { result: { name } };
  });

export const stats: Operation<"queue.stats"> = (scene, { name }) =>
  onQueue(scene, name!, (queue) => {
    // A deleted task counts no more.
    const tasks = scene.model.tasksOf(queue).filter((task) => task.deletedAt === null);
    const inState = (state: string) => tasks.filter((task) => task.state === state).length;
    const due = tasks.filter((task) => isDue(task, scene.readings().window(0).from)).length;
    return {
      result: {
        queue: queue.name,
        waiting: inState("waiting"),
        pending: due,
        delayed: inState("pending") - due,
        claimed: inState("claimed"),
        completed: inState("completed"),
        failed: inState("failed"),
        cancelled: inState("cancelled"),
        oldestReadySeconds: due === 0 ? null : anyNumber,
        enqueuedPerSecond: anyNumber,
        completedPerSecond: anyNumber,
      },
    };
  });
