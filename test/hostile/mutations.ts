/**
 * Bodies that were valid once: changed by bytes, by tokens, or in their structure. What comes of it is sometimes still valid,
 * and means something else.
 */
import type { Random } from "./random.ts";
import type { WireCall } from "./traffic.ts";

/** Values that programs have fallen over. */
const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  0.5,
  1e-7,
  2 ** 31,
  2 ** 53,
  1e21,
  5e-324,
  1.7976931348623157e308,
  "",
  " ",
  "null",
  "0",
  "-1",
  "__proto__",
  "constructor",
  "toString",
  "\u202e\ufeff",
  "e\u0301",
  "😀".repeat(64),
  "'; drop table task; --",
  "%00%0a",
  "\r\n\u001b[31m",
  "x".repeat(300),
  [],
  {},
  [[]],
  [null],
  { __proto__: null, "": {} },
];

/** Pieces of text that JSON has an opinion of. */
const TOKENS = [
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "null",
  "true",
  "NaN",
  "-Infinity",
  "undefined",
  "-0",
  "0e999",
  "1e400",
  "1e-400",
  "1E+2",
  "9007199254740993",
  "0.1234567890123456789",
  "123456789012345678901234567890",
  "00",
  "+1",
  ".5",
  "0x10",
  "''",
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '"\\uDC00\\uD800"',
  '"\\ud83d\\ude00"',
  '"__proto__"',
  '"__proto__":{"polluted":true}',
  '"constructor":{"prototype":{"polluted":true}}',
  '"toString":1',
  '"id":1',
  '"jsonrpc":"2.0"',
  '"method":"task.enqueue"',
  '"params":{}',
  '"requestId":"again"',
  '"project":"nobody"',
  "/* */",
  "//",
  "\u2028",
];

type Path = readonly (string | number)[];
type Tree = ReturnType<typeof JSON.parse>;

/** The body of one request to the service, and what it was made from is told nobody: the answer must fit by itself. */
export function mutatedBody(random: Random, corpus: readonly WireCall[]): Buffer<ArrayBuffer> {
  const changes = random.pick([0, 1, 1, 1, 1, 1, 1, 2, 2, 3]);
  let tree: Tree = random.chance(0.15) ? aBatch(random, corpus) : aRequest(random, corpus);
  let text: string | null = null;
  let bytes: Buffer<ArrayBuffer> | null = null;
  for (let change = 0; change < changes; change++) {
    const level = random.roll(20);
    if (bytes === null && text === null && level < 14) tree = changeTree(random, tree, corpus);
    else if (bytes === null && level < 18) text = changeTokens(random, text ?? JSON.stringify(tree));
    else bytes = changeBytes(random, bytes ?? Buffer.from(text ?? JSON.stringify(tree)), corpus);
  }
  return bytes ?? Buffer.from(text ?? JSON.stringify(tree));
}

function aRequest(random: Random, corpus: readonly WireCall[]): Tree {
  const { method, params } = random.pick(corpus);
  const request = { jsonrpc: "2.0", method, params: structuredClone(params) };
  return random.chance(0.05) ? request : { ...request, id: anId(random) };
}

function anId(random: Random): unknown {
  return random.pick<unknown>([random.roll(1_000_000), `id ${random.roll(1_000_000)}`, null, 0.5, "", "x".repeat(255)]);
}

function aBatch(random: Random, corpus: readonly WireCall[]): Tree {
  const size = random.chance(0.02) ? 95 + random.roll(10) : random.roll(8);
  return Array.from({ length: size }, () => aRequest(random, corpus));
}

function changeTree(random: Random, tree: Tree, corpus: readonly WireCall[]): Tree {
  const places = placesOf(tree);
  const inside = places.filter((path) => path.includes("params"));
  const place = random.pick(inside.length > 0 && random.chance(0.75) ? inside : places);
  const value = at(tree, place);
  switch (random.roll(12)) {
    case 0:
    case 1:
    case 2:
      return put(tree, place, random.pick(VALUES));
    case 3:
      return put(tree, place, at(tree, random.pick(places)));
    case 4:
      return remove(tree, place);
    case 5:
      return put(tree, place, swapped(value));
    case 6:
      return addMember(random, tree, places);
    case 7:
      return put(tree, place, nest(random, value));
    case 8:
      return put(
        tree,
        place,
        Array.from({ length: random.pick([2, 101, 1001]) }, () => value),
      );
    case 9:
      // Another method's parameters.
      return Array.isArray(tree) ? [...tree, tree[0]] : { ...Object(tree), params: random.pick(corpus).params };
    case 10:
      return Array.isArray(tree) ? [tree] : [tree, tree];
    default:
      return put(tree, place, longer(random, value));
  }
}

/** Of another type, as near as may be. */
function swapped(value: unknown): unknown {
  if (typeof value === "string") return value.trim() !== "" && !Number.isNaN(Number(value)) ? Number(value) : [value];
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return { ...value };
  if (value !== null && typeof value === "object") return Object.entries(value);
  return 0;
}

