import type { RefusalData, RefusalType } from "../../src/domain/refusals.ts";
import type { Contract } from "../../src/rpc/methods/index.ts";
import type { Matcher, Pattern } from "./pattern.ts";
import type { Model, Moment, Task } from "./state.ts";

/** What a call must answer: a result, or one of these refusals (more than one where several rules are broken at once). */
export type Expectation = { readonly result: Pattern } | { readonly refusals: readonly RefusalPattern[] };

export interface RefusalPattern {
  readonly code: number;
  readonly data: Pattern;
}

/** The codes of api.md, written down once more on purpose. */
const CODES: Record<string, number> = {
  invalid_params: -32602,
  not_found: 1001,
  wrong_state: 1002,
  lease_lost: 1003,
  conflict: 1004,
  payload_too_large: 1005,
};

export const refusal = <T extends RefusalType>(type: T, data: RefusalData[T]): RefusalPattern => ({
  code: CODES[type]!,
  data: { type, ...(data as Record<string, Pattern>) },
});
export const refuse = <T extends RefusalType>(type: T, data: RefusalData[T]): Expectation => ({
  refusals: [refusal(type, data)],
});
export const unknownTask = (id: string) => refusal("not_found", { noun: "task", id });
export const unknownQueue = (id: string) => refusal("not_found", { noun: "queue", id });

export const invalid = (path: string): RefusalPattern => ({
  code: CODES.invalid_params!,
  data: {
    type: "invalid_params",
    issues: (actual) =>
      Array.isArray(actual) && actual.some((issue) => issue.path === path) ? null : `one of ${path}`,
  },
});

/** What the clock and the database said once the call was over; what a pattern of a time is held against. */
export interface Readings {
  /** Microseconds, by task id. */
  readonly of: (id: string) => Record<"runAt" | "added" | "finished" | "deletedAt" | "leaseExpiresAt", number | null>;
  /** The window of a moment of the call under way, in microseconds. */
  readonly window: (moment: Moment) => { readonly from: number; readonly to: number };
}

/** What an operation works with. */
export interface Scene {
  readonly model: Model;
  /** Read when an answer is compared, so after the call. */
  readonly readings: () => Readings;
}

export type Operation<M extends keyof Contract> = (scene: Scene, params: Contract[M]["params"]) => Expectation;

/** Times are answered in milliseconds; the database knows microseconds. */
export const iso = (micros: number): string => new Date(Math.floor(micros / 1000)).toISOString();

/** A time of a task, as the database has it; whether it is the right one is checked with every step. */
export const stamp =
  (scene: Scene, task: Task, what: "runAt" | "added" | "finished" | "deletedAt" | "leaseExpiresAt"): Matcher =>
  (actual) => {
    const micros = scene.readings().of(task.id)[what];
    const wanted = micros === null ? null : iso(micros);
    return actual === wanted ? null : String(wanted);
  };

/** The id of a task that the call made; noted in the model. In a queue ids sort by creation. */
export const newId =
  (scene: Scene, task: Task): Matcher =>
  (actual) => {
    const inQueue = scene.model.everyTask.filter(({ queue }) => queue === task.queue);
    const before = inQueue[inQueue.indexOf(task) - 1]?.id ?? "";
    if (
      typeof actual !== "string" ||
      !/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(actual)
    )
      return "a uuid v7";
    if (actual <= before) return `an id after ${before}`;
    task.id = actual;
    return null;
  };

/** A receipt that was never given before; noted in the model. */
export const newReceipt =
  ({ model }: Scene, task: Task): Matcher =>
  (actual) => {
    if (typeof actual !== "string" || model.receipts.has(actual)) return "a receipt that was never given before";
    task.lease!.receipt = actual;
    model.receipts.set(actual, task);
    return null;
  };

export const MICROS_PER_SECOND = 1_000_000;
