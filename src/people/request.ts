import { readBody } from "../lib/body.ts";
import { Budget } from "../lib/budget.ts";
import { overloaded, refused } from "./answers.ts";
import { ADDRESS_HEADER, BASE_PATH } from "./auth.ts";
import { ROUTES, type Route } from "./routes.ts";

export const BODY_BYTES_MAX = 16 * 1024;
/**
 * Anybody may send a body here, slowly. So there is room for one from each connection that the service has at most by default:
 * with less, few connections that send nothing would keep everybody from signing in.
 */
const LIMITS = { bytesMax: BODY_BYTES_MAX, timeoutMs: 10_000, inFlight: new Budget(10_000 * BODY_BYTES_MAX) };
/** It is stored with each session. */
const USER_AGENT_MAX = 300;
/** What better-auth looks at. The names of proxies' headers are not among them. */
const HEADERS_PASSED = ["cookie", "origin", "referer", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"];

/** A request as better-auth gets it, and what it will cost; or the answer, where it gets none. */
export type Checked = { readonly request: Request; readonly route: Route } | Response;

/** Makes a new request of what is allowed in one, so that nothing else of it gets through. */
export async function checked(request: Request, address: string | null, base: string): Promise<Checked> {
  const route = routeOf(request);
  if (route === undefined) return refused(404, "NOT_FOUND", "Nothing is here.");
  if (request.method !== route.method) {
    const headers = { allow: route.method };
    return refused(405, "METHOD_NOT_ALLOWED", `Only ${route.method} is allowed here.`, { headers });
  }
  const headers = headersOf(request.headers, address);
  const url = `${base}${BASE_PATH}${route.path}`;
  if (route.body === null) return { request: new Request(url, { headers }), route };
  const body = await bodyOf(request, route.body);
  if (body instanceof Response) return body;
  headers.set("content-type", "application/json");
  return { request: new Request(url, { method: "POST", headers, body }), route };
}

export function routeOf(request: Request): Route | undefined {
  return ROUTES.get(new URL(request.url).pathname.slice(BASE_PATH.length));
}

function headersOf(given: Headers, address: string | null): Headers {
  const headers = new Headers();
  for (const name of HEADERS_PASSED) {
    const value = given.get(name);
    if (value !== null) headers.set(name, value);
  }
  const agent = given.get("user-agent");
  if (agent !== null) headers.set("user-agent", agent.slice(0, USER_AGENT_MAX));
  if (address !== null) headers.set(ADDRESS_HEADER, address);
  return headers;
}

/** The body's JSON, once it has the shape, and nothing beyond it; an empty one stands for {}. */
async function bodyOf(request: Request, shape: NonNullable<Route["body"]>): Promise<string | Response> {
  const type = request.headers.get("content-type");
  if ((type !== null && !/^application\/json\s*(;|$)/i.test(type)) || request.headers.has("content-encoding"))
    return refused(415, "UNSUPPORTED_MEDIA_TYPE", "The body must be application/json, not compressed.");
  const body = await readBody(request, LIMITS);
  if (body.kind === "too large") {
    const data = { limitBytes: BODY_BYTES_MAX };
    return refused(413, "PAYLOAD_TOO_LARGE", `The body must not be larger than ${BODY_BYTES_MAX} bytes.`, { data });
  }
  if (body.kind === "no room") return overloaded();
  if (body.kind === "too slow") return refused(408, "REQUEST_TIMEOUT", "The body was too long in coming.");
  if (body.kind === "cut off") return refused(400, "BAD_REQUEST", "The body ended early.");
  LIMITS.inFlight.give(body.bytes.length);
  if (body.bytes.length > 0 && type === null)
    return refused(415, "UNSUPPORTED_MEDIA_TYPE", "The body must be application/json.");
  const parsed = parse(body.bytes);
  if (parsed === undefined) return refused(400, "BAD_REQUEST", "The body is not JSON in UTF-8.");
  const fit = shape.safeParse(parsed);
  if (fit.success) return JSON.stringify(fit.data);
  const issues = fit.error.issues.slice(0, 20).map(({ path, message }) => ({ path: path.join("."), message }));
  return refused(400, "VALIDATION_ERROR", "The body is not as it must be.", { data: { issues } });
}

function parse(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return {};
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
