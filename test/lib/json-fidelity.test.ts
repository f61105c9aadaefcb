import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseJson } from "../../src/lib/json-fidelity.ts";
import { findLosses } from "../../src/lib/json-losses.ts";
import { formatPath, type PathSegment } from "../../src/lib/json-path.ts";
import { aDocument, lossesOf, printDocument } from "./json-documents.ts";

const NESTING_MAX = 64;

function lossesIn(text: string): string[] {
  const found: string[] = [];
  findLosses(text, (path, message) => found.push(`${formatPath(path)} ${message}`));
  return found;
}

const NUMBER = "must be a number that comes back with the same value; send others as text";
const NUL = "must not hold the character U+0000";
const HALF = "must not hold half a surrogate pair";
const TWICE = "must not be given twice in one object";

describe("what would change is found, with its path", () => {
  const cases: [name: string, text: string, losses: string[]][] = [
    ["NUL in a string", '{"a":"x\\u0000y"}', [`a ${NUL}`]],
    ["NUL in a key", '{"a":{"\\u0000":1}}', [`a["\\u0000"] ${NUL}`]],
    ["a lone high surrogate", '["\\ud83d"]', [`[0] ${HALF}`]],
    ["a lone low surrogate in capitals", '["\\uDE00"]', [`[0] ${HALF}`]],
    ["surrogates in the wrong order", '["\\ude00\\ud83d"]', [`[0] ${HALF}`]],
    ["a lone surrogate in a key", '{"\\ud83d":1}', [`["\\ud83d"] ${HALF}`]],
    ["2^53+1", '{"n":9007199254740993}', [`n ${NUMBER}`]],
    ["-(2^53+1)", '{"n":-9007199254740993}', [`n ${NUMBER}`]],
    ["1e400", "1e400", [` ${NUMBER}`]],
    ["-1E400", "[-1E400]", [`[0] ${NUMBER}`]],
    ["too small to be told from zero", "[1e-400]", [`[0] ${NUMBER}`]],
    [
      "more digits than a double has",
      '{"payload":{"items":[1,2,3,{"when":0.1234567890123456789}]}}',
      [`payload.items[3].when ${NUMBER}`],
    ],
    ["a key given twice", '{"a":1,"b":2,"a":3}', [`a ${TWICE}`]],
    ["a key given twice, spelt differently", '{"a":1,"\\u0061":3}', [`a ${TWICE}`]],
    ["a key given twice with the same value", '[{"a":1,"a":1}]', [`[0].a ${TWICE}`]],
    ["__proto__ given twice", '{"__proto__":1,"__proto__":2}', [`__proto__ ${TWICE}`]],
    [
      "several, in order",
      ' { "a" : [ 1e999 , "\\u0000" ] ,\n\t"b": 9007199254740993 , "b" : true }',
      [`a[0] ${NUMBER}`, `a[1] ${NUL}`, `b ${NUMBER}`, `b ${TWICE}`],
    ],
    ["behind literals of every kind", '[true,false,null,"",{},[],-0.5e-3,1e400]', [`[7] ${NUMBER}`]],
  ];
  test.each(cases)("%s", (_name, text, losses) => {
    expect(parseJson(text, NESTING_MAX)).toMatchObject({ kind: "value", suspect: true });
    expect(lossesIn(text)).toEqual(losses);
  });
});

describe("what keeps its value is let through", () => {
  const cases = [
    "1.0",
    "1e3",
    "-0",
    "0.0e99999999999999999999",
    "1E+2",
    "100000000000000000000",
    "5e-324",
    "1.7976931348623157e308",
    "9007199254740992",
    "9007199254740994",
    "0.1",
    "0.30000000000000004",
    "123456789012345",
    "1.50000000000000000000",
    '"\\ud83d\\ude00"',
    '"\\u00e9"',
    '"\\\\u0000"',
    '"\\\\\\\\ud83d"',
    '"\\"\\\\"',
    '{"a":{"a":{"a":1}}}',
    '[{"a":1},{"a":1}]',
    '{"2":1,"1":2,"01":3}',
    '{"":1}',
    '{"a:b":":","c":"\\",\\"c\\":1"}',
    '{"constructor":1,"toString":2,"hasOwnProperty":3}',
    " [ ] ",
    "null",
  ];
  test.each(cases)("%s", (text) => {
    const parsed = parseJson(text, NESTING_MAX);
    expect(parsed).toMatchObject({ kind: "value", value: JSON.parse(text) });
    // Only escapes may raise a false alarm, which costs a second look.
    if (!text.includes("\\u")) expect(parsed).toMatchObject({ suspect: false });
    expect(lossesIn(text)).toEqual([]);
  });

  test("__proto__ stays a member like any other, and reaches no prototype", () => {
    const text = '{"__proto__":{"polluted":true},"a":{"__proto__":null}}';
    const parsed = parseJson(text, NESTING_MAX);
    expect(parsed).toMatchObject({ kind: "value", suspect: false });
    if (parsed.kind === "value") expect(JSON.stringify(parsed.value)).toBe(text);
    expect("polluted" in {}).toBe(false);
  });
});

