import { lastFire, latestFires, nextFire, type When } from "./fire-times.ts";

export const MISSED = ["skip", "latest", "all"] as const;
export type Missed = (typeof MISSED)[number];
export const OVERLAP = ["allow", "skip"] as const;
export type Overlap = (typeof OVERLAP)[number];

/** A fire time is missed when it is later than this, or when a further one is due already. */
const LATE_MS = 30_000;
/** Of those that were missed so many are made up for at most, the latest. */
const MADE_UP_MAX = 100;

export interface Due {
  /** The fire times that make a task, in their order. */
  readonly fires: readonly number[];
  /** The one after all that are due; null when none comes any more. */
  readonly next: number | null;
}

/** What is to be done at `now` about a schedule whose first fire time not dealt with yet is `from`. */
export function dueFires(when: When, missed: Missed, from: number, now: number): Due {
  const next = nextFire(when, now);
  if (missed === "all") return { fires: latestFires(when, from, now, MADE_UP_MAX), next };
  const last = lastFire(when, now);
  const fires = last !== null && last >= from && (missed === "latest" || now - last <= LATE_MS);
  return { fires: fires ? [last] : [], next };
}
