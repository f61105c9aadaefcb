/** A dispatcher whose database answers when a test says so. */
import type { ClaimedView } from "../../src/domain/task/views.ts";
import { ClaimDispatcher, type QueueName } from "../../src/engine/claim-dispatcher.ts";
import { ANY, type Ask, type Round } from "../../src/engine/claim-line.ts";
import type { Came } from "../../src/engine/split.ts";

interface Statement {
  readonly queue: string;
  readonly asks: readonly Ask[];
  /** Answers it: to each of its claims so many tasks, in order; `full` unless somebody got fewer than asked. */
  give(...counts: number[]): Promise<void>;
  fail(error: Error): Promise<void>;
}

/** Two turns: one for what a promise of this turn starts, and its end. */
export const turn = async () => {
  for (let n = 0; n < 3; n++) await new Promise((resolve) => setImmediate(resolve));
};

/** A dispatcher over a database whose statements are answered by hand. */
export function stage() {
  const statements: Statement[] = [];
  const looks: string[][] = [];
  const due = new Set<string>();
  const dueNames = new Set<string>();
  let next = 0;
  const take = (queue: QueueName, asks: readonly Ask[]) =>
    new Promise<Round>((resolve) => {
      const answer = (came: readonly Came<ClaimedView[]>[], full: boolean) => {
        resolve({ came: new Map(asks.map((ask, at) => [ask, came[at]!])), full });
        return turn();
      };
      statements.push({
        queue: queue.queue,
        asks,
        give: (...counts) =>
          answer(
            asks.map((_, at) => ({ answer: Array.from({ length: counts[at] ?? 0 }, () => task(`t${next++}`)) })),
            asks.every(({ limit }, at) => counts[at] === limit),
          ),
        fail: (error) =>
          answer(
            asks.map(() => ({ error })),
            false,
          ),
      });
    });
  const dispatcher = new ClaimDispatcher({
    of: (queue) => ({
      take: (asks) => take(queue, asks),
      dueNames: async (names) => {
        looks.push([...names].sort());
        return new Set(names.filter((name) => dueNames.has(name)));
      },
      waitedFor: () => {},
    }),
    due: async (queues) => {
      looks.push(queues.map(({ queue }) => queue));
      return new Set(queues.filter(({ queue }) => due.has(queue)));
    },
  });
  return { dispatcher, statements, looks, due, dueNames };
}

export const task = (id: string) => ({ id }) as ClaimedView;
export const idsOf = (tasks: readonly ClaimedView[] | null) => tasks?.map(({ id }) => id) ?? null;

export function ask(options: Partial<Pick<Ask, "queues" | "names" | "limit" | "signal">> = {}): Ask {
  const names = options.names ?? null;
  return {
    projectId: 1,
    queues: ["q"],
    limit: 1,
    leaseSeconds: null,
    worker: null,
    request: { projectId: 1, requestId: undefined, method: "task.claim", params: {} },
    signal: new AbortController().signal,
    ...options,
    names,
    kind: names ? names.join() : ANY,
  };
}
