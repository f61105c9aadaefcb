import { createClient } from "../../src/client/index.ts";
import { withClient } from "../../test/support/template.ts";
import { quantiles, round } from "../rows.ts";
import { Run } from "../stage.ts";
import type { Workload } from "./workload.ts";

const CALLERS = 64;
/** Long enough to make all schedules before they are due. */
const MAKE_MS = 1.5;
const LEAST_MS = 3_000;
const LATE_MS = 30_000;

/** Schedules that are all due in one moment: how long after it each task is there, by the database's clock. */
export const SCHEDULES: Workload = {
  name: "schedules",
  what: "schedules that are all due at the same moment, in one queue and in a queue each",
  once: false,
  peers: [],
  async run(stage, emit) {
    const { schedules } = stage.sizes;
    for (const queues of [1, schedules]) {
      await using run = await Run.begin(stage);
      const due = new Date(Date.now() + LEAST_MS + schedules * MAKE_MS);
      const client = createClient({ url: run.url, transport: "websocket" });
      const numbers = Array.from({ length: schedules }, (_, at) => at).values();
      const caller = async () => {
        for (const at of numbers)
          await client.schedule.create({
            name: `s${at}`,
            queue: `q${at % queues}`,
            everySeconds: 86_400,
            startAt: due.toISOString(),
            task: { payload: { at } },
          });
      };
      await Promise.all(Array.from({ length: CALLERS }, caller));
      const inTime = Date.now() < due.getTime();
      client.close();
      const before = await run.meter.read();
      const { late, allAfter } = await lateness(run.database.url, schedules, due);
      const used = await run.meter.since(before, late.length);
      const { p50, p99 } = quantiles(late);
      const figures = { p50, p99, max: round(allAfter, 0), ...used, lost: schedules - late.length };
      emit({ how: `${schedules.toLocaleString("en")} in ${queues === 1 ? "one queue" : "a queue each"}`, figures });
      if (!inTime) throw new Error("The schedules were not made before they were due.");
    }
  },
};

const LOOK_MS = 20;

/**
 * Milliseconds from when they were due until the transactions began that made the tasks, and until all could be seen.
 * Database and bench are on one machine, and so by one clock.
 */
async function lateness(databaseUrl: string, count: number, due: Date): Promise<{ late: number[]; allAfter: number }> {
  return await withClient(databaseUrl, async (client) => {
    for (;;) {
      const { rows } = await client.query<{ tasks: number }>("select count(*)::int as tasks from task");
      const allAfter = Date.now() - due.getTime();
      if (rows[0]!.tasks >= count || allAfter > LATE_MS) {
        const all = await client.query<{ ms: string }>(
          "select extract(epoch from updated - $1) * 1000 as ms from task",
          [due],
        );
        return { late: all.rows.map(({ ms }) => Number(ms)), allAfter };
      }
      await Bun.sleep(LOOK_MS);
    }
  });
}
