import { type ErrorData, RpcError } from "./errors.ts";

/** What a JSON-RPC answer says. */
export type Answer = { readonly id: unknown } & ({ readonly result: unknown } | { readonly error: unknown });

/** A JSON-RPC answer, or null when the text is none. */
export function parseAnswer(text: string): Answer | null {
  return toAnswer(parse(text));
}

/** The answers of a message, one or a batch of them; null when anything in it is none. */
export function parseAnswers(text: string): readonly Answer[] | null {
  const parsed = parse(text);
  const answers = (Array.isArray(parsed) ? parsed : [parsed]).map(toAnswer);
  return answers.every((answer) => answer !== null) ? answers : null;
}

/** Undefined for what is no JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toAnswer(parsed: unknown): Answer | null {
  if (typeof parsed !== "object" || parsed === null || !("jsonrpc" in parsed)) return null;
  const id = "id" in parsed ? parsed.id : null;
  if ("error" in parsed) return { id, error: parsed.error };
  return "result" in parsed ? { id, result: parsed.result } : null;
}

/** The error of an answer as the client throws it. Takes nothing for granted: whatever answers may not be the service. */
export function rpcError(method: string, error: unknown): RpcError {
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
