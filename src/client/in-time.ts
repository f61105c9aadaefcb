import { TIMER_MS_MAX } from "./alarm.ts";
import type { TimeoutError } from "./errors.ts";

/** The service's own answer, that time is up, may come so much later than a timer here would ring. */
const GRACE_MS = 1_000;

/** Ends a call, its pauses and its retries, by the caller's signal, or with `late` when it is later than in so long. */
export async function inTime<T>(
  leftMs: number,
  signal: AbortSignal | undefined,
  late: TimeoutError,
  call: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  // No call takes as long as a timer can be set.
  if (leftMs + GRACE_MS > TIMER_MS_MAX) return await call(signal);
  // AbortSignal.any would leave something behind on a signal that lives long.
  const ending = new AbortController();
  const hangUp = () => ending.abort(signal?.reason);
  const timer = setTimeout(() => ending.abort(late), leftMs + GRACE_MS);
  if (signal?.aborted) hangUp();
  signal?.addEventListener("abort", hangUp);
  try {
    return await call(ending.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", hangUp);
  }
}
