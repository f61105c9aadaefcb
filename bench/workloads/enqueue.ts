import type { Enqueued } from "../callers/enqueue.ts";
import type { TransportName } from "../options.ts";
import type { Figures, Measurement } from "../rows.ts";
import { round } from "../rows.ts";
import { Run, type Stage } from "../stage.ts";
import { everyPeer, type Workload } from "./workload.ts";

export const W1: Workload = {
  name: "W1",
  what: "64 callers, one task a call",
  once: false,
  peers: [everyPeer("W1")],
  run: (stage, emit) => byTransport(stage, emit, { callers: 64, batch: 1 }),
};

export const W2: Workload = {
  name: "W2",
  what: "4 callers, 1,000 tasks a call",
  once: false,
  peers: [everyPeer("W2")],
  run: (stage, emit) => byTransport(stage, emit, { callers: 4, batch: 1000 }),
};

export const CALLERS: Workload = {
  name: "callers",
  what: "W1 by number of callers",
  once: true,
  peers: [],
  async run(stage, emit) {
    for (const callers of stage.sizes.callers)
      await byTransport(
        stage,
        ({ how, figures }) => emit({ how: `${how}, ${callers}`, figures: { callers, ...figures } }),
        { callers, batch: 1, warmSeconds: stage.sizes.sweepWarmSeconds },
      );
  },
};

interface Shape {
  readonly callers: number;
  readonly batch: number;
  /** Default: --seconds. */
  readonly seconds?: number;
  /** The same load before it counts. Default: --warm-seconds. */
  readonly warmSeconds?: number;
}

async function byTransport(stage: Stage, emit: (measurement: Measurement) => void, shape: Shape): Promise<void> {
  for (const transport of stage.transports) {
    await using run = await Run.begin(stage);
    emit({ how: transport, figures: await enqueueOn(run, transport, run.urls, shape) });
  }
}

/** Enqueues for the time, over the services in turn, and counts afterwards whether every task answered for is there. */
export async function enqueueOn(
  run: Run,
  transport: TransportName,
  urls: readonly string[],
  shape: Shape,
): Promise<Figures> {
  const { callers, batch, seconds = run.stage.sizes.seconds, warmSeconds = run.stage.sizes.warmSeconds } = shape;
  const child = await run.child();
  const common = { target: run.target(transport, urls), callers, batch };
  const warmed = warmSeconds > 0 ? (await child.call("enqueue", { ...common, seconds: warmSeconds })).all : 0;
  await run.settle({ vacuum: false });
  const before = await run.meter.read();
  const enqueued = await child.call("enqueue", { ...common, seconds });
  const used = await run.meter.since(before, enqueued.all);
  const { unfinished } = await run.counts();
  return { ...ratesOf(enqueued), ...used, lost: warmed + enqueued.all - unfinished };
}

export function ratesOf({ tasks, seconds, p50, p99 }: Enqueued): Figures {
  return { tasksPerSecond: round(tasks / seconds, 0), p50, p99 };
}
