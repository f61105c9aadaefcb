import { afterNumber, afterString } from "./json-fidelity.ts";

const QUOTE = 0x22;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const SMALL_E = 0x65;

/** As JSON.stringify writes one; a text that has one, if only in a string, is read to its end. */
const EXPONENT = /\de[+-]\d/;

/**
 * Whether a JSON text, as JSON.stringify gives it, is longer in bytes of UTF-8 than allowed, or would be as PostgreSQL
 * prints it: jsonb knows no exponents, so that `1e308` comes back as 309 digits. Blanks, which PostgreSQL puts behind commas
 * and colons, do not count; they are half of a text at most.
 */
export function isLongerThan(text: string, bytesMax: number): boolean {
  const digits = EXPONENT.test(text) ? digitsToCome(text) : 0;
  if (text.length + digits > bytesMax) return true;
  return text.length * 3 + digits > bytesMax && Buffer.byteLength(text) + digits > bytesMax;
}

/** How many characters longer a JSON text becomes when its numbers are printed without exponents. */
export function digitsToCome(text: string): number {
  let digits = 0;
  for (let at = 0; at < text.length; ) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) at = afterString(text, at);
    else if (character === MINUS || (character >= ZERO && character <= NINE)) {
      const end = afterNumber(text, at);
      for (let inside = at; inside < end; inside++)
        if (text.charCodeAt(inside) === SMALL_E) {
          digits += printedLength(text.slice(at, end)) - (end - at);
          break;
        }
      at = end;
    } else at++;
  }
  return digits;
}

/** Characters of a number, written as `-1.25e+30` or `1e-7`, without its exponent. */
function printedLength(literal: string): number {
  const exponentAt = literal.indexOf("e");
  const exponent = Number(literal.slice(exponentAt + 1));
  const sign = literal.startsWith("-") ? 1 : 0;
  const point = literal.indexOf(".");
  const decimals = point === -1 ? 0 : exponentAt - point - 1;
  return exponent > 0 ? sign + 1 + Math.max(exponent, decimals + 1) : sign + "0.".length - exponent + decimals;
}
