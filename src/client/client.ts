import type { JsonObject } from "../lib/json.ts";
import type { Contract, Params, Result, Task, Workflow } from "./contract.ts";
import { type Fetch, HttpTransport } from "./http.ts";
import { writeMessage } from "./message.ts";
import { isBrief, METHOD_KINDS, type MethodName, makeRepeatable } from "./methods.ts";
import { DEFAULT_RETRY, type RetryPolicy, withRetries } from "./retry.ts";
import { SocketTransport } from "./socket.ts";
import type { Transport } from "./transport.ts";
import { type WaitForOptions, waitFor } from "./wait-for.ts";
import { type WaitForWorkflowOptions, waitForWorkflow } from "./wait-for-workflow.ts";
import { WorkflowBuilder, type WorkflowOptions } from "./workflow.ts";

/**
 * `http`: each call by a request of its own. `websocket`: all calls over one connection, which is opened when it is needed
 * and closed when it is idle; where none can be had, over HTTP.
 */
export type TransportName = "http" | "websocket";

export interface ClientOptions {
  /** Where the service listens, without /rpc. Default: http://127.0.0.1:8080 */
  readonly url?: string;
  /** Default: http */
  readonly transport?: TransportName;
  /** The API key to call with. */
  readonly key?: string;
  /** Sent with every call, or once when a WebSocket is opened. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Makes the calls that go over HTTP. */
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
  /**
   * Resolves with a task once it has finished; also when it failed or was cancelled, for that is an answer. Rejects with
   * TimeoutError, the signal's reason, or what a call rejects with: RpcError `not_found` for a task that is gone,
   * TransportError when no answer came, after retries.
   */
  waitFor(id: string, options?: WaitForOptions): Promise<Task>;
  /** The same for a workflow, however it ended. */
  waitForWorkflow(id: string, options?: WaitForWorkflowOptions): Promise<Workflow>;
  /** Ends a WebSocket and the calls on it; the client cannot be used any more. Does nothing over HTTP. */
  close(): void;
}

/** `client.workflow("import", { queue: "import" })`: a builder, to be given tasks and started. */
type Build = (name?: string, options?: WorkflowOptions) => WorkflowBuilder;

export type Client = Caller & Namespaces & { readonly workflow: Build };

const TIMEOUT_SECONDS = 30;
const DEFAULT_URL = "http://127.0.0.1:8080";

/** What each client was made with, so that others can be made like it. */
const optionsOf = new WeakMap<Client, ClientOptions>();

/** A client like `client` that calls by `transport`; null for one that createClient() has not made. */
export function alike(client: Client, transport: TransportName): Client | null {
  const options = optionsOf.get(client);
  return options === undefined ? null : createClient({ ...options, transport });
}

/** The transport a client's user wants; undefined if that is left open. A fetch of the user's is wanted for every call. */
export function transportOf(client: Client): TransportName | undefined {
  const options = optionsOf.get(client);
  return options?.transport ?? (options?.fetch === undefined ? undefined : "http");
}

function makeTransport(url: string, { transport, key, headers: more, fetch: own = fetch }: ClientOptions): Transport {
  const headers = { ...(key !== undefined && { authorization: `Bearer ${key}` }), ...more };
  const http = new HttpTransport({ url, headers, fetch: own });
  return transport === "websocket" ? new SocketTransport({ url: url.replace(/^http/, "ws"), headers, http }) : http;
}

/** A typed client of one service. */
export function createClient(options: ClientOptions = {}): Client {
  const url = (options.url ?? DEFAULT_URL).replace(/\/+$/, "");
  const transport = makeTransport(`${url}/rpc`, options);
  let lastId = 0;

  async function send(method: MethodName, given: JsonObject, how: CallOptions): Promise<unknown> {
    const { params, repeatable } = makeRepeatable(method, given, how.repeatable);
    const waitMs = typeof params.waitSeconds === "number" ? params.waitSeconds * 1000 : 0;
    const timeoutMs = (how.timeoutSeconds ?? options.timeoutSeconds ?? TIMEOUT_SECONDS) * 1000 + waitMs;
    const id = ++lastId;
    // Written once, so that every retry is the same text with the same requestId.
    const { text, depth } = writeMessage({ jsonrpc: "2.0", id, method, params });
    const { signal } = how;
    const waits = waitMs > 0;
    const call = { id, method, text, depth, signal, waits, brief: isBrief(method, waits) };
    const late = method === "task.claim" ? lateClaim(given, repeatable, signal) : undefined;
    const policy = { ...DEFAULT_RETRY, ...options.retry, ...how.retry };
    return await withRetries({ policy, repeatable, signal, waitMs }, (leftMs) =>
      transport.exchange({ ...call, late, timeoutMs: Math.min(timeoutMs, leftMs) }),
    );
  }

  /**
   * Tasks that come for a caller who has gone are handed back, or they would be leased to nobody. Not those of a claim that
   * is, or may be, repeated under its requestId, for they are its repeat's.
   */
  function lateClaim(given: JsonObject, repeatable: boolean, signal: AbortSignal | undefined) {
    if (given.requestId !== undefined) return undefined;
    return (result: unknown) => {
      if (repeatable && !signal?.aborted) return;
      const project = given.project === undefined ? {} : { project: given.project };
      for (const { receipt } of (result as Result<"task.claim">).tasks) {
        // At worst the lease runs out.
        send("task.release", { receipt, ...project }, {}).catch(() => undefined);
      }
    };
  }

  const namespaces: Record<string, Record<string, unknown>> = {};
  // The table's keys are the method names; Object.keys() only knows them as strings.
  for (const method of Object.keys(METHOD_KINDS) as MethodName[]) {
    const [noun, verb] = method.split(".") as [string, string];
    namespaces[noun] ??= {};
    namespaces[noun][verb] = (params: JsonObject = {}, how: CallOptions = {}) => send(method, params, how);
  }
  const call = (method: MethodName, params: JsonObject = {}, how: CallOptions = {}) => send(method, params, how);
  const build: Build = (name, how = {}) => new WorkflowBuilder(client, name, how);
  // The one place where the contract's types meet what is only text on the wire: the service checks parameters and
  // results against the same schemas that these types are made from.
  const client: Client = Object.freeze({
    url,
    call,
    waitFor: (id: string, how?: WaitForOptions) => waitFor(client, id, how),
    waitForWorkflow: (id: string, how?: WaitForWorkflowOptions) => waitForWorkflow(client, id, how),
    close: () => transport.close(),
    ...namespaces,
    workflow: Object.assign(build, namespaces.workflow),
  }) as unknown as Client;
  optionsOf.set(client, options);
  return client;
}
