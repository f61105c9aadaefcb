import { forgetKeys } from "../domain/api-key/queries.ts";
import { foldCategories, foldTags } from "../domain/task/queries/catalogue.ts";
import { dropOldRates, foldDeltas } from "../domain/upkeep/queries.ts";
import { foldWorkflows } from "../domain/workflow/queries.ts";
import type { EngineContext } from "../engine/context.ts";
import { expireLeasesJob } from "./expire-leases.ts";
import type { Job } from "./loop.ts";
import { partitionsJob } from "./partitions.ts";
import { deletedJob, forgettingJobs, orphansJob, retentionJob, workflowsJob } from "./retention.ts";
import { schedulesJobs } from "./schedules.ts";

/** Rows folded into workflows by one statement. */
const FOLDED = 50_000;

/** Keys that were revoked or have expired stay in lists for so long. */
const KEYS_SHOWN_SECONDS = 30 * 86_400;

/** Everything the service does by itself. */
export function upkeepJobs(context: EngineContext): Job[] {
  return [
    expireLeasesJob(context),
    ...schedulesJobs(context),
    retentionJob(context),
    orphansJob(context),
    deletedJob(context),
    workflowsJob(context),
    partitionsJob(context),
    ...forgettingJobs(context),
    {
      name: "fold counts",
      everyMs: 1_000,
      async run() {
        await context.hot.run((db) => db.any(foldDeltas()));
        return false;
      },
    },
    {
      name: "fold labels",
      everyMs: 1_000,
      async run() {
        await context.cold.run((db) => db.any(foldTags()));
        await context.cold.run((db) => db.any(foldCategories()));
        return false;
      },
    },
    {
      name: "fold workflows",
      everyMs: 1_000,
      async run() {
        await context.hot.run((db) => db.any(foldWorkflows(FOLDED)));
        return false;
      },
    },
    {
      name: "forget keys",
      everyMs: 3_600_000,
      async run() {
        await context.cold.run((db) => db.any(forgetKeys(KEYS_SHOWN_SECONDS)));
        return false;
      },
    },
    {
      name: "clock",
      everyMs: 60_000,
      async run() {
        await context.setClock();
        return false;
      },
    },
    {
      name: "old rates",
      everyMs: 60_000,
      async run() {
        await context.hot.run((db) => db.query(dropOldRates()));
        return false;
      },
    },
    {
      name: "workers",
      everyMs: 1_000,
      async run() {
        await context.workers.flush();
        return false;
      },
    },
  ];
}
