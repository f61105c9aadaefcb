import type { OpenSocket } from "../lib/socket.ts";
import { json, lastRefusal, notAllowed, nothing, refusal, text, tryLater } from "./answers.ts";
import { type Body, readBody } from "./body.ts";
import { callOf } from "./caller.ts";
import { allowOrigin, isPreflight, preflight } from "./cors.ts";
import type { Dispatch } from "./dispatch.ts";
import { callsIn, readEnvelope } from "./envelope.ts";
import type { ErrorLog } from "./errors.ts";
import { isUpgrade, whyNoHandshake } from "./handshake.ts";
import { NOT_BEGUN, type SharedLimits } from "./limits.ts";
import { createOriginCheck, type OriginCheck, type OriginRule } from "./origin.ts";
import type { RpcSockets } from "./websocket.ts";

/** What the server knows of a connection, and may do with it. */
export interface Connection {
  remoteAddress: string | null;
  /** The port the request came in at. */
  localPort: number;
  /**
   * From here to its next request, the connection is closed when nothing has moved on it for so long. Nothing happens where
   * the runtime knows no such time.
   */
  timeout(seconds: number): void;
  /** Makes the request's connection a WebSocket; null if the runtime finds that it asks for none. */
  upgrade(open: OpenSocket): Response | null;
}

/** Answers one HTTP request. Never rejects. */
export type Handle = (request: Request, connection: Connection) => Promise<Response>;

export interface HttpLimits extends SharedLimits {
  /** Bytes of a request's body. */
  readonly bodyBytesMax: number;
  readonly bodyTimeoutMs: number;
  /** How long a connection may be idle between two requests. */
  readonly keepAliveSeconds: number;
}

export interface HttpOptions extends Omit<OriginRule, "port"> {
  dispatch: Dispatch;
  log: ErrorLog;
  limits: HttpLimits;
  /** Whoever talks over the connections that became WebSockets. */
  sockets: Pick<RpcSockets, "open" | "hasRoom">;
  /** Aborted when the service begins to stop: long polls then answer at once. */
  stopping: AbortSignal;
  /** The project of calls that name none. */
  project: string;
  /** True when the database can be reached and is migrated. */
  ready(): Promise<boolean>;
  metrics: { contentType: string; text(): Promise<string> };
  /** The OpenRPC document. */
  openrpc: object;
}

/** An answer of more characters is more than the kernel takes at once, and somebody may be long in reading it. */
const LARGE_ANSWER = 1024 * 1024;
/** How long the reader of a large answer may take none of it. */
const LARGE_ANSWER_SECONDS = 90;

/** A year: browsers then come by https even where a link says http. */
const HSTS = "max-age=31536000";

