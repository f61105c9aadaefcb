import { persist } from "../support/persist.ts";
import { type RpcError, rpc } from "../support/service.ts";
import { socketRpc } from "../support/socket.ts";

/** What the callers of a load were told. Only what was answered counts as acknowledged. */
export interface Acknowledged {
  readonly enqueued: Set<string>;
  /** How often a task's completion was acknowledged under different receipts; one is right, two is the fault looked for. */
  readonly completedBy: Map<string, Set<string>>;
  /** Calls that had to be repeated because their outcome was unknown. */
  repeats: number;
}

export interface Load {
  readonly acknowledged: Acknowledged;
  /** Lets the calls under way end and begins no more. */
  stop(): Promise<void>;
}

const PRODUCERS = 8;
const WORKERS = 8;

/** Callers come over both transports in turn. */
const transportOf = (caller: number) => (caller % 2 === 0 ? rpc : socketRpc);

/**
 * Producers and workers that go on through failures as a careful client does: a call whose outcome is unknown is repeated
 * with its requestId, or with its receipt, until it is answered.
 */
export function startLoad(url: () => string, queue: string): Load {
  const acknowledged: Acknowledged = { enqueued: new Set(), completedBy: new Map(), repeats: 0 };
  let stopping = false;

  const careful = <T>(call: () => Promise<T>): Promise<T> => persist(call, () => acknowledged.repeats++);

  const produce = async (producer: number) => {
    const call = transportOf(producer);
    for (let n = 0; !stopping; n++) {
      const requestId = `${queue}-${producer}-${n}`;
      const { id } = await careful(() => call(url(), "task.enqueue", { queue, requestId, payload: { producer, n } }));
      acknowledged.enqueued.add(id);
    }
  };

  const work = async (worker: number) => {
    const call = transportOf(worker);
    while (!stopping) {
      const { tasks } = await careful(() =>
        call(url(), "task.claim", { queue, limit: 5, leaseSeconds: 1, waitSeconds: 0.1 }),
      );
      for (const { id, receipt } of tasks) {
        try {
          await careful(() => call(url(), "task.complete", { receipt, result: receipt }));
        } catch (error) {
          if ((error as RpcError).data?.type !== "lease_lost") throw error;
          continue;
        }
        const receipts = acknowledged.completedBy.get(id) ?? new Set();
        acknowledged.completedBy.set(id, receipts.add(receipt));
      }
    }
  };

  const all = [
    ...Array.from({ length: PRODUCERS }, (_, at) => produce(at)),
    ...Array.from({ length: WORKERS }, (_, n) => work(n)),
  ];
  return {
    acknowledged,
    async stop() {
      stopping = true;
      await Promise.all(all);
    },
  };
}

/** Every task of a queue, by id. */
export async function allTasks(url: string, queue: string) {
  const tasks = new Map<string, { state: string; result: unknown; payload: unknown }>();
  for (let cursor: string | undefined; ; ) {
    const page = await rpc(url, "task.list", { queue, limit: 1000, sort: "added", ...(cursor ? { cursor } : {}) });
    for (const task of page.tasks) tasks.set(task.id, task);
    if (page.nextCursor === null) return tasks;
    cursor = page.nextCursor;
  }
}

/** What a crash broke, in words; empty when the promises held. */
export async function brokenPromises(url: string, queue: string, acknowledged: Acknowledged): Promise<string[]> {
  const tasks = await allTasks(url, queue);
  const broken: string[] = [];
  for (const id of acknowledged.enqueued) if (!tasks.has(id)) broken.push(`task ${id} was acknowledged and is lost`);
  for (const [id, receipts] of acknowledged.completedBy) {
    const task = tasks.get(id);
    if (task?.state !== "completed") broken.push(`task ${id} was completed and is ${task?.state ?? "gone"}`);
    else if (!receipts.has(task.result as string)) broken.push(`task ${id} holds the result of another attempt`);
    if (receipts.size > 1) broken.push(`task ${id} was completed ${receipts.size} times`);
  }
  // A requestId is one call: no producer's number may stand in two tasks.
  const payloads = [...tasks.values()].map((task) => JSON.stringify(task.payload));
  if (new Set(payloads).size !== payloads.length)
    broken.push(`${payloads.length - new Set(payloads).size} calls acted twice`);
  const { violations } = await rpc(url, "admin.verify", {});
  return [...broken, ...violations.map((violation) => JSON.stringify(violation))];
}
