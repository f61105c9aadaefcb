import {
  BackendTerminatedError,
  BackendTerminatedUnexpectedlyError,
  ConnectionError,
  StatementCancelledError,
  StatementTimeoutError,
} from "slonik";

const NETWORK = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EPIPE",
  "EHOSTUNREACH",
  "EAI_AGAIN",
]);
/** Classes of SQLSTATE: 08 connection, 40 rolled back however often it was tried, 53 resources, 57 operator (shutdown, start-up). */
const STATES = ["08", "40", "53", "57"];

/**
 * True when the database could not be reached, or gave up for a reason that passes: whether a change was made is then
 * unknown to the caller. Anything else is a fault of ours or of the call.
 */
export function isUnavailable(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (
      at instanceof ConnectionError ||
      at instanceof BackendTerminatedError ||
      at instanceof BackendTerminatedUnexpectedlyError ||
      at instanceof StatementTimeoutError ||
      at instanceof StatementCancelledError
    )
      return true;
    const code = (at as { code?: unknown }).code;
    if (typeof code === "string" && (NETWORK.has(code) || (code.length === 5 && STATES.includes(code.slice(0, 2)))))
      return true;
    if (/connection terminated|timeout expired|connection pool|client (is|was|has)/i.test(at.message)) return true;
  }
  return false;
}

/** True for text that PostgreSQL cannot store: refused before, so this is the second line. */
export function isUnstorable(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const code = (at as { code?: unknown }).code;
    if (code === "22P05" || code === "22021" || code === "22P02" || code === "22003" || code === "22008") return true;
  }
  return false;
}

/** The SQLSTATE class 23 constraint that was violated, or null. */
export function violatedConstraint(error: unknown): string | null {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const constraint = (at as { constraint?: unknown }).constraint;
    if (typeof constraint === "string") return constraint;
  }
  return null;
}
