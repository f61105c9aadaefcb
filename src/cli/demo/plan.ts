import type { JsonObject, NewTask } from "../../client/index.ts";

/** What the demo's payloads say of the work; the demo worker does as they say. */
export interface DemoWork {
  readonly workMs: number;
  readonly fails: "never" | "once" | "always";
}

export const TASK_COUNT = 2000;
/** Short, so that the killed worker's tasks come back while somebody watches. */
export const LEASE_SECONDS = 3;
/** How many tasks fail whatever is done, and end dead. */
export const HOPELESS = 20;

/**
 * Tasks of one kind take unlike long. Were they alike, a worker's tasks would begin and end in step, and a kill that hits
 * while all of them are being reported would leave nothing to take over.
 */
const SPREAD_MS = 200;

interface Kind {
  readonly name: string;
  readonly priority: number | "high" | "low";
  readonly workMs: number;
  payload(at: number): JsonObject;
}

const KINDS: readonly Kind[] = [
  {
    name: "send-welcome-mail",
    priority: 5,
    workMs: 50,
    payload: (at) => ({ to: `user${at}@example.com`, locale: "en" }),
  },
  {
    name: "charge-card",
    priority: "high",
    workMs: 90,
    payload: (at) => ({ order: 70_000 + at, cents: 990 + (at % 50) * 100 }),
  },
  {
    name: "resize-image",
    priority: 6,
    workMs: 120,
    payload: (at) => ({ image: `uploads/${at}.jpg`, widths: [320, 1280] }),
  },
  { name: "update-search-index", priority: "low", workMs: 40, payload: (at) => ({ document: at, revision: at % 7 }) },
  {
    name: "deliver-webhook",
    priority: 4,
    workMs: 70,
    payload: (at) => ({ url: `https://example.com/hook/${at % 90}`, event: "paid" }),
  },
];

/** The tasks, the same in each run: every tenth is delayed, every twelfth fails once, and HOPELESS of them always. */
export function plannedTasks(): NewTask[] {
  return Array.from({ length: TASK_COUNT }, (_, at) => {
    const { name, priority, workMs, payload } = KINDS[at % KINDS.length]!;
    const hopeless = at % (TASK_COUNT / HOPELESS) === 7;
    const work: DemoWork = {
      workMs: workMs + ((at * 37) % SPREAD_MS),
      fails: hopeless ? "always" : at % 12 === 3 ? "once" : "never",
    };
    return {
      name,
      priority,
      payload: { ...payload(at), demo: { ...work } },
      ...(at % 10 === 1 ? { delaySeconds: 1 + (at % 3) } : {}),
      ...(hopeless ? { maxAttempts: 3 } : {}),
    };
  });
}

/** Back-off of the demo's queue: real queues wait longer, but nobody wants to watch that. */
export const QUEUE_POLICY = {
  leaseSeconds: LEASE_SECONDS,
  maxAttempts: 5,
  backoff: { baseSeconds: 0.3, factor: 2, maxSeconds: 1, jitter: true },
};
