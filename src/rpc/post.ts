import type { Refusal } from "../domain/refusals.ts";
import type { Guest } from "../engine/credentials.ts";
import { type Body, readBody } from "../lib/body.ts";
import { chunksOf } from "../lib/chunks.ts";
import { AnswerRoom, LARGE_ANSWER } from "./answer-room.ts";
import { json, lastRefusal, nothing, refusal, tryLater } from "./answers.ts";
import type { Authenticate } from "./authenticate.ts";
import { callOf } from "./caller.ts";
import type { Dispatch } from "./dispatch.ts";
import { enter, refused } from "./entering.ts";
import { callsIn, type Entry, type Envelope, readEnvelope } from "./envelope.ts";
import { type ErrorLog, errorResponse, refusalError } from "./errors.ts";
import { type EnvelopeLimits, NOT_BEGUN, type SharedLimits } from "./limits.ts";
import type { Rates } from "./rates.ts";

export interface PostLimits extends SharedLimits {
  /** Bytes of a request's body. */
  readonly bodyBytesMax: number;
  readonly bodyTimeoutMs: number;
}

export interface PostOptions {
  dispatch: Dispatch;
  log: ErrorLog;
  limits: PostLimits;
  body?: EnvelopeLimits;
  authenticate: Authenticate;
  /** How many calls somebody may make; null: any number. */
  rates: Rates | null;
  /** Aborted when the service begins to stop: long polls then answer at once. */
  stopping: AbortSignal;
}

export interface Answer {
  readonly response: Response;
  /** Somebody may be long in reading it. */
  readonly isLarge: boolean;
}

export function small(response: Response): Answer {
  return { response, isLarge: false };
}

/** Bodies of those who are not let in are read up to here, so that they find their calls' ids in the answer. */
const STRANGERS_BYTES_MAX = 16 * 1024;

/** Who sends a body for longer than this shows the credential again. */
const SLOW_BODY_MS = 1_000;

const CONTENT_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset=(?:utf-8|"utf-8")[ \t]*)?$/i;

/** Answers POST /rpc: who calls is found out first, so that a stranger's body costs next to nothing. */
export async function answerPost(request: Request, address: string, options: PostOptions): Promise<Answer> {
  if (!CONTENT_TYPE.test(request.headers.get("content-type") ?? "") || request.headers.has("content-encoding")) {
    return small(refusal(415, "The body must be application/json in UTF-8, not compressed."));
  }
  let entered = await enter(options.authenticate, request.headers, address);
  if ("refusal" in entered) return small(await turnAway(request, entered.refusal, options));
  const { bodyBytesMax } = options.limits;
  const began = performance.now();
  const body = await read(request, bodyBytesMax, options);
  if (body.kind !== "read") return small(unreadBody(body, bodyBytesMax));
  try {
    // A body may be long in coming, and its sender has been sent away meanwhile.
    if (performance.now() - began > SLOW_BODY_MS) entered = await enter(options.authenticate, request.headers, address);
    if ("refusal" in entered) return small(refused(entered.refusal));
    return await answerBody(request, body.bytes, { guest: entered.guest, address }, options);
  } finally {
    options.limits.bodies.give(body.bytes.length);
  }
}

function read(request: Request, bytesMax: number, { limits }: PostOptions): Promise<Body> {
  return readBody(request, { bytesMax, timeoutMs: limits.bodyTimeoutMs, inFlight: limits.bodies });
}

function unreadBody({ kind }: Exclude<Body, { kind: "read" }>, bodyBytesMax: number): Response {
  if (kind === "too large") return refusal(413, `The body must not be larger than ${bodyBytesMax} bytes.`);
  if (kind === "too slow") return lastRefusal(408, "The body was too long in coming.");
  if (kind === "no room") return tryLater("Too many bytes are being worked on.");
  // Nobody is left to read this answer.
  return lastRefusal(400, "The body ended early.");
}

async function answerBody(
  request: Request,
  body: Uint8Array,
  { guest, address }: { readonly guest: Guest; readonly address: string },
  { dispatch, limits, body: bodyLimits, rates, stopping }: PostOptions,
): Promise<Answer> {
  const envelope = readEnvelope(body, bodyLimits);
  const count = callsIn(envelope);
  const call = callOf(request, stopping, guest);
  const tooMany = rates?.(guest.principal.id, address, count);
  const hasRoom = tooMany === undefined && limits.calls.take(count);
  try {
    const room = new AnswerRoom(limits.answers, guest.principal.id);
    const text = await dispatch(envelope, call, tooMany ?? (hasRoom ? undefined : NOT_BEGUN), room);
    if (tooMany !== undefined) return small(refused(tooMany, text));
    if (text !== null && text.length > LARGE_ANSWER) return large(text, room, request.signal);
    room.give();
    if (text === null) return small(nothing());
    return small(room.refused === count ? refused(NOT_BEGUN, text) : json(200, text));
  } finally {
    call.end();
    if (hasRoom) limits.calls.give(count);
  }
}

/**
 * As a stream, for nothing else tells when an answer is out. Bun and Deno send one without its length. It ends with the
 * connection; who has gone before it began is told by the signal alone.
 */
function large(text: string, room: AnswerRoom, gone: AbortSignal): Answer {
  const bytes = new TextEncoder().encode(text);
  room.become(bytes.length);
  const give = () => room.give();
  gone.addEventListener("abort", give);
  if (gone.aborted) give();
  return { response: json(200, chunksOf(bytes, give)), isLarge: true };
}

/** Answers each call of somebody who is not let in with the reason; those of a larger body with one for all. */
async function turnAway(request: Request, refusal: Refusal, options: PostOptions): Promise<Response> {
  const body = await read(request, STRANGERS_BYTES_MAX, options);
  if (body.kind !== "read") return refused(refusal);
  try {
    return refused(refusal, sameForAll(readEnvelope(body.bytes, options.body), refusal));
  } finally {
    options.limits.bodies.give(body.bytes.length);
  }
}

/** The text that gives each call of a body the same refusal, by its id; null where none of them has one. */
function sameForAll(envelope: Envelope, refusal: Refusal): string | null {
  if (envelope.kind === "refused") return null;
  const error = refusalError(refusal);
  const ids = (envelope.kind === "single" ? [envelope.entry] : envelope.entries).map(idOf);
  const answers = ids.flatMap((id) => (id === undefined ? [] : [errorResponse(id, error)]));
  if (answers.length === 0) return null;
  return JSON.stringify(envelope.kind === "single" ? answers[0] : answers);
}

/** Undefined for a notification. */
const idOf = (entry: Entry) => (entry.kind === "request" ? entry.request.id : entry.id);
