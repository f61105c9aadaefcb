/**
 * Cron expressions, as clocks on a wall show times: nothing here knows of zones. croner reads an expression and computes
 * in UTC, where no clock changes; what its own zones would do is not what the contract says.
 */
import { CronDate, CronPattern } from "croner";
import { Remembered } from "../../lib/remembered.ts";

export interface Expression {
  /** Fires follow elapsed time through clock changes, since the hour is `*` or a step; otherwise they are fixed times. */
  readonly elapsed: boolean;
  /** The first matching local time after one, or null when none comes. */
  next(local: number): number | null;
  /** The last matching local time that is not after one, or null. */
  last(local: number): number | null;
}

/** Some 2.5 KB each; reading one anew takes 50 µs. */
const EXPRESSIONS_MAX = 20_000;
const FIELDS = ["second", "minute", "hour", "day of month", "month", "day of week"] as const;
/** croner holds a list of 10,000 years with each pattern; none of ours names a year. */
const EVERY_YEAR = Array<number>(10_000).fill(1);
const UTC = 0;
const LONG_AGO = Date.UTC(2000, 0);

const expressions = new Remembered(EXPRESSIONS_MAX, read);

/** An expression by its text; cronIssue() has said before that it is one. */
export const expressionOf = (text: string): Expression => expressions.get(text);

/** What is wrong with the text of an expression, in words for who wrote it; null for nothing. */
export function cronIssue(text: string): string | null {
  const fields = fieldsOf(text);
  if (fields.length !== 5 && fields.length !== 6)
    return "must have 5 fields (minute, hour, day of month, month, day of week) or 6 (second first)";
  const first = FIELDS.length - fields.length;
  const wrong = fields.findIndex((field, at) => !isField(field, first + at));
  if (wrong >= 0) return `its field for the ${FIELDS[first + wrong]} is not one of a cron expression`;
  return expressionOf(text).next(LONG_AGO) === null ? "never comes true" : null;
}

const fieldsOf = (text: string): string[] => text.match(/\S+/g) ?? [];

function isField(field: string, at: number): boolean {
  // A nickname such as @daily would stand for a whole expression.
  if (field.includes("@")) return false;
  try {
    new CronPattern(FIELDS.map((_, other) => (other === at ? field : "*")).join(" "));
    return true;
  } catch {
    return false;
  }
}

function read(text: string): Expression {
  const pattern = new CronPattern(text, undefined, { mode: "5-or-6-parts" });
  pattern.year = EVERY_YEAR;
  const hour = fieldsOf(text).at(-4)!;
  return {
    elapsed: hour === "*" || hour === "?" || (hour.includes("/") && !hour.includes(",")),
    next: (local) => timeOf(new CronDate(new Date(local), UTC).increment(pattern, {}, false)),
    // What croner answers lies before the time it is given.
    last: (local) => timeOf(new CronDate(new Date(Math.floor(local) + 1), UTC).decrement(pattern, {})),
  };
}

const timeOf = (date: CronDate | null): number | null => date?.getTime() ?? null;
