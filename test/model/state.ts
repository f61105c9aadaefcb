/**
 * What the model knows: tasks, queues, workers and receipts as api.md and section 4 of the design tell of them. Plain and
 * slow on purpose, and with no line of the service in it: it is the second opinion.
 */
import type { Json, JsonObject } from "../../src/lib/json.ts";
import type { Pattern } from "./pattern.ts";

export type State = "waiting" | "pending" | "claimed" | "completed" | "failed" | "cancelled";
export const UNFINISHED: readonly State[] = ["waiting", "pending", "claimed"];

/** A time in microseconds since 1970, or, until the database has been read, so many seconds after the call under way. */
export type Moment = number | { readonly from: number; readonly to: number };
export const after = (seconds: number): Moment => ({ from: seconds, to: seconds });

export interface Backoff {
  baseSeconds: number;
  factor: number;
  maxSeconds: number;
  jitter: boolean;
}

export interface Queue {
  readonly name: string;
  readonly backoff: Backoff;
  leaseSeconds: number;
  maxAttempts: number;
  maxPayloadBytes: number;
  description: string | null;
  paused: boolean;
  /** Who holds each dedupe key; `window` while it holds beyond its task's end. */
  readonly keys: Map<string, { holder: Task; readonly window: boolean }>;
}

export interface Lease {
  receipt: string;
  readonly worker: string | null;
  expiresAt: Moment;
  lapsed: boolean;
}

/** Progress is told for sure only of the lease that noted it. */
export type Progress = { readonly percent: number; readonly note: string | null } | null | "unknown";

export interface Task {
  /** Empty until the service has answered it. */
  id: string;
  readonly queue: Queue;
  state: State;
  name: string | null;
  payload: JsonObject;
  priority: number;
  runAt: Moment;
  added: Moment;
  finished: Moment | null;
  deletedAt: Moment | null;
  /** Deleting it cancelled it, so restoring it makes it pending. */
  cancelledByDelete: boolean;
  attempts: number;
  maxAttempts: number;
  readonly errors: Pattern[];
  result: Json;
  progress: Progress;
  readonly dedupeKey: string | null;
  description: string | null;
  dueAt: string | null;
  ownerId: string | null;
  tags: readonly string[];
  readonly dependsOn: readonly string[];
  /** Dependencies that have not ended. */
  readonly unmet: Set<Task>;
  readonly onDependencyFailure: "cancel" | "fail" | "run";
  lease: Lease | null;
  /** The receipt that completed it. */
  completedBy: string | null;
  /** Counts what may change a finished task's row. */
  version: number;
}

export interface Worker {
  claimed: number;
  completed: number;
  failed: number;
  readonly queues: Set<string>;
}

export interface Remembered {
  readonly method: string;
  readonly params: unknown;
  readonly answer: unknown;
}

export class Model {
  readonly queues = new Map<string, Queue>();
  /** Every task there is, the oldest first. */
  tasks: Task[] = [];
  /** Every task there ever was. */
  readonly everyTask: Task[] = [];
  readonly workers = new Map<string, Worker>();
  /** Every receipt ever given, and its task. */
  readonly receipts = new Map<string, Task>();
  readonly requests = new Map<string, Remembered>();

  task(id: string): Task | undefined {
    return this.tasks.find((task) => task.id === id);
  }

  tasksOf(queue: Queue): Task[] {
    return this.tasks.filter((task) => task.queue === queue);
  }

  leased(): Task[] {
    return this.tasks.filter((task) => task.lease !== null);
  }

  worker(id: string): Worker {
    const worker = this.workers.get(id) ?? { claimed: 0, completed: 0, failed: 0, queues: new Set() };
    this.workers.set(id, worker);
    return worker;
  }

  /** The unfinished task that holds a key, or the finished one whose window is open. */
  holder(queue: Queue, key: string): Task | null {
    const entry = queue.keys.get(key);
    return entry && (entry.window || isUnfinished(entry.holder)) ? entry.holder : null;
  }

  /** Ends a task and carries the end on to those that wait for it. */
  end(task: Task, state: "completed" | "failed" | "cancelled"): void {
    task.state = state;
    task.finished = after(0);
    task.lease = null;
    task.version++;
    this.settle(task, state === "completed");
  }

  settle(ended: Task, completed: boolean): void {
    for (const child of this.tasks) {
      if (!child.unmet.delete(ended) || child.state !== "waiting") continue;
      if (!completed && child.onDependencyFailure !== "run") this.endOfDependency(child);
      else if (child.unmet.size === 0) child.state = "pending";
    }
  }

  endOfDependency(child: Task): void {
    child.errors.push(errorEntry({ attempt: anyAttempt, worker: null, code: "dependency_failed" }));
    this.end(child, child.onDependencyFailure === "fail" ? "failed" : "cancelled");
  }

  /** Takes tasks away for good; those that waited for one that had not ended see it fail. */
  remove(gone: ReadonlySet<Task>): void {
    this.tasks = this.tasks.filter((task) => !gone.has(task));
    for (const task of gone) {
      for (const [key, { holder }] of task.queue.keys) if (holder === task) task.queue.keys.delete(key);
      if (isUnfinished(task)) this.settle(task, false);
      task.lease = null;
    }
  }

  /** Makes a finished task pending again, its key in hand. */
  revive(task: Task, runAt: Moment): void {
    if (task.dedupeKey !== null) {
      const window = task.queue.keys.get(task.dedupeKey)?.window ?? false;
      task.queue.keys.set(task.dedupeKey, { holder: task, window });
    }
    Object.assign(task, { state: "pending", runAt, finished: null, deletedAt: null, cancelledByDelete: false });
    Object.assign(task, { attempts: 0, result: null, progress: null, completedBy: null });
    task.version++;
  }

  /** Whether another unfinished task has this one's key. */
  keyTaken(task: Task): boolean {
    const holder = task.dedupeKey === null ? undefined : task.queue.keys.get(task.dedupeKey)?.holder;
    return holder !== undefined && holder !== task && isUnfinished(holder);
  }
}

export const isUnfinished = (task: Task): boolean => UNFINISHED.includes(task.state);

const anyAttempt = (actual: unknown) => (Number.isInteger(actual) ? null : "a number of attempts");

/** An entry of a task's errors. */
export function errorEntry(of: {
  readonly attempt: Pattern;
  readonly worker: string | null;
  readonly code: string | null;
  readonly message?: string;
  readonly data?: Json | undefined;
}): Pattern {
  const at = (actual: unknown) => (Number.isNaN(Date.parse(String(actual))) ? "a time" : null);
  const message = of.message ?? ((actual: unknown) => (typeof actual === "string" ? null : "a text"));
  return { ...of, at, message, data: of.data as Pattern | undefined };
}
