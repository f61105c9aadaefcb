/**
 * The states of a task and the moves between them: the one place that says which move is allowed. The SQL in queries.ts
 * carries each move out; docs/architecture.md's diagram is printed from this table.
 */
export const STATES = ["waiting", "pending", "claimed", "completed", "failed", "cancelled"] as const;
export type State = (typeof STATES)[number];

/** The states a task ends in. A finished task is in table `task` alone; the others are also in the table of their state. */
export const FINISHED = ["completed", "failed", "cancelled"] as const satisfies readonly State[];
export type Outcome = (typeof FINISHED)[number];

export const LIFECYCLE = {
  enqueue: { from: [], to: ["pending", "waiting"], guard: "" },
  unblock: { from: ["waiting"], to: ["pending"], guard: "every dependency is settled" },
  claim: {
    from: ["pending"],
    to: ["claimed"],
    guard: "due and its queue not paused; attempts + 1, new lease sequence",
  },
  complete: { from: ["claimed"], to: ["completed"], guard: "the receipt is the current lease" },
  fail: {
    from: ["claimed"],
    to: ["pending", "failed"],
    guard: "the receipt is the current lease; failed when no attempt is left",
  },
  release: { from: ["claimed"], to: ["pending"], guard: "the receipt is the current lease; gives the attempt back" },
  extend: { from: ["claimed"], to: ["claimed"], guard: "the receipt is the current lease" },
  expire: { from: ["claimed"], to: ["pending", "failed"], guard: "the lease ran out by the database's clock" },
  cancel: { from: ["waiting", "pending", "claimed"], to: ["cancelled"], guard: "" },
  retry: { from: ["completed", "failed", "cancelled"], to: ["pending"], guard: "the lease sequence goes on" },
} as const satisfies Record<string, { from: readonly State[]; to: readonly State[]; guard: string }>;

export type Action = keyof typeof LIFECYCLE;

/** True when `action` may be asked of a task in `state`. */
export function allows(action: Action, state: State): boolean {
  return (LIFECYCLE[action].from as readonly State[]).includes(state);
}

export function isFinished(state: State): state is Outcome {
  return (FINISHED as readonly State[]).includes(state);
}
