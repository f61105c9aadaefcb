import { retryable } from "./errors.ts";
import type { HeldTask } from "./held-task.ts";
import { sleep } from "./retry.ts";
import type { Listener, Step } from "./worker-events.ts";

/** What became of one call about tasks of the worker's. */
export type Delivery<T> = { readonly answer: T } | { readonly refused: unknown };

/** How such a call is made. */
export interface Delivering {
  readonly signal: AbortSignal;
  readonly retry: { readonly tries: number; readonly deadlineSeconds: number };
}

/** A try takes at least this long, so that a refused connection cannot make the loop spin. */
const PAUSE_MS = 100;
const TRY_SECONDS_LEAST = 1;

/** Brings a call about tasks to the service, again and again while a lease of theirs lives. */
export class Courier {
  readonly #emit: Listener;
  /** Aborted when the worker has stopped waiting for anything. */
  readonly #givenUp: AbortSignal;

  constructor(emit: Listener, givenUp: AbortSignal) {
    this.#emit = emit;
    this.#givenUp = givenUp;
  }

  /**
   * Never rejects. Of several tasks all are waited for: the call must be repeated as it was, and about a lease that by our
   * clock has run out the service alone decides.
   */
  async deliver<T>(
    tasks: readonly HeldTask[],
    step: Step,
    send: (how: Delivering) => Promise<T>,
  ): Promise<Delivery<T>> {
    for (;;) {
      const deadlineSeconds = Math.max(leftMs(tasks) / 1000, TRY_SECONDS_LEAST);
      try {
        const how = { signal: this.#givenUp, retry: { tries: Number.POSITIVE_INFINITY, deadlineSeconds } };
        return { answer: await send(how) };
      } catch (error) {
        // The keeper goes on renewing meanwhile, so a lease may live longer than it did when this try began.
        if (retryable(error) === null || leftMs(tasks) === 0) return { refused: error };
        this.#emit({ type: "trouble", during: step, error, retryInSeconds: PAUSE_MS / 1000 });
      }
      await sleep(PAUSE_MS, this.#givenUp).catch(() => undefined);
    }
  }
}

function leftMs(tasks: readonly HeldTask[]): number {
  let longest = 0;
  for (const held of tasks) longest = Math.max(longest, held.leftMs);
  return longest;
}
