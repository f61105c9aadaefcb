import type { Database } from "../db/pool.ts";
import { addWorkers } from "../domain/worker/worker.ts";
import type { Logger } from "../lib/log.ts";

interface Seen {
  readonly projectId: number;
  readonly id: string;
  readonly queues: Set<string>;
  claimed: number;
  completed: number;
  failed: number;
  at: number;
}

/**
 * What this instance saw of workers since it last wrote it down, about once a second: a row that every claim updates would
 * make claims wait for each other. These are figures for people; a crash loses a second of them and nothing else.
 */
export class WorkerLedger {
  readonly #db: Database;
  readonly #log: Logger;
  #seen = new Map<string, Seen>();
  #writing: Promise<void> = Promise.resolve();

  constructor(db: Database, log: Logger) {
    this.#db = db;
    this.#log = log;
  }

  note(
    projectId: number,
    worker: string,
    what: { queue?: string; claimed?: number; completed?: number; failed?: number },
  ): void {
    const key = `${projectId} ${worker}`;
    let seen = this.#seen.get(key);
    if (!seen) {
      seen = { projectId, id: worker, queues: new Set(), claimed: 0, completed: 0, failed: 0, at: 0 };
      this.#seen.set(key, seen);
    }
    if (what.queue !== undefined) seen.queues.add(what.queue);
    seen.claimed += what.claimed ?? 0;
    seen.completed += what.completed ?? 0;
    seen.failed += what.failed ?? 0;
    seen.at = performance.now();
  }

  /** Writes down what is known; what cannot be written now is kept for the next time. */
  flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async #write(): Promise<void> {
    if (this.#seen.size === 0) return;
    const seen = this.#seen;
    this.#seen = new Map();
    const now = performance.now();
    const deltas = [...seen.values()].map((s) => ({ ...s, queues: [...s.queues].sort(), ago: (now - s.at) / 1000 }));
    try {
      await this.#db.run((db) => db.query(addWorkers(deltas)));
    } catch (error) {
      this.#log.warn("worker figures were not written", { error });
      for (const s of seen.values()) {
        const { projectId, id, queues, ...figures } = s;
        this.note(projectId, id, figures);
        for (const queue of queues) this.note(projectId, id, { queue });
      }
    }
  }
}
