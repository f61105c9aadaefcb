import { z } from "zod";
import { ANYONE } from "../../src/domain/access/principal.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { Budget, SharedBudget } from "../../src/lib/budget.ts";
import { createDispatcher, type DispatchOptions } from "../../src/rpc/dispatch.ts";
import type { HttpOptions } from "../../src/rpc/http.ts";
import { type Call, type Method, method } from "../../src/rpc/method.ts";

/** A method for tests: takes what `params` says, gives anything. */
export function stubMethod<P extends z.ZodType>(
  name: string,
  params: P,
  run: (params: z.output<P>, call: Call) => unknown,
  more: Partial<Pick<Method, "refusals" | "changing" | "scope" | "result">> = {},
): Method {
  return method({
    name,
    summary: `The stub ${name}.`,
    params,
    result: z.unknown(),
    changing: false,
    scope: null,
    refusals: [],
    ...more,
    run: async (_engine, given, call) => run(given, call),
  });
}

/** No stub asks it anything. */
const noEngine = {} as Engine;

const someCall: Call = { signal: new AbortController().signal, principal: ANYONE };

/** A dispatcher over stubs, with what it logged and observed. */
export function stubService(methods: readonly Method[], options: Partial<DispatchOptions> = {}) {
  const logged: { message: string; fields: Record<string, unknown> }[] = [];
  const outcomes: [method: string | null, outcome: string][] = [];
  const dispatch = createDispatcher({
    methods,
    engine: noEngine,
    log: { error: (message, fields) => logged.push({ message, fields }) },
    observe: (name) => (outcome) => outcomes.push([name, outcome]),
    checkResults: true,
    ...options,
  });
  const ask = (body: Uint8Array | string, call = someCall): Promise<string | null> => dispatch(body, call);
  /** The answer to a body, parsed; bodies that are no text are printed first. */
  const answer = async (body: unknown): Promise<unknown> => {
    const text = await ask(typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body));
    return text === null ? null : JSON.parse(text);
  };
  return { ask, answer, logged, outcomes, dispatch };
}

/** A request with an id, unless told otherwise. */
export function request(name: string, params?: unknown, id: unknown = 1): Record<string, unknown> {
  return { jsonrpc: "2.0", id, method: name, ...(params !== undefined && { params }) };
}

/** How an answer with an error begins; data is compared in part. */
export function failure(code: number, type: string, id: unknown = null) {
  return { jsonrpc: "2.0", id, error: { code, data: { type } } };
}

/** Echoes what it is given; the value itself, where Zod's objects would make another. */
export const echo = stubMethod("echo", z.custom<object>().meta({ type: "object" }), (params) => params);

/** For tests of HTTP alone. */
export const noSockets = {
  hasRoom: false,
  hasRoomFor: () => false,
  openFor: () => {
    throw new Error("No WebSocket is taken here.");
  },
};

const BODY_BYTES_MAX = 4 * 1024 * 1024;

export const socketLimits = { messageBytesMax: BODY_BYTES_MAX, silentSecondsMax: 90 };

export const connectionLimits = { bodyBytesMax: BODY_BYTES_MAX, requestSeconds: 120, connectionsMax: 10_000 };

/** Limits that no test meets by chance, or those told. */
export function httpLimits(more: Partial<HttpOptions["limits"]> = {}): HttpOptions["limits"] {
  return {
    bodyBytesMax: BODY_BYTES_MAX,
    bodyTimeoutMs: 30_000,
    keepAliveSeconds: 15,
    bodies: new Budget(256 * 1024 * 1024),
    calls: new Budget(20_000),
    answers: new SharedBudget(512 * 1024 * 1024, 1),
    ...more,
  };
}
