import type { Database } from "../db/pool.ts";
import { databaseNow } from "../domain/admin/queries.ts";

const LOOKS = 4;

/**
 * The database's time without asking: between looks it runs on by this process's monotonic timer. Ids begin with it, and
 * tasks are added at it.
 */
export class DatabaseClock {
  readonly #db: Database;
  /** Epoch milliseconds at zero of the monotonic timer. */
  #zero = 0;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Whole epoch milliseconds. */
  now(): number {
    return Math.floor(this.#zero + performance.now());
  }

  /** Looks at the database's clock. The two drift apart by some milliseconds an hour. */
  async set(): Promise<void> {
    // The quickest look tells most exactly when it was answered: the first one may have had to connect.
    let shortest = Number.POSITIVE_INFINITY;
    for (let look = 0; look < LOOKS; look++) {
      const before = performance.now();
      const { now } = await this.#db.run((db) => db.one(databaseNow()));
      const after = performance.now();
      if (after - before >= shortest) continue;
      shortest = after - before;
      this.#zero = now - (before + after) / 2;
    }
  }
}
