import { quantiles } from "../rows.ts";
import { payloadOf, QUEUE, tasksFrom } from "./payload.ts";
import { openTransports, type Target, type Transport } from "./transport.ts";

export interface Enqueued {
  /** Answered within the time. */
  readonly tasks: number;
  /** Answered at all: with each caller's first call, which is not timed, and its last, which came too late. */
  readonly all: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

/** Callers that each send a task, or `batch` tasks, and wait for the answer before the next. */
export async function enqueue(args: {
  target: Target;
  callers: number;
  seconds: number;
  batch: number;
}): Promise<Enqueued> {
  const { target, callers, seconds, batch } = args;
  const transports = await openTransports(target);
  const times: number[] = [];
  let seq = 0;
  let tasks = 0;
  let all = 0;
  const send = async (transport: Transport): Promise<number> => {
    const before = performance.now();
    if (batch === 1) await transport.call("task.enqueue", { queue: QUEUE, payload: payloadOf(seq++) });
    else {
      await transport.call("task.enqueueMany", { queue: QUEUE, tasks: tasksFrom(seq, batch) });
      seq += batch;
    }
    all += batch;
    return performance.now() - before;
  };
  const callerOf = (at: number) => transports[at % transports.length]!;
  // Opens every caller's connection.
  await Promise.all(Array.from({ length: callers }, (_, at) => send(callerOf(at))));
  const end = performance.now() + seconds * 1000;
  const caller = async (transport: Transport) => {
    while (performance.now() < end) {
      const took = await send(transport);
      if (performance.now() > end) return;
      tasks += batch;
      times.push(took);
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, at) => caller(callerOf(at))));
  for (const transport of transports) transport.close();
  const { p50, p99 } = quantiles(times);
  return { tasks, all, seconds, p50, p99 };
}

const FILL_BATCH = 1000;
const FILL_LANES = 4;

/** Puts `count` tasks into the queue, as quickly as may be. */
export async function fill(args: { target: Target; count: number }): Promise<null> {
  const transports = await openTransports(args.target);
  let next = 0;
  const lane = async () => {
    while (next < args.count) {
      const first = next;
      next += FILL_BATCH;
      const tasks = tasksFrom(first, Math.min(FILL_BATCH, args.count - first));
      await transports[0]!.call("task.enqueueMany", { queue: QUEUE, tasks });
    }
  };
  await Promise.all(Array.from({ length: FILL_LANES }, lane));
  for (const transport of transports) transport.close();
  return null;
}

/** How many tasks another process has worked off, as the bench tells. */
let workedOff = 0;

export async function tellWorkedOff(args: { count: number }): Promise<null> {
  workedOff = args.count;
  return null;
}

/** Sends batches for a time, with at most `limit` tasks outstanding: the pair runs as fast as its slower half. */
export async function feed(args: {
  target: Target;
  seconds: number;
  batch: number;
  callers: number;
  limit: number;
}): Promise<{ sent: number }> {
  const { seconds, batch, callers, limit } = args;
  const transports = await openTransports(args.target);
  workedOff = 0;
  let sent = 0;
  const end = performance.now() + seconds * 1000;
  const caller = async () => {
    while (performance.now() < end) {
      if (sent - workedOff + batch > limit) {
        await Bun.sleep(2);
        continue;
      }
      sent += batch;
      await transports[0]!.call("task.enqueueMany", { queue: QUEUE, tasks: tasksFrom(sent, batch) });
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  for (const transport of transports) transport.close();
  return { sent };
}
