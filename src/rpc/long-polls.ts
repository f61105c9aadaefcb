import { Refusal } from "../domain/refusals.ts";

/** Counts the calls of each key or person that wait for something, and refuses those above a number. */
export class LongPolls {
  readonly #max: number;
  readonly #counts = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Runs a call that may wait. */
  async run<T>(principalId: string, call: () => Promise<T>): Promise<T> {
    const count = this.#counts.get(principalId) ?? 0;
    if (count >= this.#max) throw new Refusal("rate_limited", { retryAfterSeconds: 1 });
    this.#counts.set(principalId, count + 1);
    try {
      return await call();
    } finally {
      const left = this.#counts.get(principalId)! - 1;
      if (left > 0) this.#counts.set(principalId, left);
      else this.#counts.delete(principalId);
    }
  }
}

/** Whether a call, its parameters read, may wait for something to happen. */
export const mayWait = (params: unknown): boolean =>
  ((params as { readonly waitSeconds?: unknown }).waitSeconds ?? 0) !== 0;
