import { Worker, type WorkerEvent } from "../../src/client/index.ts";
import { quantiles } from "../rows.ts";
import { payloadOf, QUEUE } from "./payload.ts";
import { openTransports, type Target } from "./transport.ts";

/** How many handlers this process has started, told to the bench as it goes. */
export interface Count {
  readonly handled: number;
  /** Milliseconds since 1970, of the monotonic clock. */
  readonly at: number;
}

export type Tell = (count: Count) => void;

const TELL_EVERY_MS = 20;
const EVENTS_OF_TROUBLE = new Set<WorkerEvent["type"]>(["lease_lost", "discarded", "unreported", "trouble"]);

export const nowMs = () => performance.timeOrigin + performance.now();

interface Working {
  readonly workers: readonly Worker[];
  readonly timer: ReturnType<typeof setInterval>;
  /** When the n-th handler started, for the n that were asked for. */
  readonly marks: Map<number, number>;
  troubles: number;
}

let working: Working | null = null;

/** Starts one Worker for each address, sharing the concurrency. Handlers do nothing but count. */
export async function work(
  args: { urls: readonly string[]; concurrency: number; marks: readonly number[] },
  tell: Tell,
): Promise<null> {
  let handled = 0;
  let told = 0;
  const marks = new Map<number, number>();
  const wanted = new Set(args.marks);
  const handle = () => {
    handled += 1;
    if (wanted.has(handled)) marks.set(handled, nowMs());
  };
  const timer = setInterval(() => {
    if (handled === told) return;
    told = handled;
    tell({ handled, at: nowMs() });
  }, TELL_EVERY_MS);
  const onEvent = (event: WorkerEvent) => {
    if (working && EVENTS_OF_TROUBLE.has(event.type)) working.troubles += 1;
  };
  const concurrency = Math.max(1, Math.round(args.concurrency / args.urls.length));
  const workers = args.urls.map((url) => new Worker({ url, queue: QUEUE, concurrency, handle, onEvent }));
  working = { workers, timer, marks, troubles: 0 };
  for (const worker of workers) worker.start();
  return null;
}

/** Stops them; when the marked handlers started, and how often something went wrong. */
export async function stopWork(): Promise<{ marks: [number, number][]; troubles: number }> {
  if (working === null) return { marks: [], troubles: 0 };
  const { workers, timer, marks } = working;
  clearInterval(timer);
  await Promise.all(workers.map((worker) => worker.stop({ graceSeconds: 5 })));
  const { troubles } = working;
  working = null;
  return { marks: [...marks], troubles };
}

const LATE_MS = 5000;
/** Number of the task that is not measured. */
const FIRST = -1;

/** Sender and Worker in this process: milliseconds from before the send until the handler starts. */
export async function pickup(args: {
  target: Target;
  workerUrl: string;
  /** How long after its start the worker is surely waiting. */
  warmSeconds: number;
  seconds: number;
  everyMs: number;
}): Promise<{ sent: number; received: number; p50: number; p99: number; max: number }> {
  const transports = await openTransports(args.target);
  const times: number[] = [];
  const { promise: firstHandled, resolve: handledFirst } = Promise.withResolvers<void>();
  const worker = new Worker({
    url: args.workerUrl,
    queue: QUEUE,
    concurrency: 8,
    handle: ({ payload }) => {
      if (payload.seq === FIRST) handledFirst();
      else times.push(performance.now() - Number(payload.t0));
    },
  });
  worker.start();
  // The first task makes the queue, which the peers have from the start.
  await transports[0]!.call("task.enqueue", { queue: QUEUE, payload: payloadOf(FIRST) });
  await firstHandled;
  await Bun.sleep(args.warmSeconds * 1000);
  const sent = Math.round((args.seconds * 1000) / args.everyMs);
  const start = performance.now();
  const calls: Promise<unknown>[] = [];
  for (let at = 0; at < sent; at++) {
    await until(start + at * args.everyMs);
    const payload = payloadOf(at, performance.now());
    calls.push(transports[0]!.call("task.enqueue", { queue: QUEUE, payload }));
  }
  await Promise.all(calls);
  const late = performance.now() + LATE_MS;
  while (times.length < sent && performance.now() < late) await Bun.sleep(20);
  await worker.stop({ graceSeconds: 5 });
  for (const transport of transports) transport.close();
  return { sent, received: times.length, ...quantiles(times) };
}

/** Timers are a millisecond coarse, so this comes back up to one early. */
async function until(dueMs: number): Promise<void> {
  while (performance.now() < dueMs - 1) await Bun.sleep(Math.max(0, dueMs - performance.now() - 1));
}