function nest(random: Random, value: unknown): unknown {
  let nested = value;
  const depth = random.pick([1, 2, 58, 62, 66, 100]);
  for (let level = 0; level < depth; level++) nested = random.chance(0.5) ? [nested] : { a: nested };
  return nested;
}

function longer(random: Random, value: unknown): unknown {
  if (typeof value === "string") return value + random.pick([" ", "\n", "a", "é", "\u0001", value, value.repeat(40)]);
  if (typeof value === "number") return value * random.pick([-1, 10, 1e9, 1e300, 1e-300]) + random.pick([0, 1, 0.1]);
  return value;
}

function addMember(random: Random, tree: Tree, places: readonly Path[]): Tree {
  const objects = places.filter((place) => isObject(at(tree, place)));
  if (objects.length === 0) return [tree];
  const place = random.pick(objects);
  const key = random.pick([
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "",
    "id",
    "limit",
    "a b",
    "\u0001",
  ]);
  // Not an assignment: "__proto__" must become a member like any other.
  return put(tree, place, Object.fromEntries([...Object.entries(at(tree, place)), [key, random.pick(VALUES)]]));
}

function changeTokens(random: Random, text: string): string {
  const tokens: string[] = text.match(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[a-z]+|[^"]|"/gs) ?? [];
  if (tokens.length === 0) return random.pick(TOKENS);
  const one = random.roll(tokens.length);
  const other = random.roll(tokens.length);
  switch (random.roll(7)) {
    case 0:
      tokens.splice(one, 1 + random.roll(3));
      break;
    case 1:
      [tokens[one], tokens[other]] = [tokens[other]!, tokens[one]!];
      break;
    case 2:
      tokens.splice(one, 0, ...tokens.slice(other, other + 1 + random.roll(8)));
      break;
    case 3:
      tokens[one] = tokens[one]!.repeat(random.pick([2, 10, 70, 1000]));
      break;
    case 4: {
      // A key twice in one object.
      const brace = tokens.indexOf("{", one);
      if (brace !== -1) tokens.splice(brace + 1, 0, `${random.pick(TOKENS)},`);
      break;
    }
    default:
      tokens.splice(one, random.roll(2), random.pick(TOKENS));
  }
  return tokens.join("");
}

function changeBytes(random: Random, bytes: Buffer<ArrayBuffer>, corpus: readonly WireCall[]): Buffer<ArrayBuffer> {
  const place = random.roll(bytes.length + 1);
  const cut = (from: number, to: number, between: Buffer) =>
    Buffer.concat([bytes.subarray(0, from), between, bytes.subarray(to)]);
  switch (random.roll(8)) {
    case 0: {
      const flipped = Buffer.from(bytes);
      if (flipped.length > 0) flipped[place % flipped.length]! ^= 1 << random.roll(8);
      return flipped;
    }
    case 1:
      return cut(place, place, Buffer.from([random.roll(256)]));
    case 2:
      return cut(place, place + 1 + random.roll(16), Buffer.alloc(0));
    case 3:
      return bytes.subarray(0, place);
    case 4:
      return cut(place, place, random.pick(SEQUENCES));
    case 5: {
      const other = Buffer.from(JSON.stringify(aRequest(random, corpus)));
      return Buffer.concat([bytes.subarray(0, place), other.subarray(random.roll(other.length))]);
    }
    case 6:
      return cut(place, place + 1, bytes.subarray(random.roll(bytes.length + 1)));
    default:
      return random.chance(0.2) ? Buffer.from(bytes.toString("latin1"), "utf16le") : Buffer.concat([bytes, bytes]);
  }
}

/** Bytes that are no UTF-8, or more of it than meets the eye. */
const SEQUENCES = ["ff", "c080", "eda080", "f4908080", "e282", "efbbbf", "00", "e280a8", "f09f9880", "7f", "1b5b"].map(
  (hex) => Buffer.from(hex, "hex"),
);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The ways to all values of a tree, its root's first. */
function placesOf(tree: Tree): Path[] {
  const places: Path[] = [];
  const walk = (value: Tree, path: Path): void => {
    if (places.length >= 500) return;
    places.push(path);
    if (Array.isArray(value)) for (const [index, element] of value.entries()) walk(element, [...path, index]);
    else if (isObject(value)) for (const [key, member] of Object.entries(value)) walk(member, [...path, key]);
  };
  walk(tree, []);
  return places;
}

const at = (tree: Tree, path: Path): Tree => path.reduce((value, step) => value?.[step], tree) ?? null;

function put(tree: Tree, path: Path, value: unknown): Tree {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (Array.isArray(tree)) return tree.map((element, index) => (index === step ? put(element, rest, value) : element));
  return Object.fromEntries(
    Object.entries(tree).map(([key, member]) => [key, key === step ? put(member, rest, value) : member]),
  );
}

function remove(tree: Tree, path: Path): Tree {
  const [step, ...rest] = path;
  if (step === undefined) return null;
  if (rest.length > 0) return put(tree, [step], remove(tree[step], rest));
  if (Array.isArray(tree)) return tree.filter((_, index) => index !== step);
  return Object.fromEntries(Object.entries(tree).filter(([key]) => key !== step));
}
