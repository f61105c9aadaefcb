import { expect, test } from "bun:test";
import fc from "fast-check";
import { digitsToCome, isLongerThan } from "../../src/lib/json-size.ts";
import { testDatabase, withClient } from "../support/postgres.ts";

const database = testDatabase();

test("a text is as long as its bytes, to the byte", () => {
  for (const [value, bytes] of [
    [{}, 2],
    [{ a: "é" }, 10],
    [{ a: "😀" }, 12],
    [["some-thing e+5 1e300"], 24],
    [1e308, 309],
    [-1e308, 310],
    [[1e21, 1e-7], 2 + 22 + 1 + 9],
    [1.25e-10, 14],
    [1.7976931348623157e308, 309],
    [5e-324, 326],
  ] as const) {
    const text = JSON.stringify(value);
    expect([text, isLongerThan(text, bytes - 1), isLongerThan(text, bytes)]).toEqual([text, true, false]);
  }
});

test("numbers are counted as PostgreSQL prints them", async () => {
  await withClient(database.url, async (client) => {
    const doubles = fc.sample(fc.double({ noNaN: true, noDefaultInfinity: true }), { numRuns: 2_000, seed: 6 });
    const printed = await client.query(
      "select x::jsonb::text as text from unnest($1::text[]) with ordinality as i(x, at) order by at",
      [doubles.map((value) => JSON.stringify(value))],
    );
    for (const [at, value] of doubles.entries()) {
      const text = JSON.stringify(value);
      expect([value, text.length + digitsToCome(text)]).toEqual([value, printed.rows[at].text.length]);
    }
  });
});

test("it takes time in the length of the text only", () => {
  for (const text of ['"e+'.repeat(500_000), "e-".repeat(1_000_000), "-".repeat(2_000_000), "1e+1".repeat(500_000)])
    expect(isLongerThan(text, Number.POSITIVE_INFINITY)).toBe(false);
});
