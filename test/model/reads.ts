/** What can be seen of tasks and workers. */
import type { Contract } from "../../src/rpc/methods/index.ts";
import { iso, type Operation, refuse, type Scene, stamp, unknownQueue, unknownTask } from "./expectation.ts";
import { anyTime, anything, type Pattern } from "./pattern.ts";
import { isUnfinished, type Moment, type Task } from "./state.ts";

/** A task as task.get shows it. */
export function taskPattern(scene: Scene, task: Task): Pattern {
  return {
    id: task.id,
    queue: task.queue.name,
    project: "default",
    state: task.state,
    name: task.name,
    payload: task.payload as Pattern,
    priority: task.priority,
    runAt: stamp(scene, task, "runAt"),
    added: stamp(scene, task, "added"),
    updated: anyTime,
    finished: task.finished === null ? null : stamp(scene, task, "finished"),
    attempts: task.attempts,
    maxAttempts: task.maxAttempts,
    // A copy: what is added later was not there when this was answered.
    errors: [...task.errors],
    result: task.result as Pattern,
    progress: task.progress === "unknown" ? anything : task.progress,
    dedupeKey: task.dedupeKey,
    description: task.description,
    dueAt: task.dueAt,
    ownerId: task.ownerId,
    tags: task.tags,
    categories: [],
    dependsOn: task.dependsOn,
    worker: task.lease?.worker ?? null,
    leaseExpiresAt: task.lease === null ? null : stamp(scene, task, "leaseExpiresAt"),
    deletedAt: task.deletedAt === null ? null : stamp(scene, task, "deletedAt"),
  };
}

export const get: Operation<"task.get"> = (scene, { id }) => {
  const task = scene.model.task(id);
  return task ? { result: taskPattern(scene, task) } : { refusals: [unknownTask(id)] };
};

export const wait: Operation<"task.wait"> = (scene, { id }) => {
  const task = scene.model.task(id);
  if (!task) return { refusals: [unknownTask(id)] };
  return { result: { task: taskPattern(scene, task), done: !isUnfinished(task) } };
};

type Filter = Contract["task.count"]["params"];

function fits(task: Task, { queue, states, names, priority, ownerId, deleted = false, payload }: Filter): boolean {
  return (
    task.queue.name === queue &&
    (states === undefined || states.includes(task.state)) &&
    (names === undefined || (task.name !== null && names.includes(task.name))) &&
    (priority === undefined || task.priority === priority) &&
    (ownerId === undefined || task.ownerId === ownerId) &&
    // Only asked for one member with a plain value.
    (payload === undefined || Object.entries(payload).every(([key, value]) => task.payload[key] === value)) &&
    (task.deletedAt !== null) === deleted
  );
}

const EVER = Number.MAX_SAFE_INTEGER;
const micros = (moment: Moment | null) => (typeof moment === "number" ? moment : null);

/** Tasks without the value come last, either way. */
const SORTS: Record<string, { readonly key: (task: Task) => number; readonly descending: boolean }> = {
  added: { key: (task) => micros(task.added) ?? 0, descending: false },
  "-added": { key: (task) => micros(task.added) ?? 0, descending: true },
  finished: { key: (task) => micros(task.finished) ?? EVER, descending: false },
  "-finished": { key: (task) => micros(task.finished) ?? -EVER, descending: true },
  dueAt: { key: (task) => (task.dueAt === null ? EVER : Date.parse(task.dueAt)), descending: false },
  priority: { key: (task) => task.priority, descending: false },
};

/** Everything a list's pages hold together, in order. */
export function listed(scene: Scene, params: Contract["task.list"]["params"]): Pattern[] {
  const { key, descending } = SORTS[params.sort ?? "-added"]!;
  const sign = descending ? -1 : 1;
  return scene.model.tasks
    .filter((task) => fits(task, params))
    .sort((a, b) => sign * (key(a) - key(b) || (a.id < b.id ? -1 : 1)))
    .map((task) => taskPattern(scene, task));
}

/** The first page; the pages after it are followed by whoever runs the call. */
export const list: Operation<"task.list"> = (scene, params) => {
  if (!scene.model.queues.has(params.queue!)) return { refusals: [unknownQueue(params.queue!)] };
  const all = listed(scene, params);
  const { limit = 100 } = params;
  return { result: { tasks: all.slice(0, limit), nextCursor: all.length > limit ? anything : null } };
};

export const count: Operation<"task.count"> = ({ model }, params) => {
  if (!model.queues.has(params.queue!)) return { refusals: [unknownQueue(params.queue!)] };
  return { result: { count: model.tasks.filter((task) => fits(task, params)).length, exact: true } };
};

export const getWorker: Operation<"worker.get"> = ({ model }, { id }) => {
  const worker = model.workers.get(id);
  if (!worker) return refuse("not_found", { noun: "worker", id });
  const { claimed, completed, failed, queues } = worker;
  const named = (actual: unknown) =>
    Array.isArray(actual) && [...queues].every((queue) => actual.includes(queue)) ? null : [...queues].join();
  return { result: { id, queues: named, lastSeen: anyTime, claimed, completed, failed } };
};

export { iso };
