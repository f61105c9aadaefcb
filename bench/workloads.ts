import { rpc } from "../test/support/service.ts";

/** What one run of a workload measured. Times are milliseconds of one call (pickup: from enqueue to claim). */
export interface Figures {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

export interface Run {
  readonly url: string;
  readonly seconds: number;
}

interface Workload {
  readonly what: string;
  measure(run: Run & { readonly queue: string }): Promise<Figures>;
}

const PAYLOAD = {
  seq: 1,
  kind: "invoice.render",
  account: "acct_1000001",
  locale: "en-GB",
  url: "https://example.org/invoices/2026/100001",
  note: "twelve lines, two tax rates, one attachment, net thirty days",
};

/** Callers that call one after the other until the time is up; `call` answers how many tasks it moved, 0 to end early. */
async function drive(callers: number, seconds: number, call: () => Promise<number>): Promise<Figures> {
  const times: number[] = [];
  let tasks = 0;
  const start = performance.now();
  const end = start + seconds * 1000;
  const caller = async () => {
    while (performance.now() < end) {
      const before = performance.now();
      const moved = await call();
      if (moved === 0) return;
      times.push(performance.now() - before);
      tasks += moved;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { perSecond: tasks / ((performance.now() - start) / 1000), ...quantiles(times) };
}

function quantiles(times: number[]): { p50: number; p99: number } {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}

/** Fills a queue so that a drain of `seconds` does not run dry. */
async function fill(url: string, queue: string, tasks: number): Promise<void> {
  const batch = Array.from({ length: 1000 }, () => ({ payload: PAYLOAD }));
  for (let added = 0; added < tasks; added += batch.length) await rpc(url, "task.enqueueMany", { queue, tasks: batch });
}

export const WORKLOADS: Record<string, Workload> = {
  enqueue: {
    what: "64 callers, one task a call",
    measure: ({ url, seconds, queue }) =>
      drive(64, seconds, async () => {
        await rpc(url, "task.enqueue", { queue, payload: PAYLOAD });
        return 1;
      }),
  },
  enqueueMany: {
    what: "4 callers, 1,000 tasks a call",
    measure: ({ url, seconds, queue }) => {
      const tasks = Array.from({ length: 1000 }, () => ({ payload: PAYLOAD }));
      return drive(4, seconds, async () => (await rpc(url, "task.enqueueMany", { queue, tasks })).tasks.length);
    },
  },
  drain: {
    what: "4 callers, claim and completeMany by 250",
    async measure({ url, seconds, queue }) {
      await fill(url, queue, seconds * 50_000);
      return await drive(4, seconds, async () => {
        const { tasks } = await rpc(url, "task.claim", { queue, limit: 250 });
        if (tasks.length === 0) return 0;
        await rpc(url, "task.completeMany", { items: tasks.map(({ receipt }) => ({ receipt })) });
        return tasks.length;
      });
    },
  },
  drainSingle: {
    what: "64 callers, one claim and one complete a task",
    async measure({ url, seconds, queue }) {
      await fill(url, queue, seconds * 10_000);
      return await drive(64, seconds, async () => {
        const { tasks } = await rpc(url, "task.claim", { queue });
        if (!tasks[0]) return 0;
        await rpc(url, "task.complete", { receipt: tasks[0].receipt });
        return 1;
      });
    },
  },
  pickup: {
    what: "one task every 50 ms to a waiting claim",
    async measure({ url, seconds, queue }) {
      const times: number[] = [];
      const start = performance.now();
      while (performance.now() - start < seconds * 1000) {
        const waiting = rpc(url, "task.claim", { queue, waitSeconds: 10 });
        await new Promise((resolve) => setTimeout(resolve, 50));
        const before = performance.now();
        await rpc(url, "task.enqueue", { queue, payload: PAYLOAD });
        await waiting;
        times.push(performance.now() - before);
      }
      return { perSecond: times.length / ((performance.now() - start) / 1000), ...quantiles(times) };
    },
  },
};
