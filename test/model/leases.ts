/** What a worker says of tasks that it holds, each by its receipt. */
import {
  type Expectation,
  type Operation,
  type RefusalPattern,
  refusal,
  type Scene,
  stamp,
  unknownTask,
} from "./expectation.ts";
import { anything, type Pattern } from "./pattern.ts";
import { after, errorEntry, type Lease, type Model, type Moment, type Task } from "./state.ts";

type Held = Task & { lease: Lease };
type One = { readonly answer: Pattern } | { readonly refused: RefusalPattern };

/** The task whose current lease a receipt names, or null. */
function holds(model: Model, receipt: string): Held | null {
  const task = model.receipts.get(receipt);
  return task?.lease?.receipt === receipt ? (task as Held) : null;
}

/**
 * Carries a move out for each receipt that is current, and only then tells the others what became of their task: the
 * receipts of one call are handled together.
 */
function each<I extends { readonly receipt: string }>(
  { model }: Scene,
  items: readonly I[],
  move: (task: Held, item: I) => Pattern,
  stale: (task: Task, receipt: string) => Pattern | null = () => null,
): One[] {
  const moved = items.map((item) => {
    const task = holds(model, item.receipt);
    return task && { answer: move(task, item) };
  });
  return items.map((item, at) => {
    const task = model.receipts.get(item.receipt)!;
    if (moved[at]) return moved[at];
    if (!model.tasks.includes(task)) return { refused: unknownTask(task.id) };
    const again = stale(task, item.receipt);
    return again === null ? { refused: refusal("lease_lost", { state: task.state }) } : { answer: again };
  });
}

const single = ([one]: readonly One[]): Expectation =>
  "answer" in one! ? { result: one.answer } : { refusals: [one!.refused] };

const many = (ones: readonly One[]): Expectation => ({
  result: {
    items: ones.map((one) =>
      "answer" in one
        ? { ok: true, ...(one.answer as Record<string, Pattern>) }
        : {
            ok: false,
            error: { ...one.refused, message: (text: unknown) => (typeof text === "string" ? null : "a text") },
          },
    ),
  },
});

type Completion = { readonly receipt: string; readonly result?: unknown };
type Failure = {
  readonly receipt: string;
  readonly error: { readonly message: string; readonly code?: string | null | undefined; readonly data?: unknown };
  readonly retry?: boolean | undefined;
  readonly delaySeconds?: number | undefined;
};

const completeEach = (scene: Scene, items: readonly Completion[]): One[] =>
  each(
    scene,
    items,
    (task, { receipt, result }) => {
      count(scene.model, task, "completed");
      task.result = (result ?? null) as Task["result"];
      task.completedBy = receipt;
      scene.model.end(task, "completed");
      return { id: task.id, state: "completed" };
    },
    // The same call come again, its answer lost on the way.
    (task, receipt) =>
      task.state === "completed" && task.completedBy === receipt ? { id: task.id, state: "completed" } : null,
  );

function count(model: Model, { lease }: Held, what: "completed" | "failed"): void {
  if (lease.worker !== null) model.worker(lease.worker)[what]++;
}

/** When a task runs again after its nth attempt failed. */
function backoff({ queue, attempts }: Task): Moment {
  const { baseSeconds, factor, maxSeconds, jitter } = queue.backoff;
  const most = Math.min(maxSeconds, jitter ? maxSeconds : baseSeconds * factor ** (attempts - 1));
  return { from: jitter ? 0 : most, to: most };
}

/** Ends an attempt without success: dead when no attempt is left or the worker said so, else pending at `runAt`. */
function endAttempt(model: Model, task: Held, entry: Pattern, dead: boolean, runAt: Moment): void {
  count(model, task, "failed");
  task.errors.push(entry);
  if (dead || task.attempts >= task.maxAttempts) model.end(task, "failed");
  else Object.assign(task, { state: "pending", lease: null, runAt });
}

const failEach = (scene: Scene, items: readonly Failure[]): One[] =>
  each(scene, items, (task, { error, retry = true, delaySeconds }) => {
    const { message, code = null, data } = error;
    const entry = errorEntry({
      attempt: task.attempts,
      worker: task.lease.worker,
      message,
      code,
      data: data as never,
    });
    endAttempt(scene.model, task, entry, !retry, delaySeconds === undefined ? backoff(task) : after(delaySeconds));
    return { id: task.id, state: task.state, runAt: task.state === "failed" ? null : stamp(scene, task, "runAt") };
  });

export const complete: Operation<"task.complete"> = (scene, params) => single(completeEach(scene, [params]));
export const completeMany: Operation<"task.completeMany"> = (scene, { items }) => many(completeEach(scene, items));
export const fail: Operation<"task.fail"> = (scene, params) => single(failEach(scene, [params]));
export const failMany: Operation<"task.failMany"> = (scene, { items }) => many(failEach(scene, items));

export const release: Operation<"task.release"> = (scene, params) =>
  single(
    each(scene, [params], (task) => {
      // The attempt is given back.
      task.attempts--;
      task.progress = "unknown";
      Object.assign(task, { state: "pending", lease: null, runAt: after(params.delaySeconds ?? 0) });
      return { id: task.id, state: "pending", runAt: stamp(scene, task, "runAt") };
    }),
  );

export const extend: Operation<"task.extend"> = (scene, { receipts, leaseSeconds, progress }) => {
  const items = receipts.map((receipt) => ({ receipt }));
  return many(
    each(scene, items, (task) => {
      task.lease.expiresAt = after(leaseSeconds ?? task.queue.leaseSeconds);
      task.lease.lapsed = false;
      if (progress) task.progress = { percent: progress.percent, note: progress.note ?? null };
      return {
        id: task.id,
        leaseExpiresAt: stamp(scene, task, "leaseExpiresAt"),
        progress: task.progress === "unknown" ? anything : task.progress,
      };
    }),
  );
};

export const progress: Operation<"task.progress"> = (scene, params) =>
  single(
    each(scene, [params], (task, { percent, note = null }) => {
      task.progress = { percent, note };
      return { id: task.id };
    }),
  );

/** Upkeep has looked: the leases that ran out are gone. */
export function expire(model: Model): void {
  for (const task of model.leased()) {
    if (!task.lease!.lapsed) continue;
    const held = task as Held;
    const entry = errorEntry({ attempt: task.attempts, worker: held.lease.worker, code: "lease_expired" });
    endAttempt(model, held, entry, false, after(0));
  }
}
