import { beforeAll } from "bun:test";
import type { Database } from "../../src/db/pool.ts";
import { ANYONE } from "../../src/domain/access/principal.ts";
import { createEngine, type RunningEngine } from "../../src/engine/create.ts";
import { createLogger } from "../../src/lib/log.ts";
import { openPools } from "../support/pools.ts";
import { testDatabase } from "../support/postgres.ts";

/** An engine, what it sent to others, and how many statements it ran on its hot pool. */
export interface Instance extends RunningEngine {
  readonly sent: string[];
  /** Hints that came, and looks once more. */
  readonly news: string[];
  statements: number;
}

/** Never, as far as a test goes. */
const NO_POLL_MS = 10_000_000;

/**
 * Two engines on one database without a service around them, which hear each other and never poll: what is not told, on the
 * instance itself or by a hint, is not noticed.
 */
export function waitingStage() {
  const database = testDatabase();
  const instances: Instance[] = [];
  const pools: Database[] = [];
  let alone: Instance | undefined;
  beforeAll(async () => {
    for (let n = 0; n < 2; n++) instances.push(await instance(NO_POLL_MS));
    for (const { context, sent, news } of instances)
      for (const kind of ["ends", "progress"] as const) {
        context.waiters[kind].listen(({ queueId }) => news.push(`${kind} ${queueId}`));
        context.waiters[kind].connect({
          notify(topic, payload) {
            sent.push(`${kind} ${topic} ${payload.split(" ").slice(1).join(" ")}`);
            for (const other of instances) other.context.waiters[kind].heard(topic, payload);
          },
        });
      }
  });
  database.atEnd(async () => {
    await alone?.close();
    for (const one of instances) await one.close();
    for (const pool of pools) await pool.end();
  });

  async function instance(pollMs?: number): Promise<Instance> {
    const { hot, cold } = await openPools(database.url, { hot: 3, cold: 2 });
    pools.push(hot, cold);
    const log = createLogger({ level: "error" });
    const rest = { version: "waits", createQueues: true, waitersMax: 10, gatherMax: 1_000, listening: () => true };
    const count = { sent: [] as string[], news: [] as string[], statements: 0 };
    const counted: Database = {
      ...hot,
      run(work) {
        made.statements++;
        return hot.run(work);
      },
    };
    const made: Instance = Object.assign(
      await createEngine({ hot: counted, cold, log, ...rest, ...(pollMs === undefined ? {} : { pollMs }) }),
      count,
    );
    return made;
  }

  const signal = new AbortController().signal;
  const call = { signal, principal: ANYONE };
  return {
    call,
    instances,
    get url() {
      return database.url;
    },
    /** One that polls, and hears of nothing. */
    async alone(): Promise<Instance> {
      alone ??= await instance();
      return alone;
    },
    /** Tasks of a queue, claimed through the second instance. */
    async claimed(queue: string, count: number) {
      const { engine } = instances[1]!;
      for (let left = count; left > 0; left -= 1_000) {
        const tasks = Array.from({ length: Math.min(left, 1_000) }, () => ({ queue }));
        await engine.enqueue({ method: "task.enqueueMany", tasks }, call);
      }
      const tasks = [];
      while (tasks.length < count)
        tasks.push(...(await engine.claim({ queues: [queue], limit: 1_000, waitSeconds: 0, leaseSeconds: 600 }, call)));
      return tasks;
    },
  };
}
