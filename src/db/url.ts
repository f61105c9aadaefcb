import { userInfo } from "node:os";
import { resolve } from "node:path";
import { isLoopback } from "../lib/loopback.ts";

/** As libpq names them, and no-verify, which node-postgres added: TLS without verification even beside a root certificate. */
export const SSL_MODES = ["disable", "allow", "prefer", "require", "no-verify", "verify-ca", "verify-full"] as const;

export type SslMode = (typeof SSL_MODES)[number];

/** A PostgreSQL URL taken apart. The three drivers here each understand a different dialect; this is what they share. */
export interface DatabaseTarget {
  /** Name, address without brackets, or the folder of a Unix socket (then it begins with a slash). */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | null;
  readonly database: string;
  readonly sslMode: SslMode;
  /** Absolute paths; "system" as root certificate stands for the authorities that the runtime trusts. */
  readonly sslRootCert: string | null;
  readonly sslCert: string | null;
  readonly sslKey: string | null;
  readonly applicationName: string | null;
  /** Server settings to connect with: "-c search_path=app". */
  readonly options: string | null;
  readonly connectTimeoutSeconds: number | null;
}

/** Says which part of a database URL is wrong; never shows the URL, as it holds the password. */
export class DatabaseUrlError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DatabaseUrlError";
  }
}

/**
 * Parameters that are understood and need nothing from us. channel_binding stands in every URL that Neon hands out; SCRAM
 * without it is as safe as the TLS beneath, and Slonik has no way to ask for it. pgbouncer is Prisma's mark for a pooler.
 */
const IGNORED = new Set([
  "channel_binding",
  "client_encoding",
  "fallback_application_name",
  "gssencmode",
  "keepalives",
  "keepalives_count",
  "keepalives_idle",
  "keepalives_interval",
  "pgbouncer",
  "sslnegotiation",
  "target_session_attrs",
]);

/** Parameters that stand for a part of the URL itself, as libpq allows. */
const PLACES = ["host", "port", "user", "password", "dbname"] as const;
const OTHERS = [
  "sslmode",
  "ssl",
  "sslrootcert",
  "sslcert",
  "sslkey",
  "application_name",
  "options",
  "connect_timeout",
] as const;

type Parameter = (typeof PLACES)[number] | (typeof OTHERS)[number];
type Parameters = ReadonlyMap<Parameter, string>;

/** Not `new URL`: that refuses what libpq takes (a user without a host before a socket folder) and keeps IPv6 brackets. */
const URL_PARTS =
  /^postgres(?:ql)?:\/\/(?:(?<login>[^/?]*)@)?(?<place>[^/?@]*)(?:\/(?<database>[^?]*))?(?:\?(?<query>.*))?$/s;

/**
 * Takes apart a PostgreSQL URL in the forms that libpq, node-postgres and the hosting services use.
 * Throws DatabaseUrlError naming the part that is wrong.
 */
export function parseDatabaseUrl(url: string): DatabaseTarget {
  const { login, place, database, query } = split(url);
  const parameters = parseQuery(query);
  const colon = login.indexOf(":");
  const [host, port] = hostAndPort(place);
  const user = parameters.get("user") ?? (decode(colon < 0 ? login : login.slice(0, colon), "user") || systemUser());
  const target = {
    // node-postgres' default. libpq's would be a socket folder that differs from system to system.
    host: parameters.get("host") || host || "localhost",
    port: portNumber(parameters.get("port") ?? port),
    user,
    password: parameters.get("password") ?? (colon < 0 ? null : decode(login.slice(colon + 1), "password")),
    database: parameters.get("dbname") ?? (decode(database, "database") || user),
    sslRootCert: filePath(parameters.get("sslrootcert")),
    sslCert: filePath(parameters.get("sslcert")),
    sslKey: filePath(parameters.get("sslkey")),
    applicationName: parameters.get("application_name") || null,
    options: parameters.get("options") || null,
    connectTimeoutSeconds: seconds(parameters.get("connect_timeout")),
  };
  checkHost(target.host);
  if ((target.sslCert === null) !== (target.sslKey === null)) {
    throw new DatabaseUrlError("sslcert and sslkey belong together: one of them is missing");
  }
  return { ...target, sslMode: sslMode(parameters, target.host, target.sslRootCert) };
}

