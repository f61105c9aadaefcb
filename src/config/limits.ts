import { milliseconds, whole } from "./values.ts";
import { type Environment, variable } from "./variable.ts";

/** Claims that wait must leave room for the other calls. */
const callsFallback = (env: Environment) => {
  const waiting = env.MAX_WAITING_CLAIMS?.trim() || "10000";
  // What is no number is told of where it stands.
  return String((/^\d{1,7}$/.test(waiting) ? Number(waiting) : 0) + 10_000);
};

/** What is taken at most; docs/limits.md says what is answered beyond it. */
export const LIMITS = {
  longPollMax: variable(
    "MAX_WAITING_CLAIMS",
    "10000",
    whole(0, 1_000_000),
    "Most claims that may wait for a task at once; more are refused as overloaded.",
  ),
  socketsMax: variable("SOCKETS_MAX", "1000", whole(0, 1_000_000), "Most WebSocket connections; 0 leaves HTTP only."),
  socketCallsMax: variable(
    "SOCKET_CALLS_MAX",
    "2000",
    // A full batch must fit.
    whole(100, 1_000_000),
    "Most calls of one WebSocket connection that may run at once; more are refused as overloaded.",
  ),
  socketBytesMax: variable(
    "SOCKET_BYTES_MAX",
    "33554432",
    whole(65_536, 2 ** 31),
    "Most bytes of one WebSocket connection's messages that may be unanswered at once; more are refused as overloaded.",
  ),
  callsMax: variable(
    "CALLS_MAX",
    callsFallback,
    whole(100, 10_000_000),
    "Most calls that may run at once over all connections, waiting claims among them; more are refused as overloaded.",
    { fallbackText: "MAX_WAITING_CLAIMS + 10000" },
  ),
  connectionsMax: variable(
    "CONNECTIONS_MAX",
    "10000",
    whole(10, 1_000_000),
    "TCP connections beyond which idle ones are closed and each answer ends its own (on Bun; looked at once a second).",
  ),
  keepAliveSeconds: variable(
    "KEEP_ALIVE_SECONDS",
    "15",
    whole(4, 240),
    "Seconds until an HTTP connection that is idle between two requests is closed (on Bun, which counts in steps of 4).",
  ),
  bodyBytesMax: variable(
    "BODY_BYTES_MAX",
    "4194304",
    whole(65_536, 67_108_864),
    "Most bytes of a request's body (beyond: HTTP 413) and of a WebSocket message (beyond: closed with 1009).",
  ),
  bodyTimeoutMs: variable(
    "BODY_TIMEOUT_SECONDS",
    "30",
    milliseconds(0.1, 120),
    "Seconds in which a request's body must have arrived as a whole; beyond, HTTP 408.",
  ),
  bodiesBytesMax: variable(
    "BODIES_BYTES_MAX",
    "268435456",
    whole(65_536, 2 ** 40),
    "Most bytes of bodies and messages that may be worked on at once over all connections; beyond, HTTP 503 or overloaded.",
  ),
  answersBytesMax: variable(
    "ANSWERS_BYTES_MAX",
    "536870912",
    // A single large answer takes 1 MiB.
    whole(2_097_152, 2 ** 40),
    "Most bytes of answers that may lie unread at once over all connections; beyond, calls that change nothing are refused as overloaded.",
  ),
  nestingMax: variable(
    "NESTING_MAX",
    "64",
    whole(8, 256),
    "Levels of objects and arrays in a body, the request's own included.",
  ),
  batchMax: variable("BATCH_MAX", "100", whole(1, 1000), "Most calls of a batch."),
  batchCostMax: variable(
    "BATCH_COST_MAX",
    "10000",
    whole(1000, 1_000_000),
    "Most things that the calls of a batch may name or ask for together: tasks, items, receipts, the limits of claims and lists, and 1 for other calls.",
  ),
  valuesMax: variable(
    "VALUES_MAX",
    "250000",
    whole(10_000, 10_000_000),
    "Most values in a body: members, elements, and the objects and arrays they are in.",
  ),
  parametersMax: variable("PARAMETERS_MAX", "100", whole(30, 1_000_000), "Most members of a call's params."),
  resultBytesMax: variable(
    "RESULT_BYTES_MAX",
    "4194304",
    whole(1024, 67_108_864),
    "Most bytes of a task's result, as JSON text with its numbers' digits in full.",
  ),
  errorDataBytesMax: variable(
    "ERROR_DATA_BYTES_MAX",
    "65536",
    whole(0, 4_194_304),
    "Most bytes of the data of an error in task.fail, likewise.",
  ),
  answerBytesMax: variable(
    "ANSWER_BYTES_MAX",
    "67108864",
    whole(65_536, 1_073_741_824),
    "Most bytes of payloads, results and errors in one answer, about: claims get fewer tasks, and pages are shorter.",
  ),
} as const;
