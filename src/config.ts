import { isIP } from "node:net";
import { LOG_LEVELS } from "./lib/log.ts";
import { isLoopback } from "./lib/loopback.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The environment variables of the service, and the only place that reads them. One table is the check, the type and the
 * documentation: readConfig() is driven by it and the README's table is printed from it.
 */
interface Variable<T> {
  readonly name: string;
  /** What counts when the variable is absent or empty; null: nothing does. */
  readonly fallback: string | ((env: Environment) => string) | null;
  /** How the fallback reads in the documentation, where it is not simply the value. */
  readonly fallbackText?: string;
  readonly meaning: string;
  /** Never shown in an error: holds a credential. */
  readonly secret?: boolean;
  /** Gives the value, or throws Wrong with what it must be. */
  readonly parse: (text: string) => T;
}

/** Completes the sentence "NAME must be …". */
class Wrong extends Error {}

/** Lists every variable that is wrong, so that one start shows all there is to mend. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The configuration is wrong:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
    this.name = "ConfigError";
    this.problems = problems;
  }
}

const anyText = (text: string) => text;

function whole(min: number, max: number) {
  return (text: string): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) throw new Wrong(`a whole number from ${min} to ${max}`);
    return value;
  };
}

/** Durations are configured in seconds and used in milliseconds, the unit of timers and of PostgreSQL's time-outs. */
function milliseconds(minSeconds: number, maxSeconds: number) {
  return (text: string): number => {
    const seconds = /^\d{1,9}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
    if (!(seconds >= minSeconds && seconds <= maxSeconds)) {
      throw new Wrong(`a number of seconds from ${minSeconds} to ${maxSeconds}`);
    }
    return Math.round(seconds * 1000);
  };
}

function oneOf<const T extends string>(values: readonly T[]) {
  return (text: string): T => {
    const value = values.find((candidate) => candidate === text.toLowerCase());
    if (value === undefined) throw new Wrong(`one of ${values.join(", ")}`);
    return value;
  };
}

const ON = ["on", "true", "yes", "1"];
const OFF = ["off", "false", "no", "0"];

function onOff(text: string): boolean {
  const lower = text.toLowerCase();
  if (!ON.includes(lower) && !OFF.includes(lower)) throw new Wrong("on or off");
  return ON.includes(lower);
}

function postgresUrl(text: string): string {
  if (!/^postgres(ql)?:\/\/\S+$/.test(text)) throw new Wrong("a URL that begins with postgres:// or postgresql://");
  return text;
}

function httpUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new Wrong("a URL that begins with http:// or https://");
  return text;
}