function split(url: string) {
  const groups = URL_PARTS.exec(url)?.groups;
  if (groups === undefined)
    throw new DatabaseUrlError("the URL must look like postgres://user:password@host:port/database");
  const { login = "", place = "", database = "", query = "" } = groups;
  // The part before it was cut too early then, so nothing after it can be trusted, or shown.
  if (database.includes("@") || query.includes("@")) {
    throw new DatabaseUrlError(
      "an @ stands after the host: in user, password and parameters write / ? @ as %2F %3F %40",
    );
  }
  return { login, place, database, query };
}

function parseQuery(query: string): Parameters {
  const known: readonly string[] = [...PLACES, ...OTHERS];
  const parameters = new Map<Parameter, string>();
  for (const pair of query.split("&").filter((part) => part !== "")) {
    const equals = pair.indexOf("=");
    const name = decode(equals < 0 ? pair : pair.slice(0, equals), "parameter name");
    if (IGNORED.has(name)) continue;
    if (!known.includes(name)) throw new DatabaseUrlError(`unknown parameter ${JSON.stringify(name)}`);
    parameters.set(name as Parameter, equals < 0 ? "" : decode(pair.slice(equals + 1), name));
  }
  return parameters;
}

function decode(text: string, part: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    throw new DatabaseUrlError(`${part} has a % that does not begin a percent-encoded character: write it as %25`);
  }
  if (decoded.includes("\0")) throw new DatabaseUrlError(`${part} has a zero byte in it`);
  return decoded;
}

function hostAndPort(place: string): [host: string, port: string] {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/s.exec(place);
  if (bracketed) return [bracketed[1] ?? "", bracketed[2] ?? ""];
  if (place.includes(",")) throw new DatabaseUrlError("host must be one host, not a list");
  const colon = place.indexOf(":");
  return colon < 0 ? [decode(place, "host"), ""] : [decode(place.slice(0, colon), "host"), place.slice(colon + 1)];
}

function checkHost(host: string): void {
  if (host.includes(",")) throw new DatabaseUrlError("host must be one host, not a list");
  if (!isSocket(host) && !/^[A-Za-z0-9._:%-]+$/.test(host)) throw new DatabaseUrlError("host is not a host name");
}

function portNumber(text: string): number {
  if (text === "") return 5432;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  // The text is not shown: of a password with a slash in it, the first half ends up here.
  if (port < 1 || port > 65_535) throw new DatabaseUrlError("port must be a number from 1 to 65535");
  return port;
}

function seconds(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^\d{1,6}$/.test(text)) throw new DatabaseUrlError("connect_timeout must be a number of seconds");
  return Number(text) || null;
}

function filePath(text: string | undefined): string | null {
  if (text === undefined || text === "") return null;
  return text === "system" ? text : resolve(text);
}

function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    throw new DatabaseUrlError("the URL names no user");
  }
}

function sslMode(parameters: Parameters, host: string, rootCert: string | null): SslMode {
  const given = parameters.get("sslmode") ?? (parameters.get("ssl") === "true" ? "require" : undefined);
  const mode = given === undefined ? defaultMode(host, rootCert) : SSL_MODES.find((known) => known === given);
  if (mode === undefined) throw new DatabaseUrlError(`sslmode must be one of ${SSL_MODES.join(", ")}`);
  if (rootCert === "system" && mode !== "verify-full") {
    throw new DatabaseUrlError("sslrootcert=system goes with sslmode=verify-full only");
  }
  // As libpq has it: a Unix socket has no wire to protect.
  return isSocket(host) ? "disable" : mode;
}

/** libpq's own default, prefer, would send tasks in plain text to whoever answers in the server's place. */
function defaultMode(host: string, rootCert: string | null): SslMode {
  if (rootCert === "system") return "verify-full";
  return isLocal(host) ? "disable" : "require";
}

export function isSocket(host: string): boolean {
  return host.startsWith("/");
}

/** Whether nobody can stand between: what is said goes over no wire. */
export function isLocal(host: string): boolean {
  return isSocket(host) || isLoopback(host);
}

/** Where a target is, for logs and errors: host, port and database, nothing secret. */
export function describeTarget({ host, port, database }: DatabaseTarget): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}/${database}`;
}

/** The same URL with another database in it. */
export function withDatabase(url: string, name: string): string {
  const { login: credentials, place, query } = split(url);
  const rest = query.split("&").filter((pair) => pair !== "" && !pair.startsWith("dbname="));
  const search = rest.length === 0 ? "" : `?${rest.join("&")}`;
  return `postgresql://${credentials === "" ? "" : `${credentials}@`}${place}/${encodeURIComponent(name)}${search}`;
}
