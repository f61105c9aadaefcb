import { beforeAll } from "bun:test";
import pg from "pg";
import { slonikTarget } from "../../src/db/drivers.ts";
import { type Database, type Db, openDatabase } from "../../src/db/pool.ts";
import { parseDatabaseUrl } from "../../src/db/url.ts";
import { queueByName } from "../../src/domain/queue/queries.ts";
import { parseReceipt } from "../../src/domain/task/receipt.ts";
import type { Contract } from "../../src/rpc/methods/index.ts";
import type { Service } from "../../src/serve.ts";
import { testDatabase } from "../support/postgres.ts";
import { rpc, startInstance } from "../support/service.ts";
import { socketRpc } from "../support/socket.ts";
import { until } from "../support/until.ts";

/** One side of a race that has done its work and not committed yet: the other side now meets its locks. */
export interface HeldOpen<T> {
  readonly answer: T;
  commit(): Promise<void>;
}

/**
 * What a race is told with: two instances on one database, and transactions that can be held open between work and commit.
 * Upkeep runs in the instances, so leases that must not expire by themselves are long.
 */
export function story() {
  const database = testDatabase();
  let pool: Database;
  let client: pg.Client;
  const instances: Service[] = [];
  beforeAll(async () => {
    const target = slonikTarget(parseDatabaseUrl(database.url));
    const limits = {
      connectTimeoutMs: 5_000,
      statementTimeoutMs: 30_000,
      idleTimeoutMs: 60_000,
      acquireTimeoutMs: 10_000,
    };
    pool = await openDatabase({ ...target, ...limits, name: "story", size: 6, rowChecks: true, indexOnly: true });
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
    for (let n = 0; n < 2; n++) {
      // Upkeep forgets idle dedupe keys when an instance starts, and again after most of a minute. The stories are told in
      // between: with a key of nobody's one sees that the first time is over.
      await client.query("insert into task_dedupe (queue_id, key, task_id) values (0, 'nobody', gen_random_uuid())");
      instances.push(await startInstance(database.url));
      await until(
        "the idle key is forgotten",
        async () => (await client.query("select from task_dedupe")).rowCount === 0,
      );
    }
  });
  database.atEnd(async () => {
    for (const instance of instances) await instance.stop();
    await client?.end();
    await pool?.end();
  });
  let queues = 0;
  /** Both transports in turn, so that the sides of a race meet in one batch whichever way they came. */
  let calls = 0;

  return {
    get client() {
      return client;
    },
    get databaseUrl() {
      return database.url;
    },
    /** A queue of this test's own. */
    queue: () => `race-${++queues}`,
    queueId: async (name: string) => (await pool.run((db) => db.one(queueByName(1, name)))).id,
    /** A call on the first instance, or on the second. */
    call: <M extends keyof Contract>(method: M, params: Contract[M]["params"], instance = 0) =>
      (calls++ % 2 === 0 ? rpc : socketRpc)(instances[instance]!.url, method, params),
    url: (instance = 0) => instances[instance]!.url,

    /** Runs work in a transaction and keeps it open. */
    async heldOpen<T>(work: (tx: Db) => Promise<T>): Promise<HeldOpen<T>> {
      let commit: () => void = () => {};
      const gate = new Promise<void>((resolve) => {
        commit = resolve;
      });
      let ended: Promise<unknown> = Promise.resolve();
      const answer = await new Promise<T>((resolve, reject) => {
        ended = pool.transaction(async (tx) => {
          resolve(await work(tx));
          await gate;
        });
        ended.catch(reject);
      });
      return {
        answer,
        async commit() {
          commit();
          await ended;
        },
      };
    },

    /** Waits until so many statements of this database wait for a lock; upkeep's folding of counts is none of them. */
    waiting: (count: number) =>
      until(`${count} statements wait for a lock`, async () => {
        const { rows } = await client.query<{ waiting: number }>(
          `select count(*)::int as waiting from pg_stat_activity
           where datname = current_database() and wait_event_type = 'Lock' and query !~ 'delete from (queue|workflow)_delta'`,
        );
        return rows[0]!.waiting === count;
      }),

    /** The lease of a claimed task runs out now. */
    runOut: (id: string) =>
      client.query("update task_lease set expires_at = now() - interval '1 second' where id = $1", [id]),

    /**
     * The lease of a claimed task runs out in a second. Answers a wait for that: by then somebody must hold the row, or
     * upkeep returns the task.
     */
    async runOutSoon(id: string) {
      await client.query("update task_lease set expires_at = now() + interval '1 second' where id = $1", [id]);
      return () =>
        until("the lease has run out", async () => {
          const { rows } = await client.query<{ late: boolean }>(
            "select expires_at <= now() as late from task_lease where id = $1",
            [id],
          );
          return rows[0]!.late;
        });
    },
  };
}

export const receiptParts = (receipt: string) => parseReceipt(receipt)!;
