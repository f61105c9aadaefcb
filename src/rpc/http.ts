import { NOBODY } from "../domain/access/principal.ts";
import { Refusal } from "../domain/refusals.ts";
import type { Guest } from "../engine/credentials.ts";
import type { OpenSocket } from "../lib/socket.ts";
import { clientAddress } from "./address.ts";
import type { Authenticate } from "./authenticate.ts";
import { readBody } from "./body.ts";
import { callOf } from "./caller.ts";
import type { Dispatch } from "./dispatch.ts";
import { callsIn, readEnvelope } from "./envelope.ts";
import { type ErrorLog, refusalError } from "./errors.ts";
import { isUpgrade, whyNoHandshake } from "./handshake.ts";
import { createOriginCheck, type OriginCheck } from "./origin.ts";
import type { Rates } from "./rates.ts";
import type { RpcSockets } from "./websocket.ts";

/** Bytes of a request's body, and of a WebSocket's message. */
export const BODY_BYTES_MAX = 4 * 1024 * 1024;

/** What the server knows of a connection. */
export interface Connection {
  remoteAddress: string | null;
  /** The port the request came in at. */
  localPort: number;
  /** Makes the request's connection a WebSocket; null if the runtime finds that it asks for none. */
  upgrade(open: OpenSocket): Response | null;
}

/** Answers one HTTP request. Never rejects. */
export type Handle = (request: Request, connection: Connection) => Promise<Response>;

export interface HttpOptions {
  dispatch: Dispatch;
  log: ErrorLog;
  /** Whoever talks over the connections that became WebSockets. */
  sockets: Pick<RpcSockets, "openFor" | "hasRoom">;
  /** Aborted when the service begins to stop: long polls then answer at once. */
  stopping: AbortSignal;
  authenticate: Authenticate;
  /** How many calls somebody may make; null: any number. */
  rates: Rates | null;
  /** Proxies whose X-Forwarded-For is believed. */
  trustedProxies: readonly string[];
  /** See OriginRule. */
  hosts: readonly string[];
  origins: readonly string[];
  /** True when the database can be reached and is migrated. */
  ready(): Promise<boolean>;
  metrics: { contentType: string; text(): Promise<string> };
  /** The OpenRPC document. */
  openrpc: object;
}

/** The service over HTTP: POST /rpc, WebSocket /rpc, GET /healthz, /readyz, /metrics and /openrpc.json. */
export function createHttpHandler(options: HttpOptions): Handle {
  const { log } = options;
  const pages = createPages(options);
  const originCheckFor = rememberOriginChecks(options);

  const answer = async (request: Request, connection: Connection): Promise<Response> => {
    if (!originCheckFor(connection.localPort)(request.headers)) return refusal(403, "Host or Origin is not ours.");
    const path = pathOf(request);
    if (path === "/rpc") {
      return isUpgrade(request) ? answerUpgrade(request, connection, options) : answerRpc(request, connection, options);
    }
    const page = pages.get(path);
    if (page === undefined) return refusal(404, "Nothing is here. Calls go to POST /rpc.");
    if (request.method !== "GET" && request.method !== "HEAD") return notAllowed("GET, HEAD");
    return page();
  };

  return async (request, connection) => {
    try {
      return await answer(request, connection);
    } catch (error) {
      log.error("An HTTP request failed inside the service.", { error });
      return refusal(500, "Internal error.");
    }
  };
}

const CONTENT_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset=(?:utf-8|"utf-8")[ \t]*)?$/i;

async function answerRpc(request: Request, connection: Connection, options: HttpOptions): Promise<Response> {
  if (request.method !== "POST") return notAllowed("POST");
  if (!CONTENT_TYPE.test(request.headers.get("content-type") ?? "") || request.headers.has("content-encoding")) {
    return refusal(415, "The body must be application/json in UTF-8, not compressed.");
  }
  const address = clientAddress(request.headers, connection.remoteAddress, options.trustedProxies);
  let entered = await enter(options, request.headers, address);
  if (entered instanceof Refusal) return await turnAway(request, entered, options);
  const began = performance.now();
  const body = await readBody(request, BODY_BYTES_MAX);
  if (body.kind === "too large") return refusal(413, `The body must not be larger than ${BODY_BYTES_MAX} bytes.`);
  // Nobody is left to read this answer.
  if (body.kind === "cut off") return refusal(400, "The body ended early.");
  // A body may be long in coming, and its sender has been sent away meanwhile.
  if (performance.now() - began > SLOW_BODY_MS) entered = await enter(options, request.headers, address);
  if (entered instanceof Refusal) return refused(entered, null);

  const call = callOf(request, options.stopping, entered);
  const envelope = readEnvelope(body.bytes);
  const tooMany = options.rates?.(entered.principal.id, address, callsIn(envelope));
  try {
    const text = await options.dispatch(envelope, call, tooMany);
    return tooMany ? refused(tooMany, text) : answered(text);
  } finally {
    call.end();
  }
}