/** The service over HTTP: POST /rpc, WebSocket /rpc, GET /healthz, /readyz, /metrics and /openrpc.json. */
export function createHttpHandler(options: HttpOptions): Handle {
  const { log, limits, origins, publicUrl } = options;
  const pages = createPages(options);
  const originCheckFor = rememberOriginChecks(options);
  const isSecure = publicUrl?.startsWith("https:") ?? false;

  const route = async (request: Request, isListed: boolean): Promise<Answer> => {
    const path = pathOf(request);
    const page = pages.get(path);
    if (path !== "/rpc" && page === undefined) return small(notFound(request));
    const allow = page === undefined ? "POST" : "GET, HEAD";
    if (isListed && isPreflight(request)) return small(preflight(allow));
    if (!allow.split(", ").includes(request.method)) return small(notAllowed(allow));
    return page === undefined ? answerRpc(request, options) : small(await page());
  };

  const answer = async (request: Request, connection: Connection): Promise<Response> => {
    const caller = originCheckFor(connection.localPort)(request);
    if (caller !== null && isUpgrade(request) && pathOf(request) === "/rpc") {
      return answerUpgrade(request, connection, options);
    }
    const { response, isLarge } =
      caller === null
        ? small(lastRefusal(403, "Host or Origin is not ours."))
        : await route(request, caller.listed !== null);
    if (caller !== null && caller.listed !== null) allowOrigin(response, caller.listed);
    if (origins.length > 0) response.headers.set("vary", "origin");
    if (isSecure) response.headers.set("strict-transport-security", HSTS);
    connection.timeout(isLarge ? LARGE_ANSWER_SECONDS : limits.keepAliveSeconds);
    return response;
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

interface Answer {
  readonly response: Response;
  readonly isLarge: boolean;
}

function small(response: Response): Answer {
  return { response, isLarge: false };
}

function notFound({ method }: Request): Response {
  // Whatever comes after it would be meant for somebody else.
  if (method === "CONNECT") return lastRefusal(405, "Nothing is tunnelled here.");
  return refusal(404, "Nothing is here. Calls go to POST /rpc.");
}

const CONTENT_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset=(?:utf-8|"utf-8")[ \t]*)?$/i;

async function answerRpc(request: Request, options: HttpOptions): Promise<Answer> {
  if (!CONTENT_TYPE.test(request.headers.get("content-type") ?? "") || request.headers.has("content-encoding")) {
    return small(refusal(415, "The body must be application/json in UTF-8, not compressed."));
  }
  const { bodyBytesMax, bodyTimeoutMs, bodies } = options.limits;
  const body = await readBody(request, { bytesMax: bodyBytesMax, timeoutMs: bodyTimeoutMs, inFlight: bodies });
  if (body.kind !== "read") return small(unreadBody(body, bodyBytesMax));
  try {
    const answer = await answerBody(request, body.bytes, options);
    return answer === null ? small(nothing()) : { response: json(200, answer), isLarge: answer.length > LARGE_ANSWER };
  } finally {
    bodies.give(body.bytes.length);
  }
}

function unreadBody({ kind }: Exclude<Body, { kind: "read" }>, bodyBytesMax: number): Response {
  if (kind === "too large") return refusal(413, `The body must not be larger than ${bodyBytesMax} bytes.`);
  if (kind === "too slow") return lastRefusal(408, "The body was too long in coming.");
  if (kind === "no room") return tryLater("Too many bytes are being worked on.");
  // Nobody is left to read this answer.
  return lastRefusal(400, "The body ended early.");
}

async function answerBody(request: Request, body: Uint8Array, options: HttpOptions): Promise<string | null> {
  const { calls } = options.limits;
  const envelope = readEnvelope(body);
  const count = callsIn(envelope);
  const hasRoom = calls.take(count);
  const call = callOf(request, options.stopping, options.project);
  try {
    return await options.dispatch(envelope, call, hasRoom ? undefined : NOT_BEGUN);
  } finally {
    call.end();
    if (hasRoom) calls.give(count);
  }
}

function answerUpgrade(request: Request, connection: Connection, { sockets, limits }: HttpOptions): Response {
  // For those that are refused; a WebSocket has a time-out of its own.
  connection.timeout(limits.keepAliveSeconds);
  const reason = whyNoHandshake(request.headers);
  if (reason !== null) {
    const response = refusal(reason.status, reason.message);
    // As RFC 6455 asks when a version is not known; harmless else.
    response.headers.set("sec-websocket-version", "13");
    return response;
  }
  if (!sockets.hasRoom) return tryLater("No further WebSocket is taken now. Calls may go to POST /rpc.");
  return connection.upgrade(sockets.open) ?? refusal(400, "The handshake is none.");
}

type Page = () => Promise<Response>;

function createPages(options: HttpOptions): ReadonlyMap<string, Page> {
  const openrpc = JSON.stringify(options.openrpc);
  return new Map<string, Page>([
    ["/healthz", async () => json(200, '{"status":"ok"}')],
    ["/openrpc.json", async () => json(200, openrpc)],
    ["/readyz", () => answerReady(options)],
    ["/metrics", async () => text(options.metrics.contentType, await options.metrics.text())],
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
function rememberOriginChecks({ hosts, origins, publicUrl }: HttpOptions): (port: number) => OriginCheck {
  const checks = new Map<number, OriginCheck>();
  return (port) => {
    const check = checks.get(port) ?? createOriginCheck({ port, hosts, origins, publicUrl });
    checks.set(port, check);
    return check;
  };
}

/** The path called; a target that makes no URL (`*`, `http://[`) is no path of ours. */
function pathOf(request: Request): string {
  return URL.parse(request.url)?.pathname ?? "";
}
