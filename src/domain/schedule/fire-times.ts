/**
 * When a schedule fires. Pure: what is due and what comes next depends on nothing but the schedule and the time it is asked
 * for. Times are epoch milliseconds.
 */
import { cronIssue, type Expression, expressionOf } from "./cron.ts";
import { isZone, type Stretch, type Zone, zoneOf } from "./zone.ts";

export { cronIssue, isZone };

export interface Rhythm {
  readonly everyMs: number;
  /** The first fire time is one interval after it, or the schedule's start where it has one. */
  readonly anchor: number;
}
export interface Calendar {
  readonly cron: string;
  readonly timezone: string;
}
export type When = (Rhythm | Calendar) & {
  /** No fire before, and none after; both themselves are allowed. */
  readonly startAt: number | null;
  readonly endAt: number | null;
};

/** Times of more than four digits of year are none that a caller could read. */
const LAST_TIME = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** The first fire time after a time; null when none comes. */
export function nextFire(when: When, after: number): number | null {
  const from = Math.max(after, (when.startAt ?? -Infinity) - 1);
  const time = "cron" in when ? nextOfCalendar(when, from) : nextOfRhythm(when, from);
  return time === null || time > (when.endAt ?? LAST_TIME) ? null : time;
}

/** The last fire time that is not after a time; null when none came. */
export function lastFire(when: When, until: number): number | null {
  const from = Math.min(until, when.endAt ?? LAST_TIME);
  const time = "cron" in when ? lastOfCalendar(when, from) : lastOfRhythm(when, from);
  return time === null || time < (when.startAt ?? -Infinity) ? null : time;
}

/** The next fire times after a time, `count` of them at most. */
export function nextFires(when: When, after: number, count: number): number[] {
  const times: number[] = [];
  for (let time = nextFire(when, after); time !== null; time = nextFire(when, time)) {
    times.push(time);
    if (times.length === count) break;
  }
  return times;
}

/**
 * The latest fire times from one time until another, both included, in their order; `count` of them at most. Costs the
 * same however many there are.
 */
export function latestFires(when: When, from: number, until: number, count: number): number[] {
  const times: number[] = [];
  for (let time = lastFire(when, until); time !== null && time >= from; time = lastFire(when, time - 1)) {
    times.push(time);
    if (times.length === count) break;
  }
  return times.reverse();
}

/** Without a start the anchor is when the schedule was made, which is no fire time. */
const firstStep = ({ startAt }: When) => (startAt === null ? 1 : 0);

function nextOfRhythm(when: When & Rhythm, after: number): number {
  const steps = Math.floor((after - when.anchor) / when.everyMs) + 1;
  return when.anchor + Math.max(steps, firstStep(when)) * when.everyMs;
}

function lastOfRhythm(when: When & Rhythm, until: number): number | null {
  const steps = Math.floor((until - when.anchor) / when.everyMs);
  return steps < firstStep(when) ? null : when.anchor + steps * when.everyMs;
}

/** The first local time of a stretch that a fixed time fires at by itself: what was there before has fired. */
const firstOf = ({ start, offset, reached }: Stretch, { elapsed }: Expression) =>
  elapsed ? start + offset : Math.max(start + offset, reached);

/** Whether an expression fires at the end of the gap that a stretch begins with: a fixed time was skipped there. */
function firesAfterGap({ start, offset, reached }: Stretch, expression: Expression): boolean {
  if (expression.elapsed || reached >= start + offset || reached === -Infinity) return false;
  const skipped = expression.next(reached - 1);
  return skipped !== null && skipped < start + offset;
}

function nextOfCalendar({ cron, timezone }: Calendar, after: number): number | null {
  const [expression, zone] = [expressionOf(cron), zoneOf(timezone)];
  for (let stretch = zone.at(after); ; stretch = zone.at(stretch.end)) {
    if (stretch.start > after && firesAfterGap(stretch, expression)) return stretch.start;
    const local = expression.next(Math.max(after + stretch.offset, firstOf(stretch, expression) - 1));
    if (local === null) return null;
    if (local - stretch.offset < stretch.end) return local - stretch.offset;
  }
}

function lastOfCalendar({ cron, timezone }: Calendar, until: number): number | null {
  const [expression, zone] = [expressionOf(cron), zoneOf(timezone)];
  for (let [stretch, from] = [zone.at(until), until]; ; [stretch, from] = before(zone, stretch)) {
    const local = expression.last(from + stretch.offset);
    if (local === null) return null;
    if (local >= firstOf(stretch, expression)) return local - stretch.offset;
    if (firesAfterGap(stretch, expression)) return stretch.start;
  }
}

function before(zone: Zone, { start }: Stretch): [Stretch, number] {
  return [zone.at(start - 1), start - 1];
}
