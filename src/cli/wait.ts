import { setTimeout as pause } from "node:timers/promises";

/** Resolves after so long; rejects as soon as the signal is aborted. */
export async function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  await pause(milliseconds, undefined, { signal });
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/**
 * Aborted by the given signal, or when the input ends. A process started with a pipe as its input learns in this way
 * that its parent is gone, even if that was killed.
 */
export function untilInputEnds(signal: AbortSignal, input: AsyncIterable<unknown>): AbortSignal {
  const ended = new AbortController();
  const drain = async () => {
    for await (const _ of input) if (ended.signal.aborted) return;
  };
  drain()
    .catch(() => undefined)
    .finally(() => ended.abort(new Error("The parent process has ended.")));
  return AbortSignal.any([signal, ended.signal]);
}