describe("nesting", () => {
  const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);

  test("64 levels are read, 65 are not", () => {
    expect(parseJson(nested(64), NESTING_MAX).kind).toBe("value");
    expect(parseJson(nested(65), NESTING_MAX)).toEqual({ kind: "deep" });
    expect(parseJson(`${'{"a":'.repeat(65)}1${"}".repeat(65)}`, NESTING_MAX)).toEqual({ kind: "deep" });
  });
  test("levels side by side do not add up, and brackets in strings are text", () => {
    expect(parseJson(`[${Array(1000).fill(nested(63)).join()}]`, NESTING_MAX).kind).toBe("value");
    expect(parseJson(JSON.stringify(["[".repeat(100), `"${"{".repeat(100)}`]), NESTING_MAX).kind).toBe("value");
  });
  test("4 MiB of brackets neither overflow the stack nor reach the parser", () => {
    expect(parseJson("[".repeat(4 * 1024 * 1024), NESTING_MAX)).toEqual({ kind: "deep" });
    expect(parseJson(nested(2 * 1024 * 1024), NESTING_MAX)).toEqual({ kind: "deep" });
    expect(parseJson('{"a":'.repeat(800_000), NESTING_MAX)).toEqual({ kind: "deep" });
  });
});

test.each([
  "",
  " ",
  "{",
  "[1,]",
  "{a:1}",
  "01",
  "1.",
  ".5",
  "+1",
  "NaN",
  '"\u0000"',
  '"\\x"',
  '"open',
  "'a'",
  "\ufeff1",
  "1 2",
])("not JSON: %j", (text) => {
  expect(parseJson(text, NESTING_MAX)).toEqual({ kind: "malformed" });
});

describe("long texts of one kind take time in proportion to their length", () => {
  // Not timed: with quadratic cost, each of these would run into the test's time limit.
  const size = 4 * 1024 * 1024;
  const lossless: [string, string][] = [
    ["zeros behind a digit", `1${"0".repeat(300)}.${"0".repeat(size)}`],
    ["zeros before a digit", `0.${"0".repeat(size)}1e${size}`],
    ["backslashes", `"${"\\\\".repeat(size / 2)}"`],
    ["escaped quotes", `"${'\\"'.repeat(size / 2)}"`],
  ];
  test.each(lossless)("%s", (_name, text) => {
    expect(parseJson(text, NESTING_MAX)).toMatchObject({ kind: "value", suspect: false });
  });
  test("digits", () => {
    expect(parseJson("1".repeat(size), NESTING_MAX)).toMatchObject({ kind: "value", suspect: true });
    expect(parseJson("-".repeat(size), NESTING_MAX)).toEqual({ kind: "malformed" });
    expect(parseJson(`"${"\\".repeat(size)}`, NESTING_MAX)).toEqual({ kind: "malformed" });
  });
});

describe("properties", () => {
  test("losses found are those that a document was made with", () => {
    fc.assert(
      fc.property(aDocument, fc.integer(), (document, seed) => {
        const text = printDocument(document, seed);
        const expected = lossesOf(document);
        const parsed = parseJson(text, NESTING_MAX);
        expect(parsed.kind).toBe("value");
        // Escapes alone may raise a false alarm; a loss must always raise one.
        if (parsed.kind === "value" && !text.includes("\\u")) expect(parsed.suspect).toBe(expected.length > 0);
        else if (expected.length > 0) expect(parsed).toMatchObject({ suspect: true });
        const found: { path: PathSegment[]; message: string }[] = [];
        findLosses(text, (path, message) => found.push({ path: [...path], message }));
        expect(found).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  test("whatever a program prints as JSON is read back the same", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 1, "\t"), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        if (/\\u0000/.test(text)) return;
        const parsed = parseJson(text, NESTING_MAX);
        expect(parsed).toMatchObject({ kind: "value", suspect: false });
        if (parsed.kind === "value") expect(JSON.stringify(parsed.value, null, indent)).toBe(text);
      }),
      { numRuns: 1000 },
    );
  });

  test("no text makes it throw, and what JSON.parse refuses is malformed", () => {
    const pieces = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"',
      "\\",
      '"a"',
      "1",
      "-",
      ".",
      "e5",
      "1e400",
      " ",
      "\\u0000",
      "null",
      "\u0000",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const text = parts.join("");
        const parsed = parseJson(text, NESTING_MAX);
        let value: unknown;
        try {
          value = JSON.parse(text);
        } catch {
          expect(parsed.kind).toBe("malformed");
          return;
        }
        expect(parsed).toMatchObject({ kind: "value", value });
      }),
      { numRuns: 20_000 },
    );
  });
});
