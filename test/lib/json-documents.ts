import fc from "fast-check";
import type { PathSegment } from "../../src/lib/json-path.ts";

/**
 * A JSON document as its sender wrote it: numbers as literals, members in order with repetitions, strings as UTF-16 units
 * that may be half of something. What is lost of it is told without the code under test: by rational arithmetic on
 * BigInt for numbers, by character for strings, by counting for keys.
 */
export type Document =
  | { kind: "literal"; text: "true" | "false" | "null" }
  | { kind: "number"; text: string }
  | { kind: "string"; value: string }
  | { kind: "array"; elements: Document[] }
  | { kind: "object"; members: [string, Document][] };

const aDigit = fc.constantFrom(..."0123456789");
const digits = (min: number, max: number) =>
  fc.array(aDigit, { minLength: min, maxLength: max }).map((all) => all.join(""));
const aWholeNumber = fc.oneof(
  fc.constant("0"),
  fc.tuple(fc.constantFrom(..."123456789"), digits(0, 22)).map((all) => all.join("")),
);
const anExponent = fc
  .tuple(fc.constantFrom("e", "E"), fc.constantFrom("", "+", "-"), fc.integer({ min: 0, max: 340 }))
  .map((all) => all.join(""));
const aNumber = fc
  .tuple(
    fc.constantFrom("", "-"),
    aWholeNumber,
    fc.option(
      digits(1, 22).map((all) => `.${all}`),
      { nil: "" },
    ),
    fc.option(anExponent, { nil: "", freq: 2 }),
  )
  .map((all) => all.join(""));
/** Numbers as programs print them: these survive. */
const aPrintedNumber = fc.double({ noNaN: true, noDefaultInfinity: true }).map(String);

const aUnit = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(...'abc"\\/:,{}[] \n\té€') },
  { weight: 2, arbitrary: fc.constantFrom("😀", "\ufeff") },
  { weight: 1, arbitrary: fc.constantFrom("\u0000", "\ud83d", "\ude00") },
);
const aString = fc.array(aUnit, { maxLength: 6 }).map((units) => units.join(""));
/** Few keys, so that they repeat. */
const aKey = fc.oneof(fc.constantFrom("a", "b", "1", "__proto__", "constructor", "a b", ""), aString);

export const aDocument: fc.Arbitrary<Document> = fc.letrec<{ document: Document }>((tie) => ({
  document: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constantFrom("true", "false", "null").map((text): Document => ({ kind: "literal", text: text as "true" })),
    fc.oneof(aPrintedNumber, aNumber).map((text): Document => ({ kind: "number", text })),
    aString.map((value): Document => ({ kind: "string", value })),
    fc.array(tie("document"), { maxLength: 4 }).map((elements): Document => ({ kind: "array", elements })),
    fc
      .array(fc.tuple(aKey, tie("document")), { maxLength: 4 })
      .map((members): Document => ({ kind: "object", members })),
  ),
})).document;

/** The document's text. White space and the choice of escapes follow from the seed. */
export function printDocument(document: Document, seed: number): string {
  let state = seed | 1;
  const roll = (sides: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) % sides;
  };
  const space = (): string => (roll(3) === 0 ? [" ", "\n", "\t ", "\r\n"][roll(4)]! : "");
  const printUnit = (unit: string): string => {
    const code = unit.charCodeAt(0);
    const alone = unit.length === 1 && code >= 0xd800 && code <= 0xdfff;
    const hex = code.toString(16).padStart(4, "0");
    if (alone || code === 0 || (roll(5) === 0 && unit.length === 1))
      return `\\u${roll(2) === 0 ? hex : hex.toUpperCase()}`;
    return JSON.stringify(unit).slice(1, -1);
  };
  // Iterating takes a surrogate pair as one unit, so a pair that two halves happen to make is printed as a pair.
  const printString = (value: string): string => `"${[...value].map(printUnit).join("")}"`;
  const print = (part: Document): string => {
    const list = (texts: string[]): string => texts.map((text) => space() + text + space()).join(",") || space();
    if (part.kind === "string") return printString(part.value);
    if (part.kind === "array") return `[${list(part.elements.map(print))}]`;
    if (part.kind !== "object") return part.text;
    return `{${list(part.members.map(([key, value]) => `${printString(key)}${space()}:${space()}${print(value)}`))}}`;
  };
  return space() + print(document) + space();
}

export interface Loss {
  path: PathSegment[];
  message: string;
}

/** What a reader with doubles and whole characters loses of the document, in the order of the text. */
export function lossesOf(document: Document, path: PathSegment[] = []): Loss[] {
  switch (document.kind) {
    case "literal":
      return [];
    case "number":
      return survives(document.text)
        ? []
        : [{ path, message: "must be a number that comes back with the same value; send others as text" }];
    case "string":
      return badText(document.value, path);
    case "array":
      return document.elements.flatMap((element, index) => lossesOf(element, [...path, index]));
    case "object":
      return document.members.flatMap(([key, value], index) => {
        const here = [...path, key];
        const earlier = document.members.slice(0, index).some(([other]) => other === key);
        const twice = earlier ? [{ path: here, message: "must not be given twice in one object" }] : [];
        return [...badText(key, here), ...twice, ...lossesOf(value, here)];
      });
  }
}

function badText(text: string, path: PathSegment[]): Loss[] {
  const losses: Loss[] = [];
  const codes = [...text].map((unit) => unit.codePointAt(0)!);
  if (codes.includes(0)) losses.push({ path, message: "must not hold the character U+0000" });
  if (codes.some((code) => code >= 0xd800 && code <= 0xdfff)) {
    losses.push({ path, message: "must not hold half a surrogate pair" });
  }
  return losses;
}

/** The literal's value as a fraction. */
function fraction(literal: string): { over: bigint; under: bigint } {
  const [mantissa = "", exponent = "0"] = literal.toLowerCase().split("e");
  const [whole = "", decimals = ""] = mantissa.split(".");
  const power = Number(exponent) - decimals.length;
  const over = BigInt(whole.replace("-", "") + decimals) * (mantissa.startsWith("-") ? -1n : 1n);
  return power >= 0 ? { over: over * 10n ** BigInt(power), under: 1n } : { over, under: 10n ** BigInt(-power) };
}

function survives(literal: string): boolean {
  const back = JSON.stringify(JSON.parse(literal));
  if (back === "null") return false;
  const sent = fraction(literal);
  const got = fraction(back);
  return sent.over * got.under === got.over * sent.under;
}
