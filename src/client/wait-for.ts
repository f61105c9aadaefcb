import type { Caller } from "./client.ts";
import type { Params, Task } from "./contract.ts";
import { TimeoutError } from "./errors.ts";
import { inTime } from "./in-time.ts";
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
/** A service that is stopping answers before its time; asked again without a pause it would be asked in a loop. */
const PAUSE_MS = 100;

const isSame = (one: Progress | null, other: Progress | null) =>
  one?.percent === other?.percent && one?.note === other?.note;

/** Waits until a task has finished, however it ended, over as many calls of task.wait as that takes. */
export async function waitFor(client: Pick<Caller, "call">, id: string, options: WaitForOptions = {}): Promise<Task> {
  const { timeoutSeconds = Number.POSITIVE_INFINITY, signal, project, onProgress } = options;
  const late = new TimeoutError("task", id, timeoutSeconds);
  const deadline = performance.now() + timeoutSeconds * 1000;
  const common = project === undefined ? { id } : { id, project };
  let known: Progress | null = null;
  for (;;) {
    const began = performance.now();
    const leftMs = Math.max(deadline - began, 0);
    const waitSeconds = Math.min(POLL_SECONDS, leftMs / 1000);
    const params: Params<"task.wait"> = { ...common, waitSeconds, ...(onProgress ? { progress: known } : {}) };
    const { task, done } = await inTime(leftMs, signal, late, (ends) =>
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
