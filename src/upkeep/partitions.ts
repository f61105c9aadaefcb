import { dropEmptyPartitions, ensurePartition } from "../domain/upkeep/queries.ts";
import type { EngineContext } from "../engine/context.ts";
import type { Job } from "./loop.ts";

/** Partitions made ahead: a service whose upkeep stands still goes on for so long. */
const WEEKS_AHEAD = 4;

/** Makes sure that tasks of the coming weeks have a partition. Runs before the service listens, then every hour. */
export async function ensurePartitions(context: EngineContext): Promise<void> {
  for (let weeks = 0; weeks <= WEEKS_AHEAD; weeks++) {
    const { made } = await context.cold.run((db) => db.one(ensurePartition(weeks)));
    if (made !== null) context.log.info("made a partition", { partition: made });
  }
}

export function partitionsJob(context: EngineContext): Job {
  return {
    name: "partitions",
    everyMs: 3_600_000,
    async run() {
      await ensurePartitions(context);
      const past = await context.cold.run((db) => db.any(dropEmptyPartitions()));
      for (const { name, dropped } of past) if (dropped) context.log.info("dropped a partition", { partition: name });
      return false;
    },
  };
}
