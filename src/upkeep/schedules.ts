import { forgetRuns } from "../domain/schedule/queries.ts";
import type { EngineContext } from "../engine/context.ts";
import { LowerBounds } from "../engine/lower-bounds.ts";
import { fireDue, setBackSchedules } from "../engine/schedule-firing.ts";
import type { Job } from "./loop.ts";

/** A fire time is kept from making a second task for so long after it: three days, so for a clock set back by less. */
const RUNS_KEPT_SECONDS = 3 * 86_400;
const BATCH = 10_000;

/** Fires schedules, most of them within a quarter of a second of their times. */
export function schedulesJobs(context: EngineContext): Job[] {
  const bounds = new LowerBounds();
  return [
    { name: "fire schedules", everyMs: 250, run: () => fireDue(context, bounds) },
    { name: "set schedules back", everyMs: 30_000, run: () => setBackSchedules(context) },
    {
      name: "forget runs",
      everyMs: 60_000,
      run: async () => (await context.hot.run((db) => db.any(forgetRuns(RUNS_KEPT_SECONDS, BATCH)))).length === BATCH,
    },
  ];
}
