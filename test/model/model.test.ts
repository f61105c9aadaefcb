import { describe, test } from "bun:test";
import fc from "fast-check";
import { testDatabase, withClient } from "../support/postgres.ts";
import type { Step } from "./commands.ts";
import { EXAMPLES } from "./examples.ts";
import { Run } from "./run.ts";
import { anyRun } from "./runs.ts";
import { serviceUnderTest, TRANSPORTS, type Transport } from "./service.ts";

/**
 * Runs by each transport. The seed stands still, so that a commit passes or fails alike everywhere; MODEL_SEED=$RANDOM looks elsewhere, with
 * MODEL_RUNS for longer. MODEL_PATH plays one run again: fast-check prints seed and path of a failure.
 * MODEL_SHRINK=off ends with the first failure, however long its story.
 */
const RUNS = Number(process.env.MODEL_RUNS ?? 100);
const SEED = Number(process.env.MODEL_SEED ?? 20_261_121);
const PATH = process.env.MODEL_PATH;
const SHRINK = process.env.MODEL_SHRINK !== "off";
const TIMEOUT_MS = 2 * Math.max(300_000, RUNS * 1_000);
/** Whoever asks for more runs gives them more time; a counterexample found by then is as small as it got. */
const LIMIT_MS = Math.max(240_000, RUNS * 1_000);

const database = testDatabase();

/** Plays runs, each under names of its own, on one service, whose calls all come by one transport. */
async function onService(
  transport: Transport,
  work: (play: (steps: readonly Step[]) => Promise<void>) => Promise<void>,
): Promise<void> {
  await withClient(database.url, async (client) => {
    const service = await serviceUnderTest(database.url, transport);
    const label = crypto.randomUUID().slice(0, 8);
    let played = 0;
    try {
      await work((steps) => new Run(service, client, `${label}-${++played}`).play(steps));
    } finally {
      await service.close();
    }
  });
}

describe.each(Object.keys(TRANSPORTS) as Transport[])("over %s", (transport) => {
  test.each(EXAMPLES.map(([what, steps]) => ({ what, steps })))("$what", async ({ steps }) => {
    await onService(transport, (play) => play(steps));
  });

  test(
    "no sequence of calls is answered, or leaves the tables, otherwise than the model says",
    async () => {
      await onService(transport, async (play) => {
        await fc.assert(fc.asyncProperty(anyRun, play), {
          numRuns: RUNS,
          endOnFailure: !SHRINK,
          interruptAfterTimeLimit: LIMIT_MS,
          markInterruptAsFailure: true,
          // Other runs than by the other transport.
          seed: SEED + Object.keys(TRANSPORTS).indexOf(transport),
          ...(PATH === undefined ? {} : { path: PATH }),
        });
      });
    },
    TIMEOUT_MS,
  );
});
