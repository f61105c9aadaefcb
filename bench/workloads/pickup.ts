import type { TransportName } from "../options.ts";
import type { Figures } from "../rows.ts";
import { Run } from "../stage.ts";
import { everyPeer, type Workload } from "./workload.ts";

const EVERY_MS = 50;

export const W4: Workload = {
  name: "W4",
  what: "one task every 50 ms, sender and worker in one process",
  once: false,
  peers: [everyPeer("W4")],
  async run(stage, emit) {
    for (const transport of stage.transports) {
      await using run = await Run.begin(stage);
      emit({ how: `sent over ${transport}`, figures: await pickUp(run, transport, run.url, run.url) });
    }
  },
};

/** Milliseconds from before the send, to one service, until the handler of a worker of another (or the same) starts. */
export async function pickUp(run: Run, transport: TransportName, toUrl: string, workerUrl: string): Promise<Figures> {
  const child = await run.child();
  await run.settle({ vacuum: false });
  const { sent, received, p50, p99, max } = await child.call("pickup", {
    target: run.target(transport, [toUrl]),
    workerUrl,
    warmSeconds: run.stage.sizes.pickupWarmSeconds,
    seconds: run.stage.sizes.pickupSeconds,
    everyMs: EVERY_MS,
  });
  return { p50, p99, max, sent, lost: sent - received };
}
