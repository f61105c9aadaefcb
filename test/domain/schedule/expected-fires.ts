/**
 * When an expression should fire, from the contract's words alone: instant by instant, with offsets that Intl tells and a
 * reader of fields that knows just what the tests write. Nothing of the service and nothing of croner is in here.
 */
const MINUTE = 60_000;
const DAY = 86_400_000;

/** A zone's clock goes from one offset to another; milliseconds. */
export interface Change {
  readonly at: number;
  readonly before: number;
  readonly after: number;
}

/** All changes of a zone between two times. No zone changes twice within a week, as clocks go in our years. */
export function clockChanges(timezone: string, from: number, to: number): Change[] {
  const offset = offsetsOf(timezone);
  const changes: Change[] = [];
  for (let week = from; week < to; week += 7 * DAY) {
    let [low, high] = [week, Math.min(week + 7 * DAY, to)];
    const before = offset(low);
    if (offset(high) === before) continue;
    while (high - low > MINUTE) {
      const middle = low + Math.floor((high - low) / 2 / MINUTE) * MINUTE;
      if (offset(middle) === before) low = middle;
      else high = middle;
    }
    changes.push({ at: high, before, after: offset(high) });
  }
  return changes;
}

function offsetsOf(timezone: string): (instant: number) => number {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: timezone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  return (instant) => {
    const parts = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
    const { year, month, day, hour, minute, second } = parts as Record<string, number>;
    return Date.UTC(year!, month! - 1, day!, hour!, minute!, second!) - instant;
  };
}

interface Fields {
  readonly seconds: readonly number[];
  readonly matches: (local: number) => boolean;
  readonly follows: boolean;
}

/** Reads *, numbers, lists, ranges and steps. Of day of month and day of week only one may be given. */
function readFields(cron: string): Fields {
  const texts = cron.split(" ");
  const [second, minute, hour, day, month, weekday] = (texts.length === 6 ? texts : ["0", ...texts]) as string[];
  const values = (text: string, from: number, to: number) =>
    text.split(",").flatMap((part) => {
      const [range, step = "1"] = part.split("/");
      const [low, high] = range === "*" ? [from, to] : range!.split("-").map(Number);
      const all: number[] = [];
      for (let value = low!; value <= (high ?? low!); value += Number(step)) all.push(value);
      return all;
    });
  const sets = [
    values(minute!, 0, 59),
    values(hour!, 0, 23),
    values(day!, 1, 31),
    values(month!, 1, 12),
    values(weekday!, 0, 6),
  ].map((list) => new Set(list)) as [Set<number>, Set<number>, Set<number>, Set<number>, Set<number>];
  return {
    seconds: values(second!, 0, 59),
    follows: hour === "*" || (hour!.includes("/") && !hour!.includes(",")),
    matches(local) {
      const date = new Date(local);
      return (
        sets[0].has(date.getUTCMinutes()) &&
        sets[1].has(date.getUTCHours()) &&
        sets[2].has(date.getUTCDate()) &&
        sets[3].has(date.getUTCMonth() + 1) &&
        sets[4].has(date.getUTCDay())
      );
    },
  };
}

/** The fire times from one time until another, both included and both whole minutes, around one change in between. */
export function expectedFires(cron: string, change: Change, from: number, until: number): number[] {
  const { seconds, matches, follows } = readFields(cron);
  const localAt = (instant: number) => instant + (instant < change.at ? change.before : change.after);
  const fires = new Set<number>();
  const seen = new Set<number>();
  for (let instant = from; instant <= until; instant += MINUTE) {
    const local = localAt(instant);
    const again = seen.has(local);
    seen.add(local);
    if (!matches(local) || (again && !follows)) continue;
    for (const second of seconds) fires.add(instant + second * 1_000);
  }
  if (!follows)
    for (let local = localAt(from); local <= localAt(until); local += MINUTE)
      if (!seen.has(local) && matches(local)) fires.add(firstShowing(localAt, local, from));
  return [...fires].filter((time) => time <= until).sort((a, b) => a - b);
}

/** The first instant at which the clock shows more than a local time that it never shows. */
function firstShowing(localAt: (instant: number) => number, local: number, from: number): number {
  let instant = from;
  while (localAt(instant) < local) instant += MINUTE;
  return instant;
}
