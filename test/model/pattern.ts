/** What an answer must look like: plain JSON, with a function where only the service can know the value. */
export type Pattern =
  | null
  | boolean
  | number
  | string
  | Matcher
  | readonly Pattern[]
  | { readonly [key: string]: Pattern | undefined };

/** Judges one value: null when it will do, otherwise what it should have been. May note the value, so it runs once. */
export type Matcher = (actual: unknown) => string | null;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

const show = (value: unknown) => (value === undefined ? "nothing" : JSON.stringify(value));

/** Where `actual` is not as `pattern` says, a sentence each; object members in the pattern's order, none more or less. */
export function differences(pattern: Pattern | undefined, actual: unknown, path = "answer"): string[] {
  if (typeof pattern === "function") {
    const wanted = pattern(actual);
    return wanted === null ? [] : [`${path} is ${show(actual)}, not ${wanted}`];
  }
  if (Array.isArray(pattern)) {
    if (!Array.isArray(actual)) return [`${path} is ${show(actual)}, not a list`];
    const length =
      actual.length === pattern.length ? [] : [`${path} has ${actual.length} entries, not ${pattern.length}`];
    return [...length, ...pattern.flatMap((one: Pattern, at) => differences(one, actual[at], `${path}[${at}]`))];
  }
  if (isObject(pattern)) {
    if (!isObject(actual) || Array.isArray(actual)) return [`${path} is ${show(actual)}, not an object`];
    const members = Object.entries(pattern).filter(([, member]) => member !== undefined);
    const extra = Object.keys(actual).filter((key) => pattern[key as keyof typeof pattern] === undefined);
    return [
      ...extra.map((key) => `${path}.${key} should not be there`),
      ...members.flatMap(([key, member]) => differences(member as Pattern, actual[key], `${path}.${key}`)),
    ];
  }
  return pattern === actual ? [] : [`${path} is ${show(actual)}, not ${show(pattern)}`];
}

export const anyTime: Matcher = (actual) =>
  typeof actual === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(actual) ? null : "a time";
export const anyText: Matcher = (actual) => (typeof actual === "string" ? null : "a text");
export const anyNumber: Matcher = (actual) => (typeof actual === "number" ? null : "a number");
export const anything: Matcher = (actual) => (actual === undefined ? "anything" : null);
