import {
  type JSONRPCErrorResponse,
  type JSONRPCRequest,
  JSONRPCServer,
  type JSONRPCSuccessResponse,
} from "json-rpc-2.0";
import { InvalidParams, type ParamIssue, Refusal } from "../domain/refusals.ts";
import type { Engine } from "../engine/engine.ts";
import type { AnswerRoom } from "./answer-room.ts";
import { authorise } from "./authorise.ts";
import { createCostOf } from "./cost.ts";
import { type Entry, type Envelope, readEnvelope } from "./envelope.ts";
import {
  type ErrorLog,
  type ErrorType,
  errorResponse,
  invalidRequest,
  methodNotFound,
  refusalsOf,
  type WireError,
  wireError,
} from "./errors.ts";
import type { HeavyCalls } from "./heavy-calls.ts";
import { ENVELOPE_LIMITS, type EnvelopeLimits, NOT_BEGUN } from "./limits.ts";
import { type LongPolls, mayWait } from "./long-polls.ts";
import type { Call, Method } from "./method.ts";
import { readParams } from "./params.ts";

export type Outcome = "ok" | ErrorType;

/** Told when a call begins; what it returns is told when, and how, the call ends. `method` is null if there is no such one. */
export type Observe = (method: string | null) => (outcome: Outcome) => void;

/**
 * Answers one body, read or not yet. Null: there was nothing to answer, for it held notifications only. Never rejects.
 * With a refusal, no call of the body is begun: it is what all of them are answered with. Of the room, each answer takes what
 * it is long; giving it back is the caller's.
 */
export type Dispatch = (
  body: Uint8Array | string | Envelope,
  call: Call,
  refusal?: Refusal,
  room?: AnswerRoom,
) => Promise<string | null>;

export interface DispatchOptions {
  methods: readonly Method[];
  engine: Engine;
  log: ErrorLog;
  observe: Observe;
  /** How many calls of one caller may wait; absent: any number. */
  polls?: LongPolls;
  /** How many heavy calls of one caller may be under way; absent: any number. */
  heavy?: HeavyCalls;
  /** For tests and development: a result unlike its schema, or a refusal its method does not list, is an internal error. */
  checkResults?: boolean;
  limits?: EnvelopeLimits;
}

/** What a call carries through json-rpc-2.0 beside its request. */
interface Context {
  call: Call;
  issues: readonly ParamIssue[];
  refusal: Refusal | undefined;
}

/** Thrown through json-rpc-2.0 so that its mapper finds the wire's error ready made. */
class Answered extends Error {
  readonly wire: WireError;

  constructor(wire: WireError) {
    super(wire.message);
    this.wire = wire;
  }
}

type Response = JSONRPCErrorResponse | JSONRPCSuccessResponse;

/**
 * The service's JSON-RPC 2.0: body in, answer out. json-rpc-2.0 dispatches requests that the envelope has checked.
 *
 * The requests of a batch run concurrently, started in their order and answered in it. The specification allows any order,
 * and one after the other, a hundred enqueues would cost a hundred commits and a claim that waits would hold up the rest;
 * a caller that needs an order sends one body after the other.
 */
export function createDispatcher(options: DispatchOptions): Dispatch {
  const server = createServer(options);
  const { log, observe, limits = ENVELOPE_LIMITS } = options;
  const costOf = createCostOf(options.methods);
  const reading = new Set(options.methods.filter(({ changing }) => !changing).map(({ name }) => name));
  const isReading = (entry: Entry): entry is Entry & { readonly kind: "request" } =>
    entry.kind === "request" && reading.has(entry.request.method);
  const tooMuch = ({ id = null }: JSONRPCRequest) => print(errorResponse(id, wireError(NOT_BEGUN, log, "batch")));
  const refused = (error: WireError) => {
    observe(null)(error.data.type);
    return print(errorResponse(null, error));
  };

  const answer = async (entry: Entry, call: Call, refusal: Refusal | undefined): Promise<string | null> => {
    if (entry.kind === "refused") {
      observe(null)("invalid_request");
      return print(errorResponse(entry.id, entry.error));
    }
    const { request, issues } = entry;
    const response = await server.receive(request, { call, issues, refusal });
    if (response === null) return null;
    try {
      return print(response);
    } catch (error) {
      return print(errorResponse(response.id, wireError(error, log, request.method)));
    }
  };

  const answerWithin = async (
    entry: Entry,
    call: Call,
    refusal: Refusal | undefined,
    room: AnswerRoom | undefined,
  ): Promise<string | null> => {
    if (room === undefined || refusal !== undefined) return answer(entry, call, refusal);
    const text = await answer(entry, call, isReading(entry) && !room.begin() ? NOT_BEGUN : undefined);
    if (text === null || room.take(text.length, isReading(entry)) || !isReading(entry)) return text;
    return tooMuch(entry.request);
  };

  return async (body, call, refusal, room) => {
    const envelope = typeof body === "string" || body instanceof Uint8Array ? readEnvelope(body, limits) : body;
    if (envelope.kind === "single") return answerWithin(envelope.entry, call, refusal, room);
    if (envelope.kind === "refused") return refused(envelope.error);
    const cost = costOf(envelope);
    if (cost > limits.batchCostMax) return refused(invalidRequest(tooCostly(cost, limits)));
    let left = limits.answerBytesMax;
    const answers = await Promise.all(
      envelope.entries.map(async (entry) => {
        const text = await answerWithin(entry, call, refusal, room);
        left -= text?.length ?? 0;
        // Each is let go of as it comes: a hundred tasks of megabytes are not in memory together.
        return text !== null && left < 0 && isReading(entry) ? tooMuch(entry.request) : text;
      }),
    );
    const texts = answers.filter((text) => text !== null);
    return texts.length === 0 ? null : `[${texts.join(",")}]`;
  };
}

