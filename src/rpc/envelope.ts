import type { JSONRPCID, JSONRPCRequest } from "json-rpc-2.0";
import type { ParamIssue } from "../domain/refusals.ts";
import { parseJson } from "../lib/json-fidelity.ts";
import { shorten } from "../lib/json-path.ts";
import { invalidRequest, parseError, type WireError } from "./errors.ts";
import { ENVELOPE_LIMITS, type EnvelopeLimits } from "./limits.ts";
import { type Losses, lossesByRequest } from "./losses.ts";

/** UTF-16 units in a request's id; an id is given back, so its length is bounded. */
export const ID_CHARACTERS_MAX = 255;

/**
 * One request of a body: fit to be dispatched, or not a request at all. `issues` are the places of its parameters that
 * would not come back as they were sent; such a call is answered -32602 by the dispatcher, if its method exists.
 */
export type Entry =
  | { kind: "request"; request: JSONRPCRequest; issues: readonly ParamIssue[] }
  | { kind: "refused"; id: JSONRPCID; error: WireError };

/** A body: one entry, a batch of 1 to 100 of them (as configured), or refused as a whole with nothing done. */
export type Envelope =
  | { kind: "single"; entry: Entry }
  | { kind: "batch"; entries: readonly Entry[] }
  | { kind: "refused"; error: WireError };

/** How many calls a body makes. */
export function callsIn(envelope: Envelope): number {
  return envelope.kind === "batch" ? envelope.entries.length : 1;
}

/**
 * Checks a body before json-rpc-2.0 sees it: UTF-8, JSON, nesting, batch size, and each request's members.
 * Where that library deviates from the specification, this is what settles it.
 */
export function readEnvelope(body: Uint8Array | string, limits: EnvelopeLimits = ENVELOPE_LIMITS): Envelope {
  const { nestingMax, batchMax, valuesMax } = limits;
  const text = typeof body === "string" ? wellFormed(body) : decode(body);
  if (text === null) return { kind: "refused", error: parseError() };
  const parsed = parseJson(text, nestingMax, valuesMax);
  if (parsed.kind === "malformed") return { kind: "refused", error: parseError() };
  if (parsed.kind === "deep") return refuse(`The body is nested deeper than ${nestingMax} levels.`);
  if (parsed.kind === "many") return refuse(`The body holds more than ${valuesMax} values.`);

  const { value } = parsed;
  const batch = Array.isArray(value);
  if (batch && value.length === 0) return refuse("A batch must not be empty.");
  if (batch && value.length > batchMax) return refuse(`A batch must not hold more than ${batchMax} requests.`);
  const losses = parsed.suspect ? lossesByRequest(text, batch) : null;
  if (!batch) return { kind: "single", entry: readEntry(value, losses?.[0]) };
  return { kind: "batch", entries: value.map((member: unknown, index) => readEntry(member, losses?.[index])) };
}

/** A byte order mark is kept in the text, so that the parser refuses it: RFC 8259 forbids senders to add one. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decode(bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

function wellFormed(text: string): string | null {
  return text.isWellFormed() ? text : null;
}

function refuse(reason: string): Envelope {
  return { kind: "refused", error: invalidRequest(reason) };
}

const MEMBERS = new Set(["jsonrpc", "method", "params", "id"]);

function readEntry(value: unknown, losses: Losses | undefined): Entry {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { kind: "refused", id: null, error: invalidRequest("A request must be an object.") };
  }
  const members = value as Record<string, unknown>;
  const given = Object.hasOwn(members, "id");
  const id = given && !losses?.inId ? readId(members.id) : undefined;
  const reason = given && id === undefined ? ID_REASON : (losses?.outsideParams ?? whyNotARequest(members));
  if (reason !== null) return { kind: "refused", id: id ?? null, error: invalidRequest(reason) };

  const request: JSONRPCRequest = { jsonrpc: "2.0", method: String(members.method), params: members.params ?? {} };
  if (id !== undefined) request.id = id;
  return { kind: "request", request, issues: losses?.inParams ?? [] };
}

const ID_REASON = `id must be a string of at most ${ID_CHARACTERS_MAX} characters, a number or null, and come back unchanged.`;

/** The id if it is one, else undefined. A number that would come back changed never gets here. */
function readId(id: unknown): JSONRPCID | undefined {
  if (id === null || typeof id === "number") return id;
  return typeof id === "string" && id.length <= ID_CHARACTERS_MAX ? id : undefined;
}

/**
 * Members that JSON-RPC 2.0 does not define are refused, as unknown parameters are: with "parms" or "ID" ignored, a call
 * would run without its parameters or as a notification, and its sender would not learn of it.
 */
function whyNotARequest(members: Record<string, unknown>): string | null {
  if (members.jsonrpc !== "2.0") return 'jsonrpc must be "2.0".';
  if (typeof members.method !== "string") return "method must be a string.";
  if (Object.hasOwn(members, "params") && (typeof members.params !== "object" || members.params === null)) {
    return "params must be an object.";
  }
  for (const name of Object.keys(members)) {
    if (!MEMBERS.has(name)) return `A request has no member ${JSON.stringify(shorten(name))}.`;
  }
  return null;
}
