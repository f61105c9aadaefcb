/** A task's way through the hands of producers and workers: enqueue, claim, and what ends or keeps a claim. */
import type { JsonObject } from "../../src/lib/json.ts";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { newId, newReceipt, type Operation, refusal, type Scene, stamp, unknownTask } from "./expectation.ts";
import type { Pattern } from "./pattern.ts";
import { after, isUnfinished, type Moment, type Queue, type Task } from "./state.ts";

type NewTask = Contract["task.enqueueMany"]["params"]["tasks"][number];

/** By the service's own idea of the database's clock, in milliseconds: it is allowed to be a little off. */
const ADDED: Moment = { from: -0.05, to: 0.05 };

/** The policy of a queue that its first task made. The back-off is the implementer's choice, within its hour. */
export function queueForTask({ model }: Scene, name: string): Queue {
  const backoff = { baseSeconds: 0, factor: 1, maxSeconds: 3600, jitter: true };
  const made: Queue = {
    name,
    backoff,
    leaseSeconds: 30,
    maxAttempts: 5,
    maxPayloadBytes: 262_144,
    description: null,
    paused: false,
    keys: new Map(),
  };
  const queue = model.queues.get(name) ?? made;
  model.queues.set(name, queue);
  return queue;
}

const PRIORITY = { high: 2, medium: 5, low: 8 };

function newTask(queue: Queue, given: NewTask): Task {
  const { priority = 5, runAt, delaySeconds = 0, dependsOn = [], tags = [] } = given;
  return {
    id: "",
    queue,
    state: "pending",
    name: given.name ?? null,
    payload: given.payload ?? {},
    priority: typeof priority === "number" ? priority : PRIORITY[priority],
    runAt: runAt === undefined ? after(delaySeconds) : Date.parse(runAt) * 1000,
    added: ADDED,
    finished: null,
    deletedAt: null,
    cancelledByDelete: false,
    attempts: 0,
    maxAttempts: given.maxAttempts ?? queue.maxAttempts,
    errors: [],
    result: null,
    progress: null,
    dedupeKey: given.dedupeKey ?? null,
    description: given.description ?? null,
    dueAt: given.dueAt === undefined ? null : new Date(given.dueAt).toISOString(),
    ownerId: given.ownerId ?? null,
    tags: [...new Set(tags)],
    dependsOn: [...new Set(dependsOn)],
    unmet: new Set(),
    onDependencyFailure: given.onDependencyFailure ?? "cancel",
    lease: null,
    completedBy: null,
    version: 0,
  };
}

export const bytesOf = (payload: JsonObject): number => Buffer.byteLength(JSON.stringify(payload));

/** Adds tasks, all or none: what stands against any of them is told before any is added. */
function add(scene: Scene, placed: readonly { readonly queue: string; readonly task: NewTask }[]) {
  const { model } = scene;
  const refusals = placed.flatMap(({ queue, task }) => {
    const limitBytes = model.queues.get(queue)?.maxPayloadBytes ?? 262_144;
    const tooLarge = bytesOf(task.payload ?? {}) > limitBytes ? [refusal("payload_too_large", { limitBytes })] : [];
    return [...tooLarge, ...(task.dependsOn ?? []).filter((id) => !model.task(id)).map(unknownTask)];
  });
  if (refusals.length > 0) return { refusals };
  const firstOfKey = new Map<string, Task>();
  const answers = placed.map(({ queue, task }) => addOne(scene, queueForTask(scene, queue), task, firstOfKey));
  // States as they are when all are added.
  return { patterns: answers.map((answer) => answer()) };
}

/** Adds one task unless its key is held; within one call, the first task with a key counts as unfinished. */
function addOne(scene: Scene, queue: Queue, given: NewTask, firstOfKey: Map<string, Task>): () => Pattern {
  const { model } = scene;
  const { dedupeKey: key, dedupeSeconds = 0 } = given;
  const holder = key === undefined ? null : (firstOfKey.get(`${queue.name} ${key}`) ?? model.holder(queue, key));
  if (holder)
    return () => ({ id: holder.id === "" ? sameId(holder) : holder.id, state: holder.state, duplicate: true });
  const task = newTask(queue, given);
  model.tasks.push(task);
  model.everyTask.push(task);
  if (key !== undefined) {
    queue.keys.set(key, { holder: task, window: dedupeSeconds > 0 });
    firstOfKey.set(`${queue.name} ${key}`, task);
  }
  const parents = task.dependsOn.map((id) => model.task(id)!);
  for (const parent of parents) if (isUnfinished(parent)) task.unmet.add(parent);
  const failed = parents.some((parent) => !isUnfinished(parent) && parent.state !== "completed");
  if (failed && task.onDependencyFailure !== "run") model.endOfDependency(task);
  else if (task.unmet.size > 0) task.state = "waiting";
  return () => ({ id: newId(scene, task), state: task.state, duplicate: false });
}

