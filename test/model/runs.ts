/** Whole runs: steps taken at random, and among them short stories that chance alone would seldom tell to the end. */
import fc from "fast-check";
import {
  anyStep,
  complete,
  due,
  enqueue,
  enqueueMany,
  extend,
  fail,
  lapse,
  PICK_NEWEST,
  progress,
  release,
  requestId,
  restore,
  retry,
  type Step,
  spec,
  step,
  sweep,
  weighted,
} from "./commands.ts";

/** A task that is claimed again after its lease ended, so that there is a receipt of an earlier lease. */
const anything = {
  names: fc.constant(undefined),
  leaseSeconds: fc.constant(undefined),
  requestId: fc.constant(undefined),
};
const taken = step("claim", {
  queues: fc.constant([0, 1, 2]),
  limit: fc.constant(4),
  worker: fc.constant(0),
  ...anything,
});
const late = fc.oneof(extend, progress, complete, fail, release).map((one) => {
  const stale = { of: "stale", pick: PICK_NEWEST };
  return "receipts" in one ? { ...one, receipts: [stale] } : { ...one, receipt: stale };
});
const comeback = fc.oneof(
  fc.tuple(taken, lapse, lapse, sweep, taken, late),
  fc.tuple(taken, release, release, taken, late),
  fc.tuple(taken, fail, due, due, taken, late),
);

/**
 * Two tasks of one key, one after the other, of which the first is brought back, or both are.
 */
const newest = { task: fc.constant(PICK_NEWEST), requestId: fc.constant(undefined) };
const keyed = spec.map((one) => ({ when: {}, onDependencyFailure: one.onDependencyFailure, dedupeKey: "k1" }));
const first = step("enqueue", { queue: fc.constant(0), spec: keyed, requestId: fc.constant(undefined) });
const ended = fc.oneof(step("cancel", { ...newest, reason: fc.constant(undefined) }), step("delete", newest));
const back = fc.oneof(
  retry,
  restore,
  step("redrive", {
    queue: fc.constant(0),
    state: fc.constant("cancelled"),
    names: fc.constant(undefined),
    limit: fc.constant(undefined),
    requestId,
  }),
);
const twins = fc.tuple(first, ended, first, fc.option(ended, { freq: 2 }), back);

/**
 * A run: what it does, from two queues that are there and one that is not; some tasks come first, so that there is
 * something to do. Unbiased, or half of the runs would be too short for anything to happen.
 */
const tasksFirst = fc.array(fc.oneof(enqueue, enqueueMany), { maxLength: 6, size: "max" });
const oneOrMore = fc.oneof(
  weighted(
    30,
    anyStep.map((one) => [one]),
  ),
  weighted(2, comeback),
  weighted(
    1,
    twins.map((story) => story.filter((one) => one !== null)),
  ),
);
const steps = fc.array(oneOrMore, { maxLength: 34, size: "max" });
export const anyRun = fc
  .noBias(fc.tuple(tasksFirst, steps))
  .map(([tasks, rest]): Step[] => [...tasks, ...(rest.flat() as Step[])]);
