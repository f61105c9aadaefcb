import { SECURITY_HEADERS } from "../lib/http-headers.ts";

/** What is answered when the handler fails that should not. */
export function failed(): Response {
  return bare(500, "Internal error.");
}

/** What is answered while the server waits for connections to end. */
export function stopping(): Response {
  return bare(503, "The service is stopping.", { connection: "close", "retry-after": "1" });
}

function bare(status: number, message: string, more: Record<string, string> = {}): Response {
  return Response.json({ error: { status, message } }, { status, headers: { ...SECURITY_HEADERS, ...more } });
}
