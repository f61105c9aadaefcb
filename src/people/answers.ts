import { SECURITY_HEADERS } from "../lib/http-headers.ts";

const HEADERS = { ...SECURITY_HEADERS, "content-type": "application/json" } as const;

/** An answer that is not better-auth's own, in the form of its own: `{"code": "NOT_FOUND", "message": "…"}`. */
export function refused(
  status: number,
  code: string,
  message: string,
  { data = {}, headers = {} }: { data?: Record<string, unknown>; headers?: Record<string, string> } = {},
): Response {
  return new Response(JSON.stringify({ code, message, ...data }), { status, headers: { ...HEADERS, ...headers } });
}

const later = (seconds: number) => ({ "retry-after": String(seconds) });

export const unavailable = () =>
  refused(503, "UNAVAILABLE", "The database cannot be reached. Whether a change was made is unknown.", {
    headers: later(1),
  });

export const overloaded = () =>
  refused(503, "OVERLOADED", "Too many wait to sign in; try again later.", { headers: later(2) });

export const internal = () => refused(500, "INTERNAL_SERVER_ERROR", "Internal error.");

function tooMany(given: Headers): Response {
  const seconds = Number(given.get("x-retry-after"));
  return refused(429, "RATE_LIMITED", "Too many attempts; slow down.", { headers: later(seconds || 1) });
}

/** What goes out of an answer of better-auth's: its status, its JSON and its cookies; nothing of its faults. */
export async function outward(given: Response): Promise<Response> {
  if (given.status === 429) return tooMany(given.headers);
  if (given.status >= 500) return internal();
  const body = await given.text();
  const answer = new Response(body === "" ? "null" : body, { status: given.status, headers: HEADERS });
  for (const cookie of given.headers.getSetCookie()) answer.headers.append("set-cookie", cookie);
  return answer;
}
