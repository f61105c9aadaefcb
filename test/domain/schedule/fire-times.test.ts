import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import {
  cronIssue,
  isZone,
  lastFire,
  latestFires,
  nextFire,
  nextFires,
  type When,
} from "../../../src/domain/schedule/fire-times.ts";
import { clockChanges, expectedFires } from "./expected-fires.ts";

// Some thousand changes take five seconds, and longer on a busy machine.
setDefaultTimeout(60_000);

const DAY = 86_400_000;
const at = (text: string) => Date.parse(text);
const iso = (times: readonly number[]) => times.map((time) => new Date(time).toISOString());
const calendar = (cron: string, timezone = "UTC", bounds: { startAt?: string; endAt?: string } = {}): When => ({
  cron,
  timezone,
  startAt: bounds.startAt === undefined ? null : at(bounds.startAt),
  endAt: bounds.endAt === undefined ? null : at(bounds.endAt),
});

describe("around every clock change from 2025 to 2030", () => {
  const SHAPES = [
    "30 2 * * *",
    "0,30 1,2 * * *",
    "*/15 * * * *",
    "0 */2 * * *",
    "15 * * * *",
    "0 0 * * *",
    "30 0 * * 0",
    "30 30 1-3 * * *",
    "10 0-6/3 * * *",
    "5,50 23,0,1 * * *",
  ];
  const [FROM, TO] = [at("2025-01-01T00:00:00Z"), at("2031-01-01T00:00:00Z")];
  const expected = new Map<string, number[]>();

  test("all zones fire as the contract says, forwards and backwards", () => {
    let seen = 0;
    const wrong: unknown[] = [];
    for (const timezone of Intl.supportedValuesOf("timeZone"))
      for (const change of clockChanges(timezone, FROM, TO)) {
        seen += 1;
        const [from, until] = [change.at - 2 * DAY, change.at + 2 * DAY];
        for (const cron of SHAPES) {
          // Zones that change in the same way share what is expected of them.
          const key = `${cron} ${change.at} ${change.before} ${change.after}`;
          const should = expected.get(key) ?? expectedFires(cron, change, from, until);
          expected.set(key, should);
          const when = { ...calendar(cron, timezone), endAt: until };
          const forwards = nextFires(when, from - 1, Number.POSITIVE_INFINITY);
          const backwards = latestFires(when, change.at - DAY / 2, change.at + DAY / 2, Number.POSITIVE_INFINITY);
          const near = should.filter((time) => Math.abs(time - change.at) <= DAY / 2);
          if (!Bun.deepEquals(forwards, should) || !Bun.deepEquals(backwards, near))
            wrong.push({ timezone, cron, change: iso([change.at]), is: iso(forwards), should: iso(should) });
        }
      }
    expect(wrong.slice(0, 3)).toEqual([]);
    // Europe's and America's zones alone change some thousand times.
    expect(seen).toBeGreaterThan(1_000);
  });
});

