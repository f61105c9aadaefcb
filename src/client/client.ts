import type { JsonObject } from "../lib/json.ts";
import type { Contract, Params, Result } from "./contract.ts";
import { exchange, type Fetch } from "./http.ts";
import { METHOD_KINDS, type MethodName, makeRepeatable } from "./methods.ts";
import { DEFAULT_RETRY, type RetryPolicy, withRetries } from "./retry.ts";

export interface ClientOptions {
  /** Where the service listens, without /rpc. Default: http://127.0.0.1:8080 */
  readonly url?: string;
  /** Sent with every call, for example `{ authorization: "Bearer osqs_…" }`. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly fetch?: Fetch;
  readonly retry?: Partial<RetryPolicy>;
  /** Seconds until one try is given up, beside the waitSeconds that the call itself asks for. Default: 30 */
  readonly timeoutSeconds?: number;
}

export interface CallOptions {
  /** Ends the call, its pauses and its retries; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly retry?: Partial<RetryPolicy>;
  readonly timeoutSeconds?: number;
  /**
   * Whether the call is made so that it can be repeated when an answer is lost. Default: true, but false for task.claim.
   * False sends no requestId of the client's making, and a lost answer is thrown as it is.
   */
  readonly repeatable?: boolean;
}

// Methods without a required parameter may be called with nothing.
type Arguments<M extends MethodName> =
  Record<never, never> extends Params<M>
    ? [params?: Params<M>, options?: CallOptions]
    : [params: Params<M>, options?: CallOptions];

type Noun = MethodName extends infer M ? (M extends `${infer N}.${string}` ? N : never) : never;

/** `client.task.enqueue(…)` and so on: one namespace a noun, one function a method. */
export type Namespaces = {
  readonly [N in Noun]: {
    readonly [M in keyof Contract as M extends `${N}.${infer Verb}` ? Verb : never]: (
      ...args: Arguments<M>
    ) => Promise<Result<M>>;
  };
};

export interface Caller {
  /** The service's address, without /rpc. */
  readonly url: string;
  /**
   * Calls a method by its name. Rejects with RpcError (the service refused), TransportError (no answer came, after
   * retries), TypeError (a parameter is not JSON), or the signal's reason.
   */
  call<M extends MethodName>(method: M, ...args: Arguments<M>): Promise<Result<M>>;
}

export type Client = Caller & Namespaces;

const TIMEOUT_SECONDS = 30;

/** A typed client of one service. It holds no connection of its own, so there is nothing to close. */
export function createClient(options: ClientOptions = {}): Client {
  const url = (options.url ?? "http://127.0.0.1:8080").replace(/\/+$/, "");
  let lastId = 0;

  async function send(method: MethodName, given: JsonObject, how: CallOptions): Promise<unknown> {
    const { params, repeatable } = makeRepeatable(method, given, how.repeatable);
    const waitMs = typeof params.waitSeconds === "number" ? params.waitSeconds * 1000 : 0;
    const timeoutMs = (how.timeoutSeconds ?? options.timeoutSeconds ?? TIMEOUT_SECONDS) * 1000 + waitMs;
    // Written once, so that every retry is the same text with the same requestId.
    const body = toJson({ jsonrpc: "2.0", id: ++lastId, method, params });
    const policy = { ...DEFAULT_RETRY, ...options.retry, ...how.retry };
    return await withRetries({ policy, repeatable, signal: how.signal, waitMs }, (leftMs) =>
      exchange({
        method,
        url: `${url}/rpc`,
        body,
        headers: options.headers ?? {},
        fetch: options.fetch ?? fetch,
        timeoutMs: Math.min(timeoutMs, leftMs),
        signal: how.signal,
      }),
    );
  }

  const namespaces: Record<string, Record<string, unknown>> = {};
  // The table's keys are the method names; Object.keys() only knows them as strings.
  for (const method of Object.keys(METHOD_KINDS) as MethodName[]) {
    const [noun, verb] = method.split(".") as [string, string];
    namespaces[noun] ??= {};
    namespaces[noun][verb] = (params: JsonObject = {}, how: CallOptions = {}) => send(method, params, how);
  }
  const call = (method: MethodName, params: JsonObject = {}, how: CallOptions = {}) => send(method, params, how);
  // The one place where the contract's types meet what is only text on the wire: the service checks parameters and
  // results against the same schemas that these types are made from.
  return Object.freeze({ url, call, ...namespaces }) as unknown as Client;
}

/** JSON.stringify turns NaN and the infinities into null; a payload is sent as it is or not at all. */
function toJson(message: unknown): string {
  return JSON.stringify(message, (key, value: unknown) => {
    if (typeof value === "number" && !Number.isFinite(value))
      throw new TypeError(`${key} is ${value}, not a JSON number.`);
    return value;
  });
}
