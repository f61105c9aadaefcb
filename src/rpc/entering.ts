import { Refusal } from "../domain/refusals.ts";
import type { Guest } from "../engine/credentials.ts";
import { json } from "./answers.ts";
import type { Authenticate } from "./authenticate.ts";
import { refusalError } from "./errors.ts";

/** Somebody who has been let in, or why not. */
export type Entered = { readonly guest: Guest } | { readonly refusal: Refusal };

export async function enter(authenticate: Authenticate, headers: Headers, address: string): Promise<Entered> {
  try {
    return { guest: await authenticate(headers, address) };
  } catch (error) {
    if (error instanceof Refusal) return { refusal: error };
    throw error;
  }
}

const STATUS_OF: Partial<Record<Refusal["type"], number>> = { unauthenticated: 401, forbidden: 403, rate_limited: 429 };

/** The HTTP answer to calls that were refused as a whole, with the text that answers each, if it was found out which they are. */
export function refused(refusal: Refusal, text: string | null = null): Response {
  const body = text ?? JSON.stringify({ jsonrpc: "2.0", id: null, error: refusalError(refusal) });
  const response = json(STATUS_OF[refusal.type] ?? 503, body);
  if (refusal.type === "unauthenticated") response.headers.set("www-authenticate", "Bearer");
  const { retryAfterSeconds } = refusal.data as { retryAfterSeconds?: number };
  if (retryAfterSeconds !== undefined) response.headers.set("retry-after", String(retryAfterSeconds));
  return response;
}
