import { test } from "bun:test";
import fc from "fast-check";
import { testDatabase, withClient } from "../support/postgres.ts";
import { Run } from "./run.ts";
import { anyRun } from "./runs.ts";
import { inProcess } from "./service.ts";

/**
 * MODEL_RUNS, MODEL_SEED and MODEL_PATH play more runs, or one again: fast-check prints seed and path of a failure.
 * MODEL_SHRINK=off ends with the first failure, however long its story.
 */
const RUNS = Number(process.env.MODEL_RUNS ?? 200);
const SEED = process.env.MODEL_SEED;
const PATH = process.env.MODEL_PATH;
const SHRINK = process.env.MODEL_SHRINK !== "off";
const TIMEOUT_MS = 2 * Math.max(300_000, RUNS * 1_000);
/** Whoever asks for more runs gives them more time; a counterexample found by then is as small as it got. */
const LIMIT_MS = Math.max(240_000, RUNS * 1_000);

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
          endOnFailure: !SHRINK,
          interruptAfterTimeLimit: LIMIT_MS,
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
