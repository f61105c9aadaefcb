import { beforeAll } from "bun:test";
import pg from "pg";
import type { Database } from "../../src/db/pool.ts";
import { ANYONE } from "../../src/domain/access/principal.ts";
import { createEngine, type RunningEngine } from "../../src/engine/create.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { LowerBounds } from "../../src/engine/lower-bounds.ts";
import { fireDue } from "../../src/engine/schedule-firing.ts";
import { createLogger } from "../../src/lib/log.ts";
import { openPools } from "../support/pools.ts";
import { testDatabase } from "../support/postgres.ts";

export const CALL = { signal: new AbortController().signal, principal: ANYONE };

/**
 * The engine without upkeep, so that schedules fire when a test says so, and a connection that moves their times: to the
 * service a time that is set back looks like time that has passed.
 */
export function stage({ createQueues = true } = {}) {
  const database = testDatabase();
  const log: { message: string; schedule?: string }[] = [];
  const pools: Database[] = [];
  let running: RunningEngine;
  let client: pg.Client;
  beforeAll(async () => {
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { hot, cold } = await openPools(database.url, { hot: 4, cold: 2 });
    pools.push(hot, cold);
    running = await createEngine({
      hot,
      cold,
      log: createLogger({ level: "warn", write: (line) => log.push(JSON.parse(line)) }),
      version: "test",
      createQueues,
      waitersMax: 10,
      gatherMax: 5_000,
      listening: () => false,
    });
  });
  database.atEnd(async () => {
    await running?.close();
    for (const pool of pools) await pool.end();
    await client?.end();
  });
  const rows = async <R extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
    (await client.query<R>(text, values)).rows;
  return {
    log,
    rows,
    get databaseUrl() {
      return database.url;
    },
    get engine(): Engine {
      return running.engine;
    },
    get context() {
      return running.context;
    },
    /** Fires all that is due. */
    async fire() {
      while (await fireDue(running.context, new LowerBounds()));
    },
    create: (params: Partial<Parameters<Engine["createSchedule"]>[0]> & { name: string }) =>
      running.engine.createSchedule({ queue: params.name, everySeconds: 60, ...params }, CALL),
    /** Lets time pass for one schedule: all its times go back. By a whole interval they would be times that have fired. */
    async pass(name: string, seconds: number) {
      await client.query(
        `update schedule set anchor = anchor - make_interval(secs => $2), next_run = next_run - make_interval(secs => $2),
           last_run = last_run - make_interval(secs => $2), computed = computed - make_interval(secs => $2) where name = $1`,
        [name, seconds],
      );
    },
    get: (name: string) => running.engine.getSchedule({ name }, CALL),
    /** The tasks in the queue of a schedule, in the order of their times: how many seconds before now, rounded. */
    tasks: (queue: string) =>
      rows<{ id: string; ago: number }>(
        `select t.id, round(extract(epoch from now() - t.run_at))::int as ago from task t join queue q on q.id = t.queue_id
         where q.name = $1 order by t.run_at`,
        [queue],
      ),
  };
}
