import type { ClaimedTask } from "./contract.ts";

/**
 * How much work is held beyond what the worker is at, by the time its handlers take. It must cover the way of a claim
 * to the service and back, or slots are idle meanwhile (2 to 30 ms under load); the longer it is, the longer a task may lie
 * here while another worker has a free slot.
 */
const AHEAD_MS = 100;
/** Twice what one task.claim hands out, for a claim is sent when half of it is gone. */
const TASKS_MAX = 2000;
/** Of payloads that lie here. */
const CHARACTERS_MAX = 8 * 1024 * 1024;
/** Of the newest in the mean: what the last few dozen said counts. */
const WEIGHT = 1 / 16;

/**
 * How many tasks are claimed beyond those that have a slot. Unless the user has fixed it, as many as the handlers get
 * through in AHEAD_MS: handlers of a second have nothing lying behind them, those of a millisecond a hundred a slot.
 */
export class Prefetch {
  readonly #fixed: number | undefined;
  readonly #concurrency: number;
  /** What handlers take. Nothing is held ahead before one has ended. */
  #meanMs = Number.POSITIVE_INFINITY;
  #characters = 1;

  constructor(fixed: number | undefined, concurrency: number) {
    this.#fixed = fixed;
    this.#concurrency = concurrency;
  }

  get adapts(): boolean {
    return this.#fixed === undefined;
  }

  get size(): number {
    if (this.#fixed !== undefined) return this.#fixed;
    const byTime = (this.#concurrency * AHEAD_MS) / this.#meanMs;
    return Math.floor(Math.min(byTime, TASKS_MAX, CHARACTERS_MAX / this.#characters));
  }

  /** A handler has ended after so long. */
  took(milliseconds: number): void {
    this.#meanMs = Number.isFinite(this.#meanMs) ? mean(this.#meanMs, milliseconds) : milliseconds;
  }

  /** Tasks lie here although handlers should have come to them: the running ones take this long at least. */
  stalled(milliseconds: number): void {
    this.#meanMs = Math.max(this.#meanMs, milliseconds);
  }

  /** One task of each claim is weighed: payloads of a queue are alike, and weighing all would cost more than it saves. */
  weigh({ payload }: ClaimedTask): void {
    if (this.#fixed === undefined) this.#characters = mean(this.#characters, JSON.stringify(payload ?? null).length);
  }
}

const mean = (before: number, newest: number) => before + (newest - before) * WEIGHT;
