import { Refusal } from "../domain/refusals.ts";
import type { OpenSocket } from "../lib/socket.ts";
import { clientAddress, type IsTrusted } from "./address.ts";
import { lastRefusal, notAllowed, refusal, tryLater } from "./answers.ts";
import { allowOrigin, isPreflight, preflight } from "./cors.ts";
import { enter, refused } from "./entering.ts";
import { isUpgrade, whyNoHandshake } from "./handshake.ts";
import { createOriginCheck, type OriginCheck, type OriginRule } from "./origin.ts";
import { createPages, type PagesOptions } from "./pages.ts";
import { type Answer, answerPost, type PostOptions, small } from "./post.ts";
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

export interface HttpOptions extends Omit<OriginRule, "port">, PostOptions, PagesOptions {
  limits: PostOptions["limits"] & {
    /** How long a connection may be idle between two requests. */
    readonly keepAliveSeconds: number;
  };
  /** Whoever talks over the connections that became WebSockets. */
  sockets: Pick<RpcSockets, "openFor" | "hasRoom" | "hasRoomFor">;
  /** Whether an X-Forwarded-For is believed; null: none is. */
  isTrusted: IsTrusted | null;
  /** Answers what is below /api/auth; null: nobody signs in here. */
  people: { handle(request: Request, address: string): Promise<Response> } | null;
}

/** How long the reader of a large answer may take none of it. */
const LARGE_ANSWER_SECONDS = 90;

/** A year: browsers then come by https even where a link says http. */
const HSTS = "max-age=31536000";

/** The service over HTTP: POST /rpc, WebSocket /rpc, /api/auth, GET /healthz, /readyz, /metrics and /openrpc.json. */
export function createHttpHandler(options: HttpOptions): Handle {
  const { log, limits, origins, publicUrl, people } = options;
  const pages = createPages(options);
  const originCheckFor = rememberOriginChecks(options);
  const isSecure = publicUrl?.startsWith("https:") ?? false;

  const route = async (request: Request, address: string, isListed: boolean): Promise<Answer> => {
    const path = pathOf(request);
    if (people !== null && path.startsWith("/api/auth/"))
      return small(isListed && isPreflight(request) ? preflight("GET, POST") : await people.handle(request, address));
    const page = pages.get(path);
    if (path !== "/rpc" && page === undefined) return small(notFound(request));
    const allow = page === undefined ? "POST" : "GET, HEAD";
    if (isListed && isPreflight(request)) return small(preflight(allow));
    if (!allow.split(", ").includes(request.method)) return small(notAllowed(allow));
    return page === undefined ? answerPost(request, address, options) : small(await page(request, address));
  };

  const answer = async (request: Request, connection: Connection): Promise<Response> => {
    const address = clientAddress(request.headers, connection.remoteAddress, options.isTrusted);
    const caller = originCheckFor(connection.localPort)(request);
    if (caller !== null && isUpgrade(request) && pathOf(request) === "/rpc") {
      return answerUpgrade(request, address, connection, options);
    }
    const { response, isLarge } =
      caller === null
        ? small(lastRefusal(403, "Host or Origin is not ours."))
        : await route(request, address, caller.listed !== null);
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

function notFound({ method }: Request): Response {
  // Whatever comes after it would be meant for somebody else.
  if (method === "CONNECT") return lastRefusal(405, "Nothing is tunnelled here.");
  return refusal(404, "Nothing is here. Calls go to POST /rpc.");
}

async function answerUpgrade(
  request: Request,
  address: string,
  connection: Connection,
  { sockets, limits, authenticate }: HttpOptions,
): Promise<Response> {
  // For those that are refused; a WebSocket has a time-out of its own.
  connection.timeout(limits.keepAliveSeconds);
  const reason = whyNoHandshake(request.headers);
  if (reason !== null) {
    const response = refusal(reason.status, reason.message);
    // As RFC 6455 asks when a version is not known; harmless else.
    response.headers.set("sec-websocket-version", "13");
    return response;
  }
  const entered = await enter(authenticate, request.headers, address);
  if ("refusal" in entered) return refused(entered.refusal);
  if (!sockets.hasRoom) return tryLater("No further WebSocket is taken now. Calls may go to POST /rpc.");
  if (!sockets.hasRoomFor(entered.guest)) return refused(new Refusal("rate_limited", { retryAfterSeconds: 1 }));
  return connection.upgrade(sockets.openFor(entered.guest, address)) ?? refusal(400, "The handshake is none.");
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
