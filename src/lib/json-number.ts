/**
 * Whether a JSON number, parsed and printed again, keeps its decimal value. `1.0`, `1e3` and `-0` do (as 1, 1000, 0);
 * 9007199254740993, 1e400 and 0.1234567890123456789 do not. For what only begins like a number (`-`, `1-2`) the answer has no meaning.
 */
export function numberSurvives(literal: string): boolean {
  const value = Number(literal);
  if (!Number.isFinite(value)) return false;
  const printed = String(value);
  return printed === literal || canonical(printed) === canonical(literal);
}

/**
 * A number's decimal value in one form: digits without zeros at either end, power of ten. Without its sign, which a
 * double keeps, but for zero, where it means nothing.
 * Loops instead of patterns: `/0+$/` takes quadratic time on megabytes of zeros.
 */
function canonical(literal: string): string {
  const exponentAt = literal.search(/[eE]/);
  const mantissa = literal.slice(literal.startsWith("-") ? 1 : 0, exponentAt === -1 ? undefined : exponentAt);
  const point = mantissa.indexOf(".");
  const digits = point === -1 ? mantissa : mantissa.slice(0, point) + mantissa.slice(point + 1);
  const decimals = point === -1 ? 0 : mantissa.length - point - 1;

  let start = 0;
  let end = digits.length;
  while (start < end && digits[start] === "0") start++;
  while (end > start && digits[end - 1] === "0") end--;
  if (start === end) return "0";

  const written = exponentAt === -1 ? 0 : Number(literal.slice(exponentAt + 1));
  return `${digits.slice(start, end)}e${written - decimals + (digits.length - end)}`;
}
