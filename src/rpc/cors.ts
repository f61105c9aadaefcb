import { nothing } from "./answers.ts";

/** How long a browser may remember what it was allowed. */
const REMEMBER_SECONDS = "600";

/**
 * Lets a page of a listed origin read the answer, and send its cookie or key. No other origin is ever named: without these
 * headers a browser keeps the answer to itself.
 */
export function allowOrigin(response: Response, origin: string): void {
  response.headers.set("access-control-allow-origin", origin);
  response.headers.set("access-control-allow-credentials", "true");
  response.headers.set("access-control-expose-headers", "retry-after");
  // The page's own site is another one, and a browser may hold that against the answer too.
  response.headers.set("cross-origin-resource-policy", "cross-origin");
}

/** Whether a browser asks, before it sends a page's request, if it may. */
export function isPreflight({ method, headers }: Request): boolean {
  return method === "OPTIONS" && headers.has("access-control-request-method");
}

/** The answer to a listed origin; `allowOrigin` is still to be said. */
export function preflight(allow: string): Response {
  const response = nothing();
  response.headers.set("access-control-allow-methods", allow);
  response.headers.set("access-control-allow-headers", "authorization, content-type");
  response.headers.set("access-control-max-age", REMEMBER_SECONDS);
  return response;
}