describe("the contract's words, by example", () => {
  test("a fixed time that is skipped fires when the gap ends, several of one gap once", () => {
    expect(iso(nextFires(calendar("30 2 * * *", "Europe/Berlin"), at("2026-03-28T12:00:00Z"), 2))).toEqual([
      "2026-03-29T01:00:00.000Z",
      "2026-03-30T00:30:00.000Z",
    ]);
    expect(iso(nextFires(calendar("*/10 2,3 * * *", "Europe/Berlin"), at("2026-03-28T12:00:00Z"), 2))).toEqual([
      "2026-03-29T01:00:00.000Z",
      "2026-03-29T01:10:00.000Z",
    ]);
  });

  test("a fixed time that comes twice fires the first time", () => {
    expect(iso(nextFires(calendar("30 2 * * *", "Europe/Berlin"), at("2026-10-24T12:00:00Z"), 2))).toEqual([
      "2026-10-25T00:30:00.000Z",
      "2026-10-26T01:30:00.000Z",
    ]);
  });

  test("from within the hour that comes again, a fixed time of it is not fired once more", () => {
    const when = calendar("30 2 * * *", "Europe/Berlin");
    expect(iso([nextFire(when, at("2026-10-25T01:10:00Z"))!])).toEqual(["2026-10-26T01:30:00.000Z"]);
    expect(iso([lastFire(when, at("2026-10-25T01:45:00Z"))!])).toEqual(["2026-10-25T00:30:00.000Z"]);
  });

  test("a step of hours follows elapsed time: nothing in the gap, both passes of the fold", () => {
    expect(iso(nextFires(calendar("30 */2 * * *", "Europe/Berlin"), at("2026-03-28T23:00:00Z"), 2))).toEqual([
      "2026-03-28T23:30:00.000Z",
      "2026-03-29T02:30:00.000Z",
    ]);
    expect(iso(nextFires(calendar("30 */2 * * *", "Europe/Berlin"), at("2026-10-25T00:00:00Z"), 3))).toEqual([
      "2026-10-25T00:30:00.000Z",
      "2026-10-25T01:30:00.000Z",
      "2026-10-25T03:30:00.000Z",
    ]);
  });

  test("a day that a zone never had", () => {
    // Samoa went from 29 to 31 December 2011.
    expect(iso(nextFires(calendar("0 12 30 12 *", "Pacific/Apia"), at("2011-12-01T00:00:00Z"), 1))).toEqual([
      "2011-12-30T10:00:00.000Z",
    ]);
  });
});

describe("bounds", () => {
  test("no fire before startAt and none after endAt; both themselves are fire times", () => {
    const when = calendar("0 * * * *", "UTC", { startAt: "2026-01-01T10:00:00Z", endAt: "2026-01-01T12:00:00Z" });
    expect(iso(nextFires(when, 0, 10))).toEqual([
      "2026-01-01T10:00:00.000Z",
      "2026-01-01T11:00:00.000Z",
      "2026-01-01T12:00:00.000Z",
    ]);
    expect(iso(latestFires(when, 0, at("2030-01-01T00:00:00Z"), 2))).toEqual([
      "2026-01-01T11:00:00.000Z",
      "2026-01-01T12:00:00.000Z",
    ]);
    expect(lastFire(when, at("2026-01-01T09:59:59.999Z"))).toBeNull();
  });

  test("everySeconds counts from when it was set, and fires first one interval later", () => {
    const when: When = { everyMs: 1_500, anchor: 10_000, startAt: null, endAt: null };
    expect(nextFires(when, 10_000, 3)).toEqual([11_500, 13_000, 14_500]);
    expect(nextFires(when, 0, 1)).toEqual([11_500]);
    expect(nextFire(when, 11_500)).toBe(13_000);
    expect(lastFire(when, 11_499)).toBeNull();
    expect(latestFires(when, 0, 15_000, 2)).toEqual([13_000, 14_500]);
  });

  test("with a start it fires first at the start", () => {
    const when: When = { everyMs: 1_500, anchor: 10_000, startAt: 10_000, endAt: 13_000 };
    expect(nextFires(when, 0, 5)).toEqual([10_000, 11_500, 13_000]);
    expect(latestFires(when, 0, 99_000, 5)).toEqual([10_000, 11_500, 13_000]);
  });
});

describe("what fields may say", () => {
  test.each([
    ["0 0 L * *", "2026-02-28", "2026-03-31"],
    ["0 0 15W * *", "2026-02-16", "2026-03-16"],
    ["0 0 * * 5L", "2026-02-27", "2026-03-27"],
    ["0 0 * * 2#1", "2026-02-03", "2026-03-03"],
    ["0 0 * * 7", "2026-02-01", "2026-02-08"],
    ["0 0 * FEB SUN", "2026-02-01", "2026-02-08"],
    ["0 0 13 * +5", "2026-02-13", "2026-03-13"],
    ["0 0 13 * 5", "2026-02-06", "2026-02-13"],
    ["0 0 ? 2,3 1-5/4", "2026-02-02", "2026-02-06"],
  ])("%s", (cron, ...days) => {
    const times = nextFires(calendar(cron), at("2026-01-31T12:00:00Z"), 2);
    expect(iso(times)).toEqual(days.map((day) => `${day}T00:00:00.000Z`));
  });
});

