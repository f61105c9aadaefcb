import { quantiles } from "../rows.ts";
import { QUEUE } from "./payload.ts";
import { openTransports, type Target, type Transport } from "./transport.ts";

export interface Drained {
  readonly completed: number;
  /** From the first claim to the last completion. */
  readonly seconds: number;
  /** Of a claim and the completion of what it gave. */
  readonly p50: number;
  readonly p99: number;
}

/** Between claims that found nothing while others still hold tasks. */
const EMPTY_PAUSE_MS = 2;

/** Callers that claim up to `limit` tasks and complete them at once, until `tasks` are done or the time is over. */
export async function drain(args: {
  target: Target;
  callers: number;
  limit: number;
  tasks: number;
  capSeconds: number;
}): Promise<Drained> {
  const { target, callers, limit, tasks, capSeconds } = args;
  const transports = await openTransports(target);
  const times: number[] = [];
  let completed = 0;
  const start = performance.now();
  const end = start + capSeconds * 1000;
  let last = start;
  const caller = async (transport: Transport) => {
    while (completed < tasks && performance.now() < end) {
      const before = performance.now();
      const claimed = await transport.call("task.claim", { queue: QUEUE, limit });
      const receipts = claimed.tasks.map(({ receipt }) => receipt);
      if (receipts.length === 0) {
        await Bun.sleep(EMPTY_PAUSE_MS);
        continue;
      }
      const done = await complete(transport, limit, receipts);
      completed += done;
      last = performance.now();
      times.push(last - before);
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, at) => caller(transports[at % transports.length]!)));
  for (const transport of transports) transport.close();
  const { p50, p99 } = quantiles(times);
  return { completed, seconds: (last - start) / 1000, p50, p99 };
}

/** Gives back how many were completed. */
async function complete(transport: Transport, limit: number, receipts: readonly string[]): Promise<number> {
  if (limit === 1) {
    await transport.call("task.complete", { receipt: receipts[0]! });
    return 1;
  }
  const { items } = await transport.call("task.completeMany", { items: receipts.map((receipt) => ({ receipt })) });
  return items.filter(({ ok }) => ok).length;
}

interface Held {
  readonly transports: readonly Transport[];
  readonly ended: Promise<unknown>;
  letGo: boolean;
  /** Claims that were answered, and those that failed, while they were to be held open. */
  answered: number;
  failed: number;
}

let held: Held | null = null;

/** Holds `count` claims open on a queue that has no task. Resolves when all are sent. */
export async function holdPolls(args: { target: Target; count: number }): Promise<null> {
  const transports = await openTransports(args.target);
  const state = { transports, letGo: false, answered: 0, failed: 0 };
  const poll = async (transport: Transport) => {
    while (!state.letGo) {
      try {
        await transport.call("task.claim", { queue: `${QUEUE}-empty`, waitSeconds: 60 });
        state.answered += 1;
      } catch {
        if (!state.letGo) state.failed += 1;
        return;
      }
    }
  };
  const polls = Array.from({ length: args.count }, (_, at) => poll(transports[at % transports.length]!));
  held = Object.assign(state, { ended: Promise.all(polls) });
  return null;
}

/** Lets go of them, and says how many were answered or failed before. */
export async function endPolls(): Promise<{ answered: number; failed: number }> {
  const state = held;
  if (state === null) return { answered: 0, failed: 0 };
  state.letGo = true;
  for (const transport of state.transports) transport.close();
  await state.ended;
  held = null;
  return { answered: state.answered, failed: state.failed };
}
