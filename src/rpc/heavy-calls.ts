import { Refusal } from "../domain/refusals.ts";
import { NOT_BEGUN } from "./limits.ts";
import type { Call } from "./method.ts";

interface Caller {
  running: number;
  readonly waiting: (() => void)[];
}

/**
 * Lets each key or person have so many heavy calls under way at a time: those of others find a connection to the database
 * whatever one of them asks for. Further ones wait in their order; beyond `waitingMax` they are refused. One whose caller has
 * gone meanwhile, or has been sent away, is not begun.
 */
export class HeavyCalls {
  readonly #runningMax: number;
  readonly #waitingMax: number;
  readonly #callers = new Map<string, Caller>();

  constructor(runningMax: number, waitingMax: number) {
    this.#runningMax = runningMax;
    this.#waitingMax = waitingMax;
  }

  async run<T>({ principal, signal }: Call, call: () => Promise<T>): Promise<T> {
    const principalId = principal.id;
    const caller = this.#callers.get(principalId) ?? { running: 0, waiting: [] };
    this.#callers.set(principalId, caller);
    if (caller.running < this.#runningMax) caller.running++;
    else {
      if (caller.waiting.length >= this.#waitingMax) throw new Refusal("rate_limited", { retryAfterSeconds: 1 });
      await new Promise<void>((resolve) => caller.waiting.push(resolve));
    }
    try {
      if (signal.aborted) throw NOT_BEGUN;
      return await call();
    } finally {
      // Whoever waits takes the place over, so that nobody who comes now gets between.
      const next = caller.waiting.shift();
      if (next) next();
      else if (--caller.running === 0) this.#callers.delete(principalId);
    }
  }
}
