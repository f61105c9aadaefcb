import { test } from "bun:test";
import fc from "fast-check";
import { testDatabase, withClient } from "../support/postgres.ts";
import { anyRun } from "./commands.ts";
import { Run } from "./run.ts";
import { inProcess } from "./service.ts";

/** MODEL_RUNS, MODEL_SEED and MODEL_PATH play more runs, or one again: fast-check prints seed and path of a failure. */
const RUNS = Number(process.env.MODEL_RUNS ?? 200);
const SEED = process.env.MODEL_SEED;
const PATH = process.env.MODEL_PATH;
const TIMEOUT_MS = 600_000;
/** Making a counterexample smaller ends here, with the smallest one found. */
const SHRINK_LIMIT_MS = 240_000;

const database = testDatabase();

test(
  "no sequence of calls is answered, or leaves the tables, otherwise than the model says",
  async () => {
    await withClient(database.url, async (client) => {
      const service = await inProcess(database.url);
      let played = 0;
      const property = fc.asyncProperty(anyRun, (steps) => new Run(service, client, `m${++played}`).play(steps));
      try {
        await fc.assert(property, {
          numRuns: RUNS,
          interruptAfterTimeLimit: SHRINK_LIMIT_MS,
          markInterruptAsFailure: true,
          ...(SEED === undefined ? {} : { seed: Number(SEED) }),
          ...(PATH === undefined ? {} : { path: PATH }),
        });
      } finally {
        await service.close();
      }
    });
  },
  TIMEOUT_MS,
);
