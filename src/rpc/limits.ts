import { Refusal } from "../domain/refusals.ts";
import type { Budget } from "../lib/budget.ts";

/** What all connections of the service share, over HTTP and WebSocket alike. */
export interface SharedLimits {
  /** Bytes of bodies and messages that are being read, or whose calls are being answered. */
  readonly bodies: Budget;
  /** Calls that have begun and are not answered; claims that wait are among them. A batch counts its members. */
  readonly calls: Budget;
}

/** What was not begun may be sent again, here or elsewhere, without a thought: so `overloaded`, also while stopping. */
export const NOT_BEGUN = new Refusal("overloaded", { retryAfterSeconds: 1 });
