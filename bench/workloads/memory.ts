import type { TransportName } from "../options.ts";
import { residentMb } from "../proc.ts";
import { type Measurement, round } from "../rows.ts";
import { Run, type Stage } from "../stage.ts";
import { enqueueOn } from "./enqueue.ts";
import type { Workload } from "./workload.ts";

export const W9: Workload = {
  name: "W9",
  what: "resident memory of the service",
  once: true,
  peers: [],
  async run(stage, emit) {
    emit(await idle(stage));
    for (const transport of stage.transports) emit(await atPolls(stage, transport));
    emit(await enqueueing(stage));
  },
};

const mb = (run: Run) => round(residentMb(run.services[0]!.pid), 1);

async function idle(stage: Stage): Promise<Measurement> {
  await using run = await Run.begin(stage);
  await Bun.sleep(stage.sizes.settleSeconds * 1000);
  return { how: "idle", figures: { endMb: mb(run) } };
}

async function atPolls(stage: Stage, transport: TransportName): Promise<Measurement> {
  const { polls, settleSeconds } = stage.sizes;
  await using run = await Run.begin(stage);
  const child = await run.child();
  const startMb = mb(run);
  // Over WebSocket a hundred claims share a connection, as they would for workers of that concurrency.
  const target = { ...run.target(transport), connections: Math.max(1, Math.round(polls / 100)) };
  await child.call("holdPolls", { target, count: polls });
  await Bun.sleep(settleSeconds * 1000);
  const endMb = mb(run);
  const { answered, failed } = await child.call("endPolls", null);
  return {
    how: `${polls.toLocaleString("en")} long polls, ${transport}`,
    figures: { startMb, endMb, lost: answered + failed },
  };
}

const SAMPLE_MS = 1000;
/** Of the samples, one in so many is kept. */
const KEPT = 10;

async function enqueueing(stage: Stage): Promise<Measurement> {
  const seconds = stage.sizes.memorySeconds;
  await using run = await Run.begin(stage);
  const samples = [mb(run)];
  const timer = setInterval(() => samples.push(mb(run)), Math.min(SAMPLE_MS, (seconds * 1000) / 10));
  try {
    const shape = { callers: 64, batch: 1, seconds, warmSeconds: 0 };
    const figures = await enqueueOn(run, stage.transports.at(-1)!, run.urls, shape);
    samples.push(mb(run));
    const minute = samples[Math.min(60, Math.floor(samples.length / 10))]!;
    return {
      how: `W1 for ${seconds} s`,
      figures: {
        startMb: samples[0]!,
        minuteMb: minute,
        endMb: samples.at(-1)!,
        maxMb: Math.max(...samples),
        tasksPerSecond: figures.tasksPerSecond!,
        lost: figures.lost!,
      },
      series: samples.filter((_, at) => at % KEPT === 0),
    };
  } finally {
    clearInterval(timer);
  }
}
