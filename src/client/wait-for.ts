import { TIMER_MS_MAX } from "./alarm.ts";
import type { Caller } from "./client.ts";
import type { Params, Task } from "./contract.ts";
import { TimeoutError } from "./errors.ts";
import { sleep } from "./retry.ts";

export type Progress = NonNullable<Task["progress"]>;

export interface WaitForOptions {
  /** Seconds after which the promise rejects with a TimeoutError. Default: none */
  readonly timeoutSeconds?: number;
  /** Ends the waiting; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly project?: string;
  /**
   * Called for each progress that is seen to be another than the last, the task's present one to begin with. What comes in
   * quick succession is seen as it stands then. What it throws rejects the promise.
   */
  readonly onProgress?: (progress: Progress | null, task: Task) => void;
}

/** One call waits for so long: well within the minute that proxies let a connection be silent. */
const POLL_SECONDS = 30;
/** The service's own answer, that time is up, may come so much later than a timer here would ring. */
const GRACE_MS = 1_000;
/** A service that is stopping answers before its time; asked again without a pause it would be asked in a loop. */
const PAUSE_MS = 100;

const isSame = (one: Progress | null, other: Progress | null) =>
  one?.percent === other?.percent && one?.note === other?.note;

/** Waits until a task has finished, however it ended, over as many calls of task.wait as that takes. */
export async function waitFor(client: Pick<Caller, "call">, id: string, options: WaitForOptions = {}): Promise<Task> {
  const { timeoutSeconds = Number.POSITIVE_INFINITY, signal, project, onProgress } = options;
  const late = new TimeoutError(id, timeoutSeconds);
  const deadline = performance.now() + timeoutSeconds * 1000;
  const common = project === undefined ? { id } : { id, project };
  let known: Progress | null = null;
  for (;;) {
    const began = performance.now();
    const leftMs = Math.max(deadline - began, 0);
    const waitSeconds = Math.min(POLL_SECONDS, leftMs / 1000);
    const params: Params<"task.wait"> = { ...common, waitSeconds, ...(onProgress ? { progress: known } : {}) };
    const { task, done } = await within(leftMs + GRACE_MS, signal, late, (ends) =>
      client.call("task.wait", params, { signal: ends }),
    );
    const news = onProgress !== undefined && !isSame(task.progress, known);
    if (news) onProgress(task.progress, task);
    known = task.progress;
    if (done) return task;
    const now = performance.now();
    if (now >= deadline) throw late;
    const early = now - began < (waitSeconds * 1000) / 2;
    if (early && !news) await sleep(Math.min(PAUSE_MS, deadline - now), signal);
  }
}

/** Ends a call, its pauses and its retries, by the caller's signal or with `late` after so long. */
async function within<T>(
  leftMs: number,
  signal: AbortSignal | undefined,
  late: TimeoutError,
  call: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  // No call takes as long as a timer can be set.
  if (leftMs > TIMER_MS_MAX) return await call(signal);
  // AbortSignal.any would leave something behind on a signal that lives long.
  const ending = new AbortController();
  const hangUp = () => ending.abort(signal?.reason);
  const timer = setTimeout(() => ending.abort(late), leftMs);
  if (signal?.aborted) hangUp();
  signal?.addEventListener("abort", hangUp);
  try {
    return await call(ending.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", hangUp);
  }
}
