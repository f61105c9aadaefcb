import { type ErrorData, RpcError, TransportError } from "./errors.ts";

/** The part of fetch that the client needs; tests and programs behind a proxy give their own. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface Exchange {
  readonly method: string;
  readonly url: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: Fetch;
  /** Most milliseconds for the whole exchange, the answer's body included. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * One HTTP exchange of one call.
 * Answers the call's result; throws RpcError (answered with an error), TransportError (no answer), or the signal's reason.
 */
export async function exchange(call: Exchange): Promise<unknown> {
  call.signal?.throwIfAborted();
  // One controller for both reasons to stop: AbortSignal.any() keeps its followers for as long as a long-lived signal
  // lives on Node 20, and every call of a worker would hang on the worker's own signal.
  const controller = new AbortController();
  const onAbort = () => controller.abort(call.signal?.reason);
  call.signal?.addEventListener("abort", onAbort, { once: true });
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    controller.abort(new DOMException("no answer in time", "TimeoutError"));
  }, call.timeoutMs);
  try {
    const { response, text } = await post(call, controller.signal);
    return readAnswer(call.method, response, text);
  } catch (error) {
    if (call.signal?.aborted) throw call.signal.reason;
    if (error instanceof RpcError || error instanceof TransportError) throw error;
    throw noAnswer(call, error, timedOut);
  } finally {
    clearTimeout(timer);
    call.signal?.removeEventListener("abort", onAbort);
  }
}

async function post(call: Exchange, signal: AbortSignal): Promise<{ response: Response; text: string }> {
  const response = await call.fetch(call.url, {
    method: "POST",
    headers: { ...call.headers, "content-type": "application/json" },
    body: call.body,
    // A redirect would turn the POST into a GET, or send the credential elsewhere.
    redirect: "manual",
    signal,
  });
  return { response, text: await response.text() };
}

function noAnswer(call: Exchange, error: unknown, timedOut: boolean): TransportError {
  if (timedOut) {
    const message = `No answer from ${call.url} within ${Math.round(call.timeoutMs) / 1000} s.`;
    return new TransportError(call.method, message, { outcome: "unknown", cause: error });
  }
  const reason = whyNeverConnected(error);
  if (reason !== null) {
    return new TransportError(call.method, `Cannot reach ${call.url}: ${reason}.`, {
      outcome: "not_sent",
      cause: error,
    });
  }
  const message = `The connection to ${call.url} broke: ${innermostMessage(error)}.`;
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

function readAnswer(method: string, response: Response, text: string): unknown {
  const answer = parseAnswer(text);
  if (answer === null) throw unexpectedAnswer(method, response, text);
  if ("error" in answer) throw rpcError(method, answer.error);
  return answer.result;
}

type Answer = { result: unknown } | { error: unknown };

/** A JSON-RPC answer whatever the HTTP status says (401 comes with one), or null when the text is none. */
function parseAnswer(text: string): Answer | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof parsed !== "object" || parsed === null || !("jsonrpc" in parsed)) return null;
  if ("error" in parsed) return { error: parsed.error };
  return "result" in parsed ? { result: parsed.result } : null;
}

function rpcError(method: string, error: unknown): RpcError {
  const { code, message, data } = typeof error === "object" && error !== null ? (error as Record<string, unknown>) : {};
  return new RpcError(
    method,
    typeof code === "number" ? code : -32603,
    typeof message === "string" ? message : "The service answered with an error that says nothing.",
    isErrorData(data) ? data : { type: "internal" },
  );
}

function isErrorData(data: unknown): data is ErrorData {
  return typeof data === "object" && data !== null && "type" in data && typeof data.type === "string";
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
