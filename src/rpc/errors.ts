import { randomUUID } from "node:crypto";
import type { JSONRPCErrorResponse, JSONRPCID } from "json-rpc-2.0";
import { z } from "zod";
import { InvalidParams, type ParamIssue, REFUSALS, Refusal, type RefusalType } from "../domain/refusals.ts";
import type { Method } from "./method.ts";

/** Refusals that any call may meet, whatever its method lists. */
const COMMON_REFUSALS = ["overloaded", "unavailable", "unauthenticated", "forbidden", "rate_limited"] as const;

/**
 * Every refusal a method may answer: its own, the common ones, for a changing one a requestId used for another call, and for
 * one that acts in a project a project that does not exist.
 */
export function refusalsOf(method: Method): ReadonlySet<RefusalType> {
  const reused = method.changing ? (["conflict"] as const) : [];
  const unknown = takesProject(method) ? (["not_found"] as const) : [];
  return new Set([...method.refusals, ...reused, ...unknown, ...COMMON_REFUSALS]);
}

const takesProject = ({ params }: Method) => params instanceof z.ZodObject && "project" in params.shape;

/** What the transport itself answers; the messages are those of the JSON-RPC 2.0 specification. */
export const PROTOCOL_ERRORS = {
  parse_error: { code: -32700, message: "Parse error" },
  invalid_request: { code: -32600, message: "Invalid Request" },
  method_not_found: { code: -32601, message: "Method not found" },
  invalid_params: { code: -32602, message: "Invalid params" },
  internal: { code: -32603, message: "Internal error" },
} as const;

export type ErrorType = keyof typeof PROTOCOL_ERRORS | RefusalType;

/** The wire's error object: every error of every answer is one of these. */
export interface WireError {
  code: number;
  message: string;
  data: { type: ErrorType } & Record<string, unknown>;
}

/** Where what must not reach a caller is written down. */
export interface ErrorLog {
  error(message: string, fields: Record<string, unknown>): void;
}

/** The body is not JSON at all. */
export function parseError(): WireError {
  return protocolError("parse_error", {});
}

/** The body, or one member of a batch, is not a JSON-RPC 2.0 request. `reason` is one sentence for a person. */
export function invalidRequest(reason: string): WireError {
  return protocolError("invalid_request", { reason });
}

export function methodNotFound(): WireError {
  return protocolError("method_not_found", {});
}

/** The error object of something thrown: a refusal, unfit parameters, or else an internal error with its reference alone. */
export function wireError(error: unknown, log: ErrorLog, method: string): WireError {
  if (error instanceof Refusal) return refusalError(error);
  if (error instanceof InvalidParams) return protocolError("invalid_params", { issues: firstIssues(error.issues) });
  const ref = randomUUID();
  log.error("A call failed inside the service.", { ref, method, error });
  return protocolError("internal", { ref });
}

/** A refusal's error object: also what one item of a …Many method's answer holds. */
export function refusalError(refusal: Refusal): WireError {
  const type: RefusalType = refusal.type;
  return { ...REFUSALS[type], data: { type, ...refusal.data } };
}

export function errorResponse(id: JSONRPCID, error: WireError): JSONRPCErrorResponse {
  return { jsonrpc: "2.0", id, error };
}

function protocolError(type: keyof typeof PROTOCOL_ERRORS, data: Record<string, unknown>): WireError {
  return { ...PROTOCOL_ERRORS[type], data: { type, ...data } };
}

/** A call of 1,000 tasks can be wrong in thousands of places; nobody reads more than some of them. */
const ISSUES_MAX = 100;

function firstIssues(issues: readonly ParamIssue[]): readonly ParamIssue[] {
  if (issues.length <= ISSUES_MAX) return issues;
  return [...issues.slice(0, ISSUES_MAX), { path: "", message: `and ${issues.length - ISSUES_MAX} more issues` }];
}