/** Who sends a body for longer than this shows the credential again. */
const SLOW_BODY_MS = 1_000;

const answered = (text: string | null) =>
  text === null ? new Response(null, { status: 204, headers: HEADERS }) : json(200, text);

/** Lets somebody in, or says why not. */
async function enter({ authenticate }: HttpOptions, headers: Headers, address: string): Promise<Guest | Refusal> {
  try {
    return await authenticate(headers, address);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

/** Bodies of those who are not let in are read up to here, so that they find their calls' ids in the answer. */
const STRANGERS_BYTES_MAX = 16 * 1024;

/** Answers each call of somebody who is not let in with the reason; with a larger body, one reason for all. */
async function turnAway(request: Request, refusal: Refusal, { dispatch, stopping }: HttpOptions): Promise<Response> {
  const body = await readBody(request, STRANGERS_BYTES_MAX);
  const envelope = body.kind === "read" ? readEnvelope(body.bytes) : null;
  if (envelope === null || envelope.kind === "refused") return refused(refusal, null);
  const call = callOf(request, stopping, { principal: NOBODY, onEnd: () => () => {} });
  return refused(refusal, await dispatch(envelope, call, refusal));
}

/** The HTTP answer to calls that were refused as a whole. */
function refused(refusal: Refusal, text: string | null): Response {
  const body = text ?? JSON.stringify({ jsonrpc: "2.0", id: null, error: refusalError(refusal) });
  const response = json(STATUS_OF[refusal.type] ?? 503, body);
  if (refusal.type === "unauthenticated") response.headers.set("www-authenticate", "Bearer");
  const { retryAfterSeconds } = refusal.data as { retryAfterSeconds?: number };
  if (retryAfterSeconds !== undefined) response.headers.set("retry-after", String(retryAfterSeconds));
  return response;
}

const STATUS_OF: Partial<Record<Refusal["type"], number>> = { unauthenticated: 401, rate_limited: 429 };

async function answerUpgrade(request: Request, connection: Connection, options: HttpOptions): Promise<Response> {
  const { sockets } = options;
  const reason = whyNoHandshake(request.headers);
  if (reason !== null) {
    const response = refusal(reason.status, reason.message);
    // As RFC 6455 asks when a version is not known; harmless else.
    response.headers.set("sec-websocket-version", "13");
    return response;
  }
  if (!sockets.hasRoom) return tryLater("No further WebSocket is taken now. Calls may go to POST /rpc.");
  const address = clientAddress(request.headers, connection.remoteAddress, options.trustedProxies);
  const entered = await enter(options, request.headers, address);
  if (entered instanceof Refusal) return refused(entered, null);
  return connection.upgrade(sockets.openFor(entered, address)) ?? refusal(400, "The handshake is none.");
}

type Page = () => Promise<Response>;

function createPages(options: HttpOptions): ReadonlyMap<string, Page> {
  const openrpc = JSON.stringify(options.openrpc);
  return new Map<string, Page>([
    ["/healthz", async () => json(200, '{"status":"ok"}')],
    ["/openrpc.json", async () => json(200, openrpc)],
    ["/readyz", () => answerReady(options)],
    [
      "/metrics",
      async () => {
        const headers = { ...HEADERS, "content-type": options.metrics.contentType };
        return new Response(await options.metrics.text(), { headers });
      },
    ],
  ]);
}

async function answerReady({ ready, log }: HttpOptions): Promise<Response> {
  try {
    if (await ready()) return json(200, '{"status":"ready"}');
  } catch (error) {
    log.error("Readiness could not be told.", { error });
  }
  return tryLater("The database cannot be reached, or is not migrated.");
}

/** The port is known only when the server listens, so each port's check is made when its first request comes. */
function rememberOriginChecks({ hosts, origins }: HttpOptions): (port: number) => OriginCheck {
  const checks = new Map<number, OriginCheck>();
  return (port) => {
    const check = checks.get(port) ?? createOriginCheck({ port, hosts, origins });
    checks.set(port, check);
    return check;
  };
}

/** The path called; a target that makes no URL (`*`, `http://[`) is no path of ours. */
function pathOf(request: Request): string {
  return URL.parse(request.url)?.pathname ?? "";
}

const HEADERS = {
  "content-type": "application/json",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
} as const;

function json(status: number, text: string): Response {
  return new Response(text, { status, headers: HEADERS });
}

/** An answer below JSON-RPC: `{"error": {"status": 415, "message": "…"}}`. */
function refusal(status: number, message: string): Response {
  return json(status, JSON.stringify({ error: { status, message } }));
}

function tryLater(message: string): Response {
  const response = refusal(503, message);
  response.headers.set("retry-after", "1");
  return response;
}

function notAllowed(allow: string): Response {
  const response = refusal(405, `Only ${allow} is allowed here.`);
  response.headers.set("allow", allow);
  return response;
}
