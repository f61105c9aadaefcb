import type { Child } from "../children.ts";
import type { TransportName } from "../options.ts";
import { type Figures, round } from "../rows.ts";
import { Run, type Stage } from "../stage.ts";
import { everyPeer, type Workload } from "./workload.ts";

export const W3: Workload = {
  name: "W3",
  what: "one worker process of 64 drains the queue",
  once: false,
  peers: [everyPeer("W3")],
  async run(stage, emit) {
    await using run = await Run.begin(stage);
    emit({ how: "Worker", figures: await fillAndWorkOff(run, run.urls, { processes: 1, concurrency: 64 }) });
  },
};

export const W7: Workload = {
  name: "W7",
  what: "8 worker processes of 8 drain the queue",
  once: false,
  peers: [everyPeer("W7")],
  async run(stage, emit) {
    await using run = await Run.begin(stage);
    emit({ how: "Worker", figures: await fillAndWorkOff(run, run.urls, { processes: 8, concurrency: 8 }) });
  },
};

export const W3RAW: Workload = {
  name: "W3raw",
  what: "4 callers drain the queue, claim and completeMany by 250",
  once: false,
  peers: [],
  run: async (stage, emit) => {
    for (const transport of stage.transports)
      emit({ how: transport, figures: await callOff(stage, transport, { callers: 4, limit: 250 }) });
  },
};

/** The peers that can be told not to batch; bench-peers calls that "plain". */
const PLAIN = new Set(["pg-boss", "graphile-worker", "pgmq"]);

export const W3S: Workload = {
  name: "W3s",
  what: "64 callers drain the queue, one claim and one complete a task",
  once: false,
  peers: [{ workload: "W3", as: (peer) => (PLAIN.has(peer) ? `${peer}:plain` : null) }],
  run: async (stage, emit) => {
    for (const transport of stage.transports)
      emit({ how: transport, figures: await callOff(stage, transport, { callers: 64, limit: 1 }) });
  },
};

/** Most tasks that are drained to warm up, for each second of --warm-seconds. */
const WARM_TASKS = 20_000;

/** Fills the queue; before that, it is filled and drained once by bare calls, if the service is to be warm. */
async function filled(run: Run, limit: number): Promise<{ child: Child; warmed: number }> {
  const control = await run.child();
  const { warmSeconds, capSeconds } = run.stage.sizes;
  const tasks = Math.min(WARM_TASKS, Math.round((warmSeconds * WARM_TASKS) / 3));
  if (tasks > 0) {
    await control.call("fill", { target: run.quickest, count: tasks });
    await control.call("drain", { target: run.quickest, callers: limit === 1 ? 64 : 4, limit, tasks, capSeconds });
  }
  await control.call("fill", { target: run.quickest, count: run.stage.sizes.tasks });
  await run.settle({ vacuum: true });
  return { child: control, warmed: tasks };
}

/** Drained by bare calls, one process of callers. */
async function callOff(
  stage: Stage,
  transport: TransportName,
  { callers, limit }: { callers: number; limit: number },
): Promise<Figures> {
  await using run = await Run.begin(stage);
  const { child, warmed } = await filled(run, limit);
  const { tasks, capSeconds } = stage.sizes;
  const before = await run.meter.read();
  const drained = await child.call("drain", { target: run.target(transport), callers, limit, tasks, capSeconds });
  const used = await run.meter.since(before, drained.completed);
  const { completed, unfinished } = await run.counts();
  return {
    tasksPerSecond: round(drained.completed / drained.seconds, 0),
    p50: drained.p50,
    p99: drained.p99,
    seconds: round(drained.seconds, 2),
    ...used,
    // A completion that was not counted by its caller shows here as well, below 0.
    lost: tasks - (completed - warmed) - unfinished + Math.min(0, drained.completed - (completed - warmed)),
  };
}

const LOOK_MS = 5;
/** About what a busy worker claims at a time. */
const WORKER_CLAIM = 250;

/** Drained by the project's own Worker: from the start of work until the store says that nothing is left. */
export async function fillAndWorkOff(run: Run, urls: readonly string[], how: Workforce): Promise<Figures> {
  const { warmed } = await filled(run, WORKER_CLAIM);
  return await workOff(run, urls, how, { tasks: run.stage.sizes.tasks, warmed });
}

export interface Workforce {
  readonly processes: number;
  readonly concurrency: number;
}

/** The same for a queue that holds `tasks`, beside `warmed` that were completed before. */
export async function workOff(
  run: Run,
  urls: readonly string[],
  { processes, concurrency }: Workforce,
  { tasks, warmed }: { tasks: number; warmed: number },
): Promise<Figures> {
  const { capSeconds } = run.stage.sizes;
  const workers = await Promise.all(Array.from({ length: processes }, () => run.child()));
  const handled = workers.map(() => 0);
  for (const [at, worker] of workers.entries())
    worker.onCount = (count) => {
      handled[at] = count.handled;
    };
  const total = () => handled.reduce((sum, count) => sum + count, 0);
  const before = await run.meter.read();
  const start = performance.now();
  const inTime = () => performance.now() - start < capSeconds * 1000;
  await Promise.all(workers.map((worker) => worker.call("work", { urls, concurrency, marks: [] })));
  while (total() < tasks && inTime()) await Bun.sleep(LOOK_MS);
  let left = (await run.counts()).unfinished;
  while (left > 0 && inTime()) {
    await Bun.sleep(LOOK_MS);
    left = (await run.counts()).unfinished;
  }
  const seconds = (performance.now() - start) / 1000;
  const used = await run.meter.since(before, tasks - left);
  const stopped = await Promise.all(workers.map((worker) => worker.call("stopWork", null)));
  const { completed, unfinished } = await run.counts();
  return {
    tasksPerSecond: round((tasks - left) / seconds, 0),
    seconds: round(seconds, 2),
    ...used,
    extraRuns: Math.max(0, total() - tasks),
    troubles: stopped.reduce((sum, { troubles }) => sum + troubles, 0),
    lost: tasks - (completed - warmed) - unfinished,
  };
}
