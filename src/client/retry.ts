import { retryable } from "./errors.ts";

export interface RetryPolicy {
  /** Most times a call is sent, the first included. */
  readonly tries: number;
  /** The first pause is between 0 and this. */
  readonly baseSeconds: number;
  /** Pauses double up to this. */
  readonly maxSeconds: number;
  /** No try begins, and none goes on, after this long; a waiting call's waitSeconds come on top. */
  readonly deadlineSeconds: number;
}

export const DEFAULT_RETRY: RetryPolicy = { tries: 8, baseSeconds: 0.1, maxSeconds: 5, deadlineSeconds: 60 };

/**
 * Seconds to wait before the next try. Full jitter: anywhere between nothing and the doubled base, so that callers who
 * failed together do not come back together. What the service asked for is waited in full and spread in the same way.
 */
export function pauseSeconds(
  policy: RetryPolicy,
  failures: number,
  askedSeconds: number,
  random = Math.random,
): number {
  const ceiling = Math.min(policy.maxSeconds, policy.baseSeconds * 2 ** Math.min(failures - 1, 30));
  return askedSeconds + random() * ceiling;
}

/** Resolves after so long; rejects with the signal's reason as soon as it is aborted. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

export interface Attempts {
  readonly policy: RetryPolicy;
  /** Whether sending it again is harmless when the first may have been carried out. */
  readonly repeatable: boolean;
  readonly signal: AbortSignal | undefined;
  /** Milliseconds added to the deadline for the service's own waiting. */
  readonly waitMs: number;
}

/**
 * Runs `attempt` until it succeeds, is refused for good, or the policy is used up; then throws the last error.
 * `attempt` is told how many milliseconds are left.
 */
export async function withRetries<T>(options: Attempts, attempt: (leftMs: number) => Promise<T>): Promise<T> {
  const { policy, repeatable, signal, waitMs } = options;
  const deadline = performance.now() + policy.deadlineSeconds * 1000 + waitMs;
  for (let tried = 1; ; tried++) {
    try {
      return await attempt(Math.max(deadline - performance.now(), 1));
    } catch (error) {
      const again = retryable(error);
      if (again === null || tried >= policy.tries || (again.outcomeUnknown && !repeatable)) throw error;
      const pauseMs = pauseSeconds(policy, tried, again.afterSeconds) * 1000;
      if (performance.now() + pauseMs >= deadline) throw error;
      await sleep(pauseMs, signal);
    }
  }
}
