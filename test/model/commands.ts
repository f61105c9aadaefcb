/**
 * The steps of a random run, as plain data: what is printed of a counterexample. Tasks, receipts and repeated requests are
 * named by a number that is taken modulo those there are, so that a run from which steps were taken out still makes sense.
 */
import fc from "fast-check";

export const QUEUES = 3;
/** Most of it happens in one queue, so that things meet. */
const queue = fc.constantFrom(0, 0, 0, 0, 0, 1, 1, 1, 2);
/** A pick of this value names a task that never was. */
export const PICK_NONE = 1000;
/** A pick of this value names the newest there is. */
export const PICK_NEWEST = 999;
const pick = fc.oneof({ weight: 30, arbitrary: fc.nat(PICK_NEWEST) }, { weight: 1, arbitrary: fc.constant(PICK_NONE) });
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const seldom = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 4 });

const name = fc.constantFrom("mail", "bill", "ship");
const key = fc.constantFrom("k1", "k1", "k1", "k2");
const priority = fc.constantFrom(0, 3, 5, 9);
/** Few times, so that tasks often share one and the id must decide. */
const past = fc.integer({ min: 1, max: 3 }).map((second) => `2020-01-01T00:00:0${second}.000Z`);
const LATER_SECONDS = 5_000;
/** The last ones differ only where a careless comparison would not look. */
const payload = fc.constantFrom<Record<string, fc.JsonValue>>(
  {},
  { n: 1 },
  { n: 2, text: "é" },
  { long: "x".repeat(200) },
  { requestId: "a" },
  { requestId: "b" },
  { x: {} },
  { x: [] },
);

export const spec = fc.record(
  {
    name: optional(name),
    payload: optional(payload),
    priority: optional(priority),
    when: fc.oneof(
      { weight: 4, arbitrary: fc.constant({}) },
      { weight: 3, arbitrary: past.map((runAt) => ({ runAt })) },
      { weight: 1, arbitrary: fc.constantFrom({ delaySeconds: 0 }, { delaySeconds: LATER_SECONDS }) },
    ),
    maxAttempts: optional(fc.integer({ min: 1, max: 3 })),
    dedupeKey: fc.option(key, { nil: undefined, freq: 2 }),
    dedupeSeconds: seldom(fc.constantFrom(0, 1000)),
    dependsOn: seldom(fc.array(pick, { minLength: 1, maxLength: 3 })),
    onDependencyFailure: optional(fc.constantFrom("cancel", "fail", "run")),
    tags: seldom(fc.constant(["a", "b", "a"])),
    ownerId: seldom(fc.constantFrom("ann", "bob")),
    dueAt: seldom(fc.constantFrom("2030-01-01T00:00:00.000Z", "2031-01-01T00:00:00+02:00")),
  },
  { requiredKeys: ["when"] },
);
export type Spec = typeof spec extends fc.Arbitrary<infer T> ? T : never;

/** Mostly a current lease; else an older one of a task that is claimed again, or any receipt ever given. */
const receipt = fc.record({ of: fc.constantFrom("held", "held", "held", "held", "stale", "any"), pick });
const receipts = fc.array(receipt, { minLength: 1, maxLength: 4 });
const result = optional(fc.constantFrom<fc.JsonValue>(null, { ok: true }, "done"));
const error = fc.constantFrom<{ message: string; code?: string; data?: fc.JsonValue }>(
  { message: "no" },
  { message: "worse", code: "E1", data: { at: [1] } },
);
const failure = { error, retry: optional(fc.boolean()), delaySeconds: optional(fc.constantFrom(0, 0, LATER_SECONDS)) };
const state = fc.constantFrom("waiting", "pending", "claimed", "completed", "failed", "cancelled");
/** Unfinished and finished ones are not asked for together: an end that the purge itself brings would count or not. */
const purged = fc.constantFrom(
  ["pending"],
  ["waiting"],
  ["claimed"],
  ["pending", "waiting", "claimed"],
  ["completed"],
  ["failed", "cancelled", "completed"],
);
export const requestId = fc.option(fc.constant(true), { nil: undefined, freq: 5 });

export const step = <K extends string, T extends object>(kind: K, parts: { [P in keyof T]: fc.Arbitrary<T[P]> }) =>
  fc.record({ kind: fc.constant(kind), ...parts }) as unknown as fc.Arbitrary<{ kind: K } & T>;

