import { LOG_LEVELS } from "../lib/log.ts";
import { bearer, hostName, httpUrl, oneOf, onOff, whole } from "./values.ts";
import { type Environment, optional, variable } from "./variable.ts";

/** Row checks cost time on the hot path, so only who develops or tests the service goes with them. */
const rowChecksFallback = (env: Environment) =>
  env.NODE_ENV === "test" || env.NODE_ENV === "development" ? "on" : "off";

/** What the service is, and how the command line finds it. */
export const SERVICE = {
  port: variable("PORT", "8080", whole(0, 65_535), "TCP port to listen on; 0 takes any free one."),
  host: variable("HOST", "127.0.0.1", hostName, "Address to listen on; 0.0.0.0 or :: for all."),
  autoCreateQueues: variable("AUTO_CREATE_QUEUES", "on", onOff, "The first enqueue to an unknown queue creates it."),
  rowChecks: variable(
    "ROW_CHECKS",
    rowChecksFallback,
    onOff,
    "Check each row read from the database against its schema.",
    { fallbackText: "off; on where NODE_ENV is test or development" },
  ),
  shutdownSeconds: variable(
    "SHUTDOWN_SECONDS",
    "10",
    whole(0, 3600),
    "Seconds that calls get to finish after SIGTERM.",
  ),
  key: optional("OPENSQS_KEY", bearer, "The key with which the command line calls the service.", { secret: true }),
  url: optional("OPENSQS_URL", httpUrl, "The service that the command line talks to.", {
    fallbackText: "http://127.0.0.1:PORT",
  }),
  logLevel: variable(
    "LOG_LEVEL",
    "info",
    oneOf(LOG_LEVELS),
    "Least grave log lines to write: debug, info, warn or error.",
  ),
} as const;
