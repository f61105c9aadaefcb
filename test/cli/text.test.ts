import { expect, test } from "bun:test";
import { resultTable, whatNext } from "../../src/cli/demo/story.ts";
import { cut, fields, printable, shortCount, shortSeconds, table } from "../../src/cli/text.ts";

test("a table keeps to its width by cutting the columns that may be cut", () => {
  const columns = [{ title: "ID" }, { title: "NAME", least: 6 }, { title: "N", right: true }];
  const rows = [
    ["0123456789", "a name that is much too long for a narrow terminal", "1"],
    ["0123456789", "short", "200"],
  ];
  const text = table(columns, rows, 30);
  expect(text).toBe(
    ["ID          NAME             N", "0123456789  a name that …    1", "0123456789  short          200", ""].join(
      "\n",
    ),
  );
  // What may not be cut stays whole, whatever the width.
  expect(table(columns, rows, 5)).toContain("0123456789  a nam…  ");
});

test("a spare column is left out where cutting alone does not do", () => {
  const columns = [{ title: "ID" }, { title: "NAME", least: 6 }, { title: "ADDED", spare: true }];
  const rows = [["0123456789", "a long name", "2026"]];
  expect(table(columns, rows, 26)).toBe("ID          NAME     ADDED\n0123456789  a long…  2026\n");
  expect(table(columns, rows, 24)).toBe("ID          NAME\n0123456789  a long name\n");
});

test("fields stand under each other, broken between words and else anywhere", () => {
  const text = fields(
    [
      ["id", "1"],
      ["text", `one two three four five six\r\n${"x".repeat(30)}\u001b`],
    ],
    26,
  );
  expect(text).toBe(
    [
      "id    1",
      "text  one two three four",
      "      five six",
      `      ${"x".repeat(20)}`,
      `      ${"x".repeat(10)}?`,
      "",
    ].join("\n"),
  );
  expect(fields([["a", ""]])).toBe("a\n");
});

test("nothing from a task can drive the terminal", () => {
  const hostile = "a\u001b[2Jb\nc\u202ed\u009be\u2028f";
  expect(printable(hostile)).toBe("a?[2Jb?c?d?e?f");
  expect(table([{ title: "T" }], [[hostile]])).toBe("T\na?[2Jb?c?d?e?f\n");
});

test("cut counts characters, not halves of them", () => {
  expect(cut("😀😀😀", 3)).toBe("😀😀😀");
  expect(cut("😀😀😀", 2)).toBe("😀…");
});

test("counts take five characters at most", () => {
  const counts = [0, 3.44, 9999, 10_000, 99_949, 99_950, 999_499, 999_500, 12_345_678, 1e9, 5e12];
  expect(counts.map(shortCount)).toEqual([
    "0",
    "3.4",
    "9999",
    "10.0k",
    "99.9k",
    "100k",
    "999k",
    "1.0M",
    "12.3M",
    "1.0G",
    "5.0T",
  ]);
});

test("seconds are told as people do", () => {
  expect([null, 0.4, 119, 120, 7199, 7200, 172_800].map(shortSeconds)).toEqual([
    "-",
    "0 s",
    "119 s",
    "2 min",
    "120 min",
    "2 h",
    "2 d",
  ]);
});

test("the demo's result fits 80 columns, whatever its numbers", () => {
  const counts = { completed: 99_999, retried: 99_999, takenOver: 2000, dead: 99_999, lost: 99_999, double: 99_999 };
  const lines = (resultTable({ ...counts, seconds: 119.9, perSecond: 99_999 }) + whatNext()).split("\n");
  for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
});
