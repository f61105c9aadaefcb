import { TIMER_MS_MAX } from "./alarm.ts";
import { parseAnswer, rpcError } from "./answer.ts";
import { RpcError, TransportError } from "./errors.ts";
import type { Exchange, Transport } from "./transport.ts";

/** The part of fetch that the client needs; tests and programs behind a proxy give their own. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface HttpOptions {
  /** Where calls are posted to. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: Fetch;
}

/** Each call by a POST of its own. A caller that gives up hangs up, by which the service learns of it. */
export class HttpTransport implements Transport {
  readonly #options: HttpOptions;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  exchange(call: Exchange): Promise<unknown> {
    return exchange(this.#options, call);
  }

  /** Nothing is held: connections are those of fetch. */
  close(): void {}
}

async function exchange(options: HttpOptions, call: Exchange): Promise<unknown> {
  call.signal?.throwIfAborted();
  // One controller for both reasons to stop: AbortSignal.any() keeps its followers for as long as a long-lived signal
  // lives on Node 20, and every call of a worker would hang on the worker's own signal.
  const controller = new AbortController();
  const onAbort = () => controller.abort(call.signal?.reason);
  call.signal?.addEventListener("abort", onAbort, { once: true });
  let timedOut = false;
  const timer = setTimeout(
    () => {
      timedOut = true;
      controller.abort(new DOMException("no answer in time", "TimeoutError"));
    },
    Math.min(call.timeoutMs, TIMER_MS_MAX),
  );
  try {
    const { response, text } = await post(options, call.text, controller.signal);
    return readAnswer(call.method, response, text);
  } catch (error) {
    if (call.signal?.aborted) throw call.signal.reason;
    if (error instanceof RpcError || error instanceof TransportError) throw error;
    throw noAnswer(options.url, call, error, timedOut);
  } finally {
    clearTimeout(timer);
    call.signal?.removeEventListener("abort", onAbort);
  }
}

async function post(
  { url, headers, fetch }: HttpOptions,
  body: string,
  signal: AbortSignal,
): Promise<{ response: Response; text: string }> {
  const response = await fetch(url, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body,
    // A redirect would turn the POST into a GET, or send the credential elsewhere.
    redirect: "manual",
    signal,
  });
  return { response, text: await response.text() };
}

function noAnswer(url: string, call: Exchange, error: unknown, timedOut: boolean): TransportError {
  if (timedOut) {
    const message = `No answer from ${url} within ${Math.round(call.timeoutMs) / 1000} s.`;
    return new TransportError(call.method, message, { outcome: "unknown", cause: error });
  }
  const reason = whyNeverConnected(error);
  if (reason !== null) {
    return new TransportError(call.method, `Cannot reach ${url}: ${reason}.`, {
      outcome: "not_sent",
      cause: error,
    });
  }
  const message = `The connection to ${url} broke: ${innermostMessage(error)}.`;
  return new TransportError(call.method, message, { outcome: "unknown", cause: error });
}

const NOBODY_THERE = new Map([
  ["ECONNREFUSED", "nothing listens there"],
  ["ConnectionRefused", "nothing listens there"],
  ["ENOTFOUND", "there is no such host"],
  ["EAI_AGAIN", "the host's name cannot be looked up"],
]);

/**
 * Why no connection came about, so that nothing was sent; null when one may have. Bun has the code on the error, Node on
 * its cause, Deno only words.
 */
function whyNeverConnected(error: unknown): string | null {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const known = "code" in at && typeof at.code === "string" ? NOBODY_THERE.get(at.code) : undefined;
    if (known !== undefined) return known;
    if (/\(Connect\): /.test(at.message)) return at.message.replace(/^.*\(Connect\): /, "");
  }
  return null;
}

function innermostMessage(error: unknown): string {
  let message = String(error);
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++)
    message = at.message || message;
  return message.replace(/[.\s]+$/, "");
}

/** A JSON-RPC answer counts whatever the HTTP status says: 401 comes with one. */
function readAnswer(method: string, response: Response, text: string): unknown {
  const answer = parseAnswer(text);
  if (answer === null) throw unexpectedAnswer(method, response, text);
  if ("error" in answer) throw rpcError(method, answer.error);
  return answer.result;
}

/** HTTP without JSON-RPC: a proxy's page, another program on this port, or a limit of the transport (413, 415, 403). */
function unexpectedAnswer(method: string, response: Response, text: string): TransportError {
  const { status } = response;
  const start = text.slice(0, 200).replace(/\s+/g, " ").trim();
  return new TransportError(method, `HTTP ${status} without a JSON-RPC answer${start === "" ? "" : `: ${start}`}`, {
    // Below 500 the request was turned away; above, whoever answered may have passed it on first.
    outcome: status >= 300 && status < 500 ? "not_sent" : "unknown",
    status,
    retryAfterSeconds: retryAfter(response),
  });
}

/** Retry-After in seconds; its other form, a date, would depend on this machine's clock and is left out. */
function retryAfter(response: Response): number | null {
  const text = response.headers.get("retry-after");
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : null;
}