function hostName(text: string): string {
  // An address to bind, so no port, path or scheme; colons only where they make an IPv6 address.
  if (!/^([A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$/.test(text)) throw new Wrong("a host name or an IP address");
  return text;
}

function listOf(parse: (item: string) => string) {
  return (text: string): readonly string[] => {
    const items = text.split(",").map((item) => item.trim());
    return Object.freeze(items.filter((item) => item !== "").map(parse));
  };
}

function hostValue(item: string): string {
  if (!/^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/.test(item)) {
    throw new Wrong("a comma list of host names, each with its port if it has one");
  }
  return item.toLowerCase();
}

function originOr(expected: string) {
  return (text: string): string => {
    const url = URL.parse(text);
    if (!url || !/^https?:$/.test(url.protocol) || text.toLowerCase().replace(/\/$/, "") !== url.origin)
      throw new Wrong(expected);
    return url.origin;
  };
}

const origin = originOr("a comma list of origins such as https://queue.example.com");

/** Visible ASCII, as a header can carry it. */
function bearer(text: string): string {
  if (!/^[\x21-\x7e]{1,255}$/.test(text)) throw new Wrong("a key as apiKey.create gave it");
  return text;
}

function adminKey(text: string): string {
  if (!/^[\x21-\x7e]{16,255}$/.test(text)) throw new Wrong("16 to 255 visible ASCII characters");
  return text;
}

function authSecret(text: string): string {
  if (text.length < 32) throw new Wrong("32 characters or more");
  return text;
}

const publicUrl = originOr("an origin such as https://queue.example.com");

function address(item: string): string {
  if (isIP(item) === 0) throw new Wrong("a comma list of IP addresses");
  return item.toLowerCase();
}

/** What an entry may say beside the four that each has. */
type More = Pick<Variable<unknown>, "fallbackText" | "secret">;

function variable<T>(
  name: string,
  fallback: string | ((env: Environment) => string),
  parse: (text: string) => T,
  meaning: string,
  more: More = {},
) {
  return { name, fallback, meaning, parse, ...more } satisfies Variable<T>;
}

function optional<T>(name: string, parse: (text: string) => T, meaning: string, more: More = {}) {
  return { name, fallback: null, meaning, parse, ...more } satisfies Variable<T>;
}

/** What says that others come by a proxy: then loopback is where the proxy is, and not who calls. */
const PROXY_VARIABLES = ["PUBLIC_URL", "TRUSTED_PROXIES"] as const;
const proxyVariable = (env: Environment) => PROXY_VARIABLES.find((name) => (env[name]?.trim() ?? "") !== "");

/** Claims that wait must leave room for the other calls. */
const callsFallback = (env: Environment) => {
  const waiting = env.MAX_WAITING_CLAIMS?.trim() || "10000";
  // What is no number is told of where it stands.
  return String((/^\d{1,7}$/.test(waiting) ? Number(waiting) : 0) + 10_000);
};

const authFallback = (env: Environment) =>
  isLoopback(env.HOST?.trim() || "127.0.0.1") && proxyVariable(env) === undefined ? "off" : "on";

/** Row checks cost time on the hot path, so only who develops or tests the service goes with them. */
const rowChecksFallback = (env: Environment) =>
  env.NODE_ENV === "test" || env.NODE_ENV === "development" ? "on" : "off";

const VARIABLES = {
  port: variable("PORT", "8080", whole(0, 65_535), "TCP port to listen on; 0 takes any free one."),
  host: variable("HOST", "127.0.0.1", hostName, "Address to listen on; 0.0.0.0 or :: for all."),
  databaseUrl: optional(
    "DATABASE_URL",
    postgresUrl,
    "PostgreSQL 15 or later, as a URL with user and password; may be a pooler's. Without it, an embedded PostgreSQL runs in DATA_DIR.",
    { secret: true, fallbackText: "embedded PostgreSQL" },
  ),
  listenDatabaseUrl: optional(
    "LISTEN_DATABASE_URL",
    postgresUrl,
    "The same database past the pooler, for LISTEN and for migrations, where DATABASE_URL is a pooler's.",
    { secret: true, fallbackText: "DATABASE_URL" },
  ),
  dataDir: variable(
    "DATA_DIR",
    "./.opensqs",
    anyText,
    "Folder of the embedded PostgreSQL: its data, password and log.",
  ),
  poolSize: variable("POOL_SIZE", "10", whole(1, 1000), "Most connections to the database."),
  connectTimeoutMs: variable(
    "CONNECT_TIMEOUT_SECONDS",
    "10",
    milliseconds(0.1, 600),
    "Seconds until an attempt to connect to the database is given up.",
  ),
  acquireTimeoutMs: variable(
    "ACQUIRE_TIMEOUT_SECONDS",
    "10",
    milliseconds(0.1, 600),
    "Seconds a call may wait for a free connection before it is refused as overloaded.",
  ),
  statementTimeoutMs: variable(
    "STATEMENT_TIMEOUT_SECONDS",
    "30",
    milliseconds(0.1, 3600),
    "Seconds until PostgreSQL ends a statement of the service.",
  ),
  idleTimeoutMs: variable(
    "IDLE_TIMEOUT_SECONDS",
    "60",
    milliseconds(1, 86_400),
    "Seconds until a connection to the database that nobody uses is closed.",
  ),
  migrateOnStart: variable("MIGRATE_ON_START", "on", onOff, "Apply pending migrations before listening."),
  allowUnsafeDatabase: variable(
    "ALLOW_UNSAFE_DATABASE",
    "off",
    onOff,
    "Start on a database that may lose acknowledged tasks: fsync, full_page_writes or synchronous_commit off, unlogged tables, damage passed over.",
  ),
  autoCreateQueues: variable("AUTO_CREATE_QUEUES", "on", onOff, "The first enqueue to an unknown queue creates it."),
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
  auth: variable("AUTH", authFallback, onOff, "Demand a credential on every call.", {
    fallbackText:
      "off where HOST is a loopback address and neither PUBLIC_URL nor TRUSTED_PROXIES names a proxy, else on",
  }),
  allowInsecure: variable(
    "ALLOW_INSECURE",
    "no",
    onOff,
    "Let AUTH=off stand beyond loopback, or behind a proxy: whoever reaches the service may do everything.",
  ),
  adminKey: optional(
    "ADMIN_KEY",
    adminKey,
    "A key that may do everything, for the first steps: 16 characters or more. It works while it stands here.",
    { secret: true },
  ),
  authSecret: optional("AUTH_SECRET", authSecret, "Signs the session cookies of people; the same on all replicas.", {
    secret: true,
    fallbackText: "made at the first start and kept in the database",
  }),
  signUp: variable("SIGN_UP", "closed", oneOf(["open", "closed"]), "Whether people may make accounts by themselves."),
  signInLimit: variable(
    "SIGN_IN_LIMIT",
    "10",
    whole(1, 1_000_000),
    "Most attempts to sign in that one address may make in a minute; the same to sign up, and to change a password.",
  ),
  publicUrl: optional(
    "PUBLIC_URL",
    publicUrl,
    "Where browsers reach the service, such as https://queue.example.com: its host and origin are ours, and with https cookies are sent over TLS only.",
  ),
  ratePerKey: variable(
    "RATE_PER_KEY",
    "10000",
    whole(0, 1_000_000_000),
    "Calls a second of one key or person, twice as many in a moment; 0: any number.",
  ),
  ratePerAddress: variable(
    "RATE_PER_ADDRESS",
    "20000",
    whole(0, 1_000_000_000),
    "Calls a second from one address (of IPv6: its first 64 bits), twice as many in a moment; 0: any number.",
  ),
  wrongPerAddress: variable(
    "WRONG_KEYS_PER_ADDRESS",
    "5",
    whole(1, 1_000_000),
    "Credentials that open nothing, a second from one address, ten times as many in a moment.",
  ),
  longPollsPerKey: variable(
    "LONG_POLLS_PER_KEY",
    "1000",
    whole(1, 1_000_000),
    "Most calls of one key or person that may wait for something at once.",
  ),
  trustedProxies: variable(
    "TRUSTED_PROXIES",
    "",
    listOf(address),
    "Comma list of the addresses of proxies in front, whose X-Forwarded-For is believed.",
  ),
  allowedHosts: variable(
    "ALLOWED_HOSTS",
    "",
    listOf(hostValue),
    "Comma list of further Host values to answer, for a service behind a proxy or under a compose name.",
  ),
  allowedOrigins: variable(
    "ALLOWED_ORIGINS",
    "",
    listOf(origin),
    "Comma list of further origins whose pages may call the service.",
  ),
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

type Variables = typeof VARIABLES;
type Parsed<V> = V extends { fallback: null; parse: (text: string) => infer T }
  ? T | null
  : V extends { parse: (text: string) => infer T }
    ? T
    : never;

/** Names ending in Ms are milliseconds. Frozen. */
export type Config = { readonly [K in keyof Variables]: Parsed<Variables[K]> };

export interface ConfigVariable {
  readonly name: string;
  /** As documentation says it; empty where there is none. */
  readonly default: string;
  readonly meaning: string;
}

const ALL: readonly (readonly [string, Variable<unknown>])[] = Object.entries(VARIABLES);

export const CONFIG_VARIABLES: readonly ConfigVariable[] = Object.freeze(
  ALL.map(([, { name, fallback, fallbackText, meaning }]) => ({
    name,
    default: fallbackText ?? String(fallback ?? ""),
    meaning,
  })),
);

/**
 * Reads the variables above; those absent or empty (as compose files pass them) take their defaults.
 * Throws ConfigError with one sentence for each that is wrong.
 */
export function readConfig(env: Environment): Config {
  const problems: string[] = [];
  const config: Record<string, unknown> = {};
  for (const [key, entry] of ALL) config[key] = read(entry, env, problems);
  if (config.listenDatabaseUrl !== null && config.databaseUrl === null) {
    problems.push("LISTEN_DATABASE_URL needs DATABASE_URL beside it.");
  }
  for (const [key, name] of [
    ["socketBytesMax", "SOCKET_BYTES_MAX"],
    ["bodiesBytesMax", "BODIES_BYTES_MAX"],
  ] as const) {
    // What is wrong by itself is null, and told of already.
    if (config[key] !== null && Number(config[key]) < Number(config.bodyBytesMax))
      problems.push(`${name} must not be below BODY_BYTES_MAX.`);
  }
  if (config.auth === false && config.allowInsecure === false) {
    const proxy = proxyVariable(env);
    const way = !isLoopback(String(config.host)) ? `HOST=${config.host}` : proxy;
    if (way !== undefined)
      problems.push(
        `AUTH=off with ${way} lets everybody who reaches the service do everything: set AUTH=on, or ALLOW_INSECURE=yes.`,
      );
  }
  if (config.socketCallsMax !== null && Number(config.batchMax) > Number(config.socketCallsMax)) {
    problems.push("SOCKET_CALLS_MAX must not be less than BATCH_MAX: a full batch must fit.");
  }
  if (problems.length > 0) throw new ConfigError(problems);
  // Each key was parsed by its own entry of the table that the type is computed from.
  return Object.freeze(config) as Config;
}

function read(entry: Variable<unknown>, env: Environment, problems: string[]): unknown {
  const given = env[entry.name]?.trim() ?? "";
  const fallback = typeof entry.fallback === "function" ? entry.fallback(env) : entry.fallback;
  const text = given === "" ? fallback : given;
  if (text === null) return null;
  try {
    return entry.parse(text);
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    problems.push(`${entry.name} must be ${error.message}${entry.secret ? "" : `, not ${quoted(text)}`}.`);
    return null;
  }
}

/** Quoted and cut, so that a file pasted into a variable does not fill the screen; without the password of a URL. */
function quoted(text: string): string {
  const shown = text.replace(/\/\/[^/?#]*@/, "//***@");
  return JSON.stringify(shown.length > 60 ? `${shown.slice(0, 60)}…` : shown);
}
