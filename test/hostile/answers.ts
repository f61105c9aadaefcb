/** What an answer must look like, whatever was asked. Written from the specification and api.md, not from the code. */
import { isUtf8 } from "node:buffer";

type Tree = ReturnType<typeof JSON.parse>;

/** The closed set: each code with its type. */
export const ERROR_TYPES: ReadonlyMap<number, string> = new Map([
  [-32700, "parse_error"],
  [-32600, "invalid_request"],
  [-32601, "method_not_found"],
  [-32602, "invalid_params"],
  [1001, "not_found"],
  [1002, "wrong_state"],
  [1003, "lease_lost"],
  [1004, "conflict"],
  [1005, "payload_too_large"],
  [1006, "overloaded"],
  [1009, "forbidden"],
  [1010, "rate_limited"],
]);

const NESTING_MAX = 64;
const BATCH_MAX = 100;

/** How a body is to be answered. */
type Expected =
  | { readonly kind: "one"; readonly error: readonly string[] }
  | { readonly kind: "single"; readonly entry: Entry }
  | { readonly kind: "batch"; readonly entries: readonly Entry[] }
  /** It is not certain what the text means, as where a key is given twice: any well-formed answer will do. */
  | { readonly kind: "any" };

/** A member of a body: a notification, or one that is answered with this id; null where it is no request. */
type Entry = { readonly silent: true } | { readonly silent: false; readonly id: unknown; readonly valid: boolean };

/** What is wrong with an answer to a body, or null. `answer` is null where none came. */
export function wrongWith(body: Uint8Array, answer: string | null): string | null {
  const expected = expectation(body);
  if (answer === null) return mayBeSilent(expected) ? null : "no answer";
  let value: Tree;
  try {
    value = JSON.parse(answer);
  } catch {
    return "the answer is no JSON";
  }
  switch (expected.kind) {
    case "any": {
      const all = Array.isArray(value) ? value : [value];
      return all.length === 0 ? "an empty batch" : firstOf(all, (one) => wrongWithOne(one));
    }
    case "one":
      return (
        wrongWithOne(value, null) ??
        (expected.error.includes(value.error?.data?.type) ? null : `not refused as ${expected.error}`)
      );
    case "single":
      return expected.entry.silent ? "a notification was answered" : wrongWithEntry(value, expected.entry);
    case "batch": {
      const loud = expected.entries.filter((entry) => !entry.silent);
      // What the calls ask for together may be too much: that is counted elsewhere, so here it is taken on trust.
      if (!Array.isArray(value) && value?.error?.code === -32600) return wrongWithOne(value, null);
      if (!Array.isArray(value) || value.length !== loud.length) return `not ${loud.length} answers`;
      return firstOf(value, (one, index) => wrongWithEntry(one, loud[index]!));
    }
  }
}

/** Whether a body is answered at all; bytes that are no UTF-8 are answered, but cannot be sent as text. */
export function isAnswered(body: Uint8Array): "yes" | "no" | "perhaps" {
  const expected = expectation(body);
  if (expected.kind === "any" || !isUtf8(body)) return "perhaps";
  return mayBeSilent(expected) ? "no" : "yes";
}

const mayBeSilent = (expected: Expected) =>
  expected.kind === "any" ||
  (expected.kind === "single" && expected.entry.silent) ||
  (expected.kind === "batch" && expected.entries.every(({ silent }) => silent));

function firstOf(all: readonly Tree[], wrong: (one: Tree, index: number) => string | null): string | null {
  for (const [index, one] of all.entries()) {
    const what = wrong(one, index);
    if (what !== null) return what;
  }
  return null;
}

function wrongWithEntry(answer: Tree, entry: Entry): string | null {
  if (entry.silent) return "a notification was answered";
  const wrong = wrongWithOne(answer, entry.id);
  if (wrong !== null || entry.valid) return wrong;
  return answer.error?.code === -32600 ? null : "not refused as invalid_request";
}

/** One answer: its members, its error, and its id where that is known. */
function wrongWithOne(answer: Tree, ...id: [unknown?]): string | null {
  if (typeof answer !== "object" || answer === null || answer.jsonrpc !== "2.0") return "no JSON-RPC 2.0";
  const members = Object.keys(answer).sort().join();
  if (members !== "id,jsonrpc,result" && members !== "error,id,jsonrpc") return `members ${members}`;
  if (id.length > 0 && answer.id !== id[0]) return `id ${JSON.stringify(answer.id)} for ${JSON.stringify(id[0])}`;
  if (answer.error === undefined) return null;
  const { code, message, data } = answer.error;
  const isKnown = ERROR_TYPES.get(code) === data?.type && typeof message === "string" && message !== "";
  return isKnown ? null : `the error ${JSON.stringify(answer.error)}`;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function expectation(body: Uint8Array): Expected {
  let text: string;
  let value: Tree;
  try {
    text = utf8.decode(body);
  } catch {
    return { kind: "one", error: ["parse_error"] };
  }
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: "one", error: ["parse_error", "invalid_request"] };
  }
  if (depthOf(value) > NESTING_MAX) return { kind: "one", error: ["invalid_request"] };
  if (Array.isArray(value) && (value.length === 0 || value.length > BATCH_MAX))
    return { kind: "one", error: ["invalid_request"] };
  if (text.includes("\\u") || JSON.stringify(value) !== text) return { kind: "any" };
  if (!Array.isArray(value)) return { kind: "single", entry: entryOf(value) };
  return { kind: "batch", entries: value.map(entryOf) };
}

function entryOf(value: Tree): Entry {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { silent: false, id: null, valid: false };
  const given = Object.hasOwn(value, "id");
  const fit =
    given &&
    (value.id === null || typeof value.id === "number" || (typeof value.id === "string" && value.id.length <= 255));
  const { jsonrpc, method, params } = value;
  const valid =
    (fit || !given) &&
    jsonrpc === "2.0" &&
    typeof method === "string" &&
    (!Object.hasOwn(value, "params") || (typeof params === "object" && params !== null)) &&
    Object.keys(value).every((key) => ["jsonrpc", "method", "params", "id"].includes(key));
  return valid && !given ? { silent: true } : { silent: false, id: fit ? value.id : null, valid };
}

function depthOf(value: Tree): number {
  if (typeof value !== "object" || value === null) return 0;
  let deepest = 0;
  for (const member of Object.values(value)) deepest = Math.max(deepest, depthOf(member));
  return deepest + 1;
}
