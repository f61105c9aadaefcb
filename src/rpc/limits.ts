import { Refusal } from "../domain/refusals.ts";
import type { Budget, SharedBudget } from "../lib/budget.ts";

/** What all connections of the service share, over HTTP and WebSocket alike. */
export interface SharedLimits {
  /** Bytes of bodies and messages that are being read, or whose calls are being answered. */
  readonly bodies: Budget;
  /** Calls that have begun and are not answered; claims that wait are among them. A batch counts its members. */
  readonly calls: Budget;
  /** Bytes of answers that are made and not out yet. */
  readonly answers: SharedBudget;
}

/** What was not begun may be sent again, here or elsewhere, without a thought: so `overloaded`, also while stopping. */
export const NOT_BEGUN = new Refusal("overloaded", { retryAfterSeconds: 1 });

/**
 * What a body may hold, whatever its bytes, and what a batch is answered. Variables of the same names change the figures;
 * docs/limits.md lists all.
 */
export interface EnvelopeLimits {
  /** Levels of objects and arrays in a whole body, the request's own included. */
  readonly nestingMax: number;
  /** Requests in one batch. */
  readonly batchMax: number;
  /** What the calls of a batch may weigh together; see cost.ts. */
  readonly batchCostMax: number;
  /** Values in a whole body: members, elements, and what they are in. Each costs memory and time, also in a small body. */
  readonly valuesMax: number;
  /** Members of one call's `params`. */
  readonly parametersMax: number;
  /** Characters of a batch's answers; beyond, calls that change nothing are refused as overloaded. */
  readonly answerBytesMax: number;
}

/** 250,000 values are more than any payload holds at its default limit; 4 MiB of them could be 1.4 million. */
export const ENVELOPE_LIMITS: EnvelopeLimits = {
  nestingMax: 64,
  batchMax: 100,
  batchCostMax: 10_000,
  valuesMax: 250_000,
  parametersMax: 100,
  answerBytesMax: 67_108_864,
};