test("backwards gives the same times as forwards", () => {
  const field = (from: number, to: number) =>
    fc.oneof(
      fc.constant("*"),
      fc.integer({ min: from, max: to }).map(String),
      fc.integer({ min: 2, max: to - from }).map((step) => `*/${step}`),
      fc
        .tuple(fc.integer({ min: from, max: to }), fc.integer({ min: from, max: to }))
        .map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
      fc.array(fc.integer({ min: from, max: to }), { minLength: 1, maxLength: 3 }).map((list) => list.join()),
    );
  const days = fc.oneof(field(1, 31), fc.constantFrom("L", "LW", "15W", "1,L"));
  const weekdays = fc.oneof(field(0, 7), fc.constantFrom("MON-FRI", "5L", "2#3", "+1"));
  const expression = fc.tuple(field(0, 59), field(0, 23), days, field(1, 12), weekdays).map((all) => all.join(" "));
  const zones = fc.constantFrom("UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca");
  const from = fc.integer({ min: at("2024-01-01T00:00:00Z"), max: at("2030-01-01T00:00:00Z") });
  fc.assert(
    fc.property(expression, zones, from, (cron, timezone, from) => {
      if (cronIssue(cron) !== null) return;
      const when = calendar(cron, timezone);
      const times = nextFires(when, from, 12);
      expect(latestFires(when, from + 1, times.at(-1)!, 100)).toEqual(times);
    }),
    { numRuns: 500 },
  );
});

describe("what is refused", () => {
  const FIVE = "must have 5 fields (minute, hour, day of month, month, day of week) or 6 (second first)";
  test.each([
    ["", FIVE],
    ["* * * *", FIVE],
    ["0 0 0 1 1 * 2030", FIVE],
    ["@daily", FIVE],
    ["2026-01-31T12:00:00Z", FIVE],
    ["@daily * * * *", "its field for the minute is not one of a cron expression"],
    ["60 * * * *", "its field for the minute is not one of a cron expression"],
    ["61 * * * * *", "its field for the second is not one of a cron expression"],
    ["* 24 * * *", "its field for the hour is not one of a cron expression"],
    ["* 22-2 * * *", "its field for the hour is not one of a cron expression"],
    ["* * 32 * *", "its field for the day of month is not one of a cron expression"],
    ["* * 0 * *", "its field for the day of month is not one of a cron expression"],
    ["* * * 13 *", "its field for the month is not one of a cron expression"],
    ["* * * * FUNDAY", "its field for the day of week is not one of a cron expression"],
    ["*/0 * * * *", "its field for the minute is not one of a cron expression"],
    ["0 0 30 2 *", "never comes true"],
    ["0 0 31 4,6,9,11 *", "never comes true"],
  ])("%p: %s", (cron, message) => {
    expect(cronIssue(cron)).toBe(message);
  });

  test.each(["* * * * *", "0 0 29 2 *", "0 9 * * MON-FRI", "0 0 L * *", "0 12 ? * 2#1", "*/5 0 0 1 jan ?"])(
    "%p is taken",
    (cron) => {
      expect(cronIssue(cron)).toBeNull();
    },
  );

  test("zones are known by their IANA names", () => {
    expect(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"].filter(isZone)).toHaveLength(4);
    expect(["", "+01:00", "Mars/Olympus", "2020-01-01T00:00[UTC]", "Europe"].filter(isZone)).toEqual([]);
  });
});
