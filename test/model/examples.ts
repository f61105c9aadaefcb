/** Runs in which the service and the model once parted: played first, every time. */
import { PICK_NEWEST, type Spec, type Step } from "./commands.ts";

const once = { requestId: undefined } as const;
const repeatable = { requestId: true } as const;
const held = { of: "held", pick: 0 } as const;
const stale = { of: "stale", pick: PICK_NEWEST } as const;

const enqueue = (spec: Partial<Spec> = {}, request: { requestId: true | undefined } = once): Step => ({
  kind: "enqueue",
  queue: 0,
  spec: { when: {}, ...spec },
  ...request,
});
const claim: Step = {
  kind: "claim",
  queues: [0],
  names: undefined,
  limit: 1,
  leaseSeconds: undefined,
  worker: undefined,
  ...once,
};
const purge = (states: (Step & { kind: "purge" })["states"]): Step => ({ kind: "purge", queue: 0, states, ...once });
const cancelNewest: Step = { kind: "cancel", task: PICK_NEWEST, reason: undefined, ...once };
const failure = { error: { message: "no" }, retry: undefined, delaySeconds: 0 } as const;
const repeat = (how: "same" | "changed"): Step => ({ kind: "repeat", pick: 0, how });

export const EXAMPLES: readonly (readonly [what: string, steps: Step[]])[] = [
  ["purging a parent and its child takes both", [enqueue(), enqueue({ dependsOn: [0] }), purge(undefined)]],
  [
    "purging a parent does not take the child that becomes pending by it",
    [enqueue(), enqueue({ dependsOn: [0], onDependencyFailure: "run" }), purge(["pending"])],
  ],
  [
    "a payload may have a member named requestId",
    [enqueue({ payload: { requestId: "a" } }, repeatable), repeat("changed")],
  ],
  ["an empty object is not an empty list", [enqueue({ payload: { x: {} } }, repeatable), repeat("changed")]],
  [
    "one receipt twice in a call, its task with a child",
    [enqueue(), enqueue({ dependsOn: [0] }), claim, { kind: "failMany", receipts: [held, held], ...failure, ...once }],
  ],
  [
    "an older and the current receipt of a task in one call",
    [
      enqueue(),
      claim,
      { kind: "release", receipt: held, delaySeconds: 0, ...once },
      claim,
      { kind: "completeMany", receipts: [stale, held], result: undefined, ...once },
    ],
  ],
  [
    "a refused call leaves its requestId unused",
    [
      enqueue(),
      claim,
      { kind: "release", receipt: held, delaySeconds: 0, ...once },
      { kind: "complete", receipt: stale, result: undefined, ...repeatable },
      repeat("changed"),
    ],
  ],
  [
    "a repeat is answered when its queue is gone",
    [
      enqueue(),
      { kind: "delete", task: 0, ...repeatable },
      { kind: "drop", queue: 0, force: undefined, ...once },
      repeat("same"),
    ],
  ],
  [
    "as many attempts as were made are no maximum",
    [
      enqueue(),
      claim,
      { kind: "fail", receipt: held, ...failure, ...once },
      { kind: "update", task: 0, patch: { maxAttempts: 1 }, ...once },
    ],
  ],
  [
    "of two dead tasks with one key, a redrive brings one back",
    [
      enqueue({ dedupeKey: "k1" }),
      cancelNewest,
      enqueue({ dedupeKey: "k1" }),
      cancelNewest,
      { kind: "redrive", queue: 0, state: "cancelled", names: undefined, limit: undefined, ...once },
    ],
  ],
];
