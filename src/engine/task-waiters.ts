import type { Database } from "../db/pool.ts";
import { endedOf } from "../domain/task/queries/read.ts";
import { groupBy } from "../domain/task/repository.ts";
import type { Logger } from "../lib/log.ts";
import { queueOf } from "../lib/uuid7.ts";

/** How long the end of a task on another instance may go unnoticed. */
const POLL_MS = 700;

/**
 * Those who wait for tasks to finish: a map entry each, no connection. The end of a task on this instance is told at once;
 * for the rest one statement per queue looks at all of them together.
 */
export class TaskWaiters {
  readonly #db: Database;
  readonly #log: Logger;
  readonly #waiting = new Map<string, Set<() => void>>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(db: Database, log: Logger) {
    this.#db = db;
    this.#log = log;
  }

  /** Resolves when the task has ended (probably: look again), after `waitMs`, or when `signal` aborts. */
  wait(id: string, waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        const set = this.#waiting.get(id);
        set?.delete(done);
        if (set?.size === 0) this.#waiting.delete(id);
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      signal.addEventListener("abort", done, { once: true });
      const set = this.#waiting.get(id);
      if (set) set.add(done);
      else this.#waiting.set(id, new Set([done]));
      this.#timer ??= setTimeout(() => this.#poll(), POLL_MS);
      if (signal.aborted) done();
    });
  }

  ended(id: string): void {
    const set = this.#waiting.get(id);
    if (set) for (const done of [...set]) done();
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer);
    for (const id of [...this.#waiting.keys()]) this.ended(id);
  }

  async #poll(): Promise<void> {
    try {
      for (const [queueId, ids] of groupBy([...this.#waiting.keys()], queueOf))
        for (const { id } of await this.#db.run((db) => db.any(endedOf(queueId, ids)))) this.ended(id);
    } catch (error) {
      this.#log.warn("waiting tasks were not looked at", { error });
    }
    this.#timer = this.#waiting.size === 0 ? null : setTimeout(() => this.#poll(), POLL_MS);
  }
}
