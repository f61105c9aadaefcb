import type { RefusalData, RefusalType } from "../domain/refusals.ts";

/** `data.type` of an error answer; the five of JSON-RPC itself beside the service's refusals. */
export type ErrorType =
  | RefusalType
  | "parse_error"
  | "invalid_request"
  | "method_not_found"
  | "invalid_params"
  | "internal";

export interface ErrorData {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** The service answered with an error: the call was refused and, unless it says `unavailable`, changed nothing. */
export class RpcError extends Error {
  readonly method: string;
  readonly code: number;
  /** One of ErrorType, unless the service is newer than this client. */
  readonly type: ErrorType | (string & {});
  readonly data: ErrorData;

  constructor(method: string, code: number, message: string, data: ErrorData) {
    super(message);
    this.name = "RpcError";
    this.method = method;
    this.code = code;
    this.type = data.type;
    this.data = data;
  }
}

/** True for the service's answer of this type; narrows `data` to what that type tells. */
export function isRefusal<T extends RefusalType>(
  error: unknown,
  type: T,
): error is RpcError & { readonly type: T; readonly data: ErrorData & RefusalData[T] } {
  return error instanceof RpcError && error.type === type;
}

/**
 * There was no JSON-RPC answer.
 * `outcome` is `not_sent` when the service cannot have acted (nobody listens there, or a proxy turned the call away) and
 * `unknown` when it may have (the connection broke, time ran out, a gateway failed).
 */
export class TransportError extends Error {
  readonly method: string;
  readonly outcome: "not_sent" | "unknown";
  /** HTTP status, if there was one. */
  readonly status: number | null;
  /** What a Retry-After header asked for. */
  readonly retryAfterSeconds: number | null;

  constructor(
    method: string,
    message: string,
    about: {
      outcome: "not_sent" | "unknown";
      status?: number;
      retryAfterSeconds?: number | null;
      cause?: unknown;
    },
  ) {
    super(message, about.cause === undefined ? {} : { cause: about.cause });
    this.name = "TransportError";
    this.method = method;
    this.outcome = about.outcome;
    this.status = about.status ?? null;
    this.retryAfterSeconds = about.retryAfterSeconds ?? null;
  }
}

/** A task or a workflow had not finished when the time of who waited for it was up. */
export class TimeoutError extends Error {
  readonly noun: "task" | "workflow";
  readonly id: string;
  readonly timeoutSeconds: number;

  constructor(noun: "task" | "workflow", id: string, timeoutSeconds: number) {
    super(`The ${noun} ${id} has not finished within ${timeoutSeconds} seconds.`);
    this.name = "TimeoutError";
    this.noun = noun;
    this.id = id;
    this.timeoutSeconds = timeoutSeconds;
  }
}

/** How a failed call may go on; null when trying again cannot help. */
export interface Retryable {
  /** False: the service certainly did nothing, so even a call that must not act twice may be sent again. */
  readonly outcomeUnknown: boolean;
  /** The least the service asked to wait. */
  readonly afterSeconds: number;
}

/** Decides from the error alone; whether the call is repeatable is the caller's part. */
export function retryable(error: unknown): Retryable | null {
  if (error instanceof RpcError) {
    if (error.type === "unavailable") return { outcomeUnknown: true, afterSeconds: hint(error.data.retryAfterSeconds) };
    if (error.type !== "overloaded" && error.type !== "rate_limited") return null;
    return { outcomeUnknown: false, afterSeconds: hint(error.data.retryAfterSeconds) };
  }
  if (!(error instanceof TransportError)) return null;
  const afterSeconds = error.retryAfterSeconds ?? 0;
  if (error.status === null || error.status >= 500)
    return { outcomeUnknown: error.outcome === "unknown", afterSeconds };
  return error.status === 429 ? { outcomeUnknown: false, afterSeconds } : null;
}

function hint(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}