/** The id that an earlier entry of the same answer was given. */
const sameId = (task: Task) => (actual: unknown) => (actual === task.id ? null : task.id);

export const enqueue: Operation<"task.enqueue"> = (scene, { queue, requestId: _, project: __, ...task }) => {
  const { refusals, patterns } = add(scene, [{ queue, task }]);
  return refusals ? { refusals } : { result: patterns[0]! };
};

export const enqueueMany: Operation<"task.enqueueMany"> = (scene, { queue, tasks }) => {
  const { refusals, patterns } = add(
    scene,
    tasks.map((task) => ({ queue: (task.queue ?? queue)!, task })),
  );
  return refusals ? { refusals } : { result: { tasks: patterns } };
};

/** A moment that the database has told. */
export function exact(moment: Moment): number {
  if (typeof moment !== "number") throw new Error("The moment has not been read yet.");
  return moment;
}

const byKey = (key: (task: Task) => readonly (number | string)[]) => (a: Task, b: Task) => {
  const [left, right] = [key(a), key(b)];
  const at = left.findIndex((part, index) => part !== right[index]);
  return at === -1 ? 0 : left[at]! < right[at]! ? -1 : 1;
};

export function isDue(task: Task, now: number): boolean {
  return task.state === "pending" && exact(task.runAt) <= now;
}

export const claim: Operation<"task.claim"> = (scene, params) => {
  const { queue, queues = [queue!], names, limit = 1, leaseSeconds, worker = null } = params;
  const { model } = scene;
  // It appears by claiming, also where there was nothing.
  if (worker !== null) model.worker(worker);
  for (const name of queues) {
    const queue = model.queues.get(name);
    if (!queue || queue.paused) continue;
    const due = model
      .tasksOf(queue)
      .filter((task) => isDue(task, scene.readings().window(0).from))
      .filter((task) => names === undefined || (task.name !== null && names.includes(task.name)));
    const first = due.sort(byKey((task) => [task.priority, exact(task.runAt), task.id])).slice(0, limit);
    if (first.length === 0) continue;
    const shown = first.sort(byKey((task) => [task.priority, Math.floor(exact(task.runAt) / 1000), task.id]));
    if (worker !== null) {
      model.worker(worker).claimed += first.length;
      model.worker(worker).queues.add(name);
    }
    return { result: { tasks: shown.map((task) => handOut(scene, task, worker, leaseSeconds)) } };
  }
  return { result: { tasks: [] } };
};

/** The results of the tasks it depends on; null of those that did not complete, or are gone. */
const inputsOf = ({ model }: Scene, { dependsOn }: Task): Pattern =>
  Object.fromEntries(
    dependsOn.map((id) => {
      const on = model.task(id);
      return [id, on?.state === "completed" ? (on.result as Pattern) : null];
    }),
  );

function handOut(scene: Scene, task: Task, worker: string | null, leaseSeconds: number | undefined): Pattern {
  const expiresAt = after(leaseSeconds ?? task.queue.leaseSeconds);
  task.state = "claimed";
  task.attempts++;
  // Whether an earlier attempt's progress is still shown is not said.
  if (task.progress !== null) task.progress = "unknown";
  task.lease = { receipt: "", worker, expiresAt, lapsed: false };
  return {
    id: task.id,
    queue: task.queue.name,
    name: task.name,
    payload: task.payload as Pattern,
    priority: task.priority,
    attempt: task.attempts,
    maxAttempts: task.maxAttempts,
    receipt: newReceipt(scene, task),
    leaseExpiresAt: stamp(scene, task, "leaseExpiresAt"),
    added: stamp(scene, task, "added"),
    tags: task.tags,
    dependsOn: task.dependsOn,
    inputs: inputsOf(scene, task),
  };
}