export const enqueue = step("enqueue", { queue, spec, requestId });
export const enqueueMany = step("enqueueMany", {
  queue,
  specs: fc.array(fc.record({ queue: seldom(queue), spec }), { minLength: 1, maxLength: 4 }),
  requestId,
});
const claim = step("claim", {
  queues: fc.oneof(fc.constant([0, 1, 2]), fc.uniqueArray(queue, { minLength: 1, maxLength: 2 })),
  names: seldom(fc.uniqueArray(name, { minLength: 1, maxLength: 2 })),
  limit: fc.integer({ min: 1, max: 4 }),
  leaseSeconds: seldom(fc.constant(600)),
  worker: optional(fc.nat(2)),
  requestId,
});
export const complete = step("complete", { receipt, result, requestId });
const completeMany = step("completeMany", { receipts, result, requestId });
export const fail = step("fail", { receipt, ...failure, requestId });
const failMany = step("failMany", { receipts, ...failure, requestId });
export const release = step("release", {
  receipt,
  delaySeconds: optional(fc.constantFrom(0, LATER_SECONDS)),
  requestId,
});
const percent = fc.constantFrom(0, 33.5, 100);
const note = optional(fc.constant("so far"));
export const extend = step("extend", {
  receipts,
  leaseSeconds: optional(fc.constant(700)),
  progress: optional(fc.record({ percent, note }, { requiredKeys: ["percent"] })),
  requestId,
});
export const progress = step("progress", {
  receipt,
  percent,
  note,
});

const patch = fc.record(
  {
    name: optional(fc.option(name)),
    payload: optional(payload),
    priority: optional(priority),
    runAt: optional(past),
    maxAttempts: optional(fc.integer({ min: 1, max: 3 })),
    description: optional(fc.constantFrom("about", null)),
    dueAt: optional(fc.constantFrom("2029-01-01T00:00:00.000Z", null)),
    ownerId: optional(fc.constantFrom("cid", null)),
    tags: optional(fc.constantFrom([], ["c", "c", "d"])),
  },
  { requiredKeys: [] },
);
const update = step("update", { task: pick, patch, requestId });
const cancel = step("cancel", { task: pick, reason: optional(fc.constant("not needed")), requestId });
export const retry = step("retry", {
  task: pick,
  delaySeconds: optional(fc.constantFrom(0, LATER_SECONDS)),
  requestId,
});
const remove = step("delete", { task: pick, requestId });
export const restore = step("restore", { task: pick, requestId });
const get = step("get", { task: pick, waiting: fc.boolean() });
const getWorker = step("getWorker", { worker: fc.nat(2) });

const filter = {
  states: optional(fc.uniqueArray(state, { minLength: 1, maxLength: 3 })),
  names: seldom(fc.constant(["mail", "bill"])),
  priority: seldom(priority),
  ownerId: seldom(fc.constant("ann")),
  payload: seldom(fc.constant({ n: 1 })),
  deleted: optional(fc.boolean()),
};
const sort = fc.constantFrom("added", "-added", "finished", "-finished", "dueAt", "priority");
const list = step("list", { queue, ...filter, sort: optional(sort), limit: optional(fc.integer({ min: 1, max: 5 })) });
const count = step("count", { queue, ...filter });

const ofQueue = step("queue", {
  queue,
  verb: fc.constantFrom("pause", "resume", "resume", "get", "stats", "stats"),
  requestId,
});
const policy = step("policy", {
  queue,
  verb: fc.constantFrom("create", "update", "update"),
  maxAttempts: optional(fc.integer({ min: 1, max: 4 })),
  maxPayloadBytes: optional(fc.constantFrom(64, 1000)),
  requestId,
});
const purge = step("purge", { queue, states: optional(purged), requestId });
const redrive = step("redrive", {
  queue,
  state: optional(fc.constantFrom("completed", "failed", "cancelled")),
  names: seldom(fc.constant(["mail"])),
  limit: optional(fc.integer({ min: 1, max: 2 })),
  requestId,
});
const drop = step("drop", { queue, force: optional(fc.boolean()), requestId });

/** A call with a requestId, once more: as it was, with its parameters in another order, with others, as another method. */
const repeat = step("repeat", { pick, how: fc.constantFrom("same", "same", "reordered", "changed", "otherMethod") });

/** What time does: a lease runs out, upkeep takes such leases back, a delayed task falls due. */
export const lapse = step("lapse", { pick });
export const sweep = step("sweep", {});
export const due = step("due", { pick });

export const weighted = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary });

export const anyStep = fc.oneof(
  weighted(12, enqueue),
  weighted(8, enqueueMany),
  weighted(20, claim),
  weighted(9, complete),
  weighted(5, completeMany),
  weighted(9, fail),
  weighted(6, failMany),
  weighted(5, release),
  weighted(4, extend),
  weighted(3, progress),
  weighted(5, update),
  weighted(5, cancel),
  weighted(6, retry),
  weighted(4, remove),
  weighted(4, restore),
  weighted(3, get),
  weighted(1, getWorker),
  weighted(3, list),
  weighted(1, count),
  weighted(3, ofQueue),
  weighted(2, policy),
  weighted(3, purge),
  weighted(3, redrive),
  weighted(1, drop),
  weighted(7, repeat),
  weighted(4, lapse),
  weighted(3, sweep),
  weighted(2, due),
);
export type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;