const tooCostly = (cost: number, { batchCostMax }: EnvelopeLimits) =>
  `The calls of the batch name or ask for ${cost} things; together they must not for more than ${batchCostMax}.`;

function createServer(options: DispatchOptions): JSONRPCServer<Context> {
  const { log, observe } = options;
  const server = new JSONRPCServer<Context>({
    // What was thrown has been logged where it was turned into a wire error; the library's own words add nothing.
    errorListener: (message, error) => {
      if (!(error instanceof Answered)) log.error(message, { error });
    },
  });
  server.mapErrorToJSONRPCErrorResponse = (id, error: unknown) =>
    errorResponse(id, error instanceof Answered ? error.wire : wireError(error, log, "json-rpc-2.0"));
  server.handleMethodNotFound = async (request) => {
    observe(null)("method_not_found");
    return request.id === undefined ? null : errorResponse(request.id, methodNotFound());
  };
  for (const method of options.methods) {
    if (server.hasMethod(method.name)) throw new Error(`Two methods are named ${method.name}.`);
    server.addMethod(method.name, observed(method, options));
  }
  return server;
}

/** Runs a call beside no more of the same caller's than its kind allows. */
function inTurn<T>(
  { heavy: isHeavy }: Method,
  params: unknown,
  call: Call,
  { polls, heavy }: DispatchOptions,
  run: () => Promise<T>,
): Promise<T> {
  if (polls && mayWait(params)) return polls.run(call.principal.id, run);
  return heavy && isHeavy ? heavy.run(call, run) : run();
}

/** A method as json-rpc-2.0 calls it. It throws nothing but Answered. */
function observed(method: Method, options: DispatchOptions): (params: unknown, context: Context) => Promise<unknown> {
  const { engine, log, observe, checkResults = false, limits = ENVELOPE_LIMITS } = options;
  return async (params, { call, issues, refusal }) => {
    const done = observe(method.name);
    try {
      if (refusal !== undefined) throw refusal;
      if (issues.length > 0) throw new InvalidParams(issues);
      const read = readParams(method.params, params, limits.parametersMax);
      authorise(method, read, call.principal);
      const run = () => method.run(engine, read, call);
      const running = inTurn(method, read, call, options, run);
      const result: unknown = await (checkResults ? checked(method, running) : running);
      done("ok");
      return result;
    } catch (error) {
      const wire = wireError(error, log, method.name);
      done(wire.data.type);
      throw new Answered(wire);
    }
  };
}

/** Holds a method to its contract: the result is checked as the caller would read it, after JSON. */
async function checked(method: Method, running: Promise<unknown>): Promise<unknown> {
  let result: unknown;
  try {
    result = await running;
  } catch (error) {
    if (!(error instanceof Refusal) || refusalsOf(method).has(error.type)) throw error;
    throw new Error(`${method.name} does not list the refusal ${error.type}.`, { cause: error });
  }
  const sent: unknown = JSON.parse(JSON.stringify(result) ?? "null");
  const { success, error } = method.result.safeParse(sent);
  if (!success) throw new Error(`The result of ${method.name} is not what its schema says.`, { cause: error });
  return result;
}

/** The answer's text, its members in the order in which the specification's examples show them. */
function print(response: Response): string {
  const outcome =
    response.error === undefined
      ? `"result":${JSON.stringify(response.result)}`
      : `"error":${JSON.stringify(response.error)}`;
  return `{"jsonrpc":"2.0",${outcome},"id":${JSON.stringify(response.id)}}`;
}
