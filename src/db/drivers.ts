import { readFileSync } from "node:fs";
import type { ConnectionOptions as TlsOptions } from "node:tls";
import type { ClientConfig } from "pg";
import { type DatabaseTarget, DatabaseUrlError, isLocal } from "./url.ts";

/** The options for tls.connect, or undefined for plain text. Reads the certificate files; throws DatabaseUrlError. */
export function tlsOptions(target: DatabaseTarget): TlsOptions | undefined {
  const mode = target.sslMode;
  if (mode === "disable") return undefined;
  const verifies = isVerified(target);
  // Only where settleTls() was not asked, or got no answer.
  if ((mode === "allow" || mode === "prefer") && isLocal(target.host)) return undefined;
  const root = target.sslRootCert;
  return {
    rejectUnauthorized: verifies,
    ...(verifies && mode !== "verify-full" ? { checkServerIdentity: () => undefined } : {}),
    ...(verifies && root !== null && root !== "system" ? { ca: readPem(root, "sslrootcert") } : {}),
    ...(target.sslCert === null ? {} : { cert: readPem(target.sslCert, "sslcert") }),
    ...(target.sslKey === null ? {} : { key: readPem(target.sslKey, "sslkey") }),
  };
}

/** Whether the server must prove who it is. Without that, TLS keeps out those who listen, and not those who answer in its place. */
export function isVerified({ sslMode, sslRootCert }: DatabaseTarget): boolean {
  // What libpq calls backward compatibility: beside a root certificate, require verifies like verify-ca.
  return sslMode === "verify-full" || sslMode === "verify-ca" || (sslMode === "require" && sslRootCert !== null);
}

function readPem(path: string, parameter: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new DatabaseUrlError(`${parameter}: ${path} cannot be read`, { cause });
  }
}

/** For Slonik's createPool(dsn, { ssl }). Its DSN parser knows three of the seven modes, so TLS goes by option only. */
export function slonikTarget(target: DatabaseTarget): { dsn: string; ssl: TlsOptions | undefined } {
  // Percent-encoded whole, since Slonik decodes the host but would leave the brackets of an IPv6 address in place.
  const place = `${encodeURIComponent(target.host)}:${target.port}`;
  const query = queryOf({ application_name: target.applicationName, options: target.options });
  return {
    dsn: `postgresql://${login(target)}@${place}/${encodeURIComponent(target.database)}${query}`,
    ssl: tlsOptions(target),
  };
}

/** For a pg Client of our own: LISTEN, locks. */
export function clientConfig(target: DatabaseTarget): ClientConfig {
  const { host, port, user, database, password, applicationName, options, connectTimeoutSeconds } = target;
  const secure = tlsOptions(target);
  return {
    host,
    port,
    user,
    database,
    // Stated also where it is off: absent, pg would look for PGSSLMODE.
    ssl: secure ?? false,
    keepAlive: true,
    ...(password === null ? {} : { password }),
    ...(applicationName === null ? {} : { application_name: applicationName }),
    ...(options === null ? {} : { options }),
    ...(connectTimeoutSeconds === null ? {} : { connectionTimeoutMillis: connectTimeoutSeconds * 1000 }),
  };
}

/**
 * For dbmate, that is Go's lib/pq: its default is TLS, it takes a parameter it does not know for a setting of the server,
 * and dbmate joins host and port by a colon, which breaks IPv6 addresses unless the host comes as a parameter.
 */
export function dbmateUrl(target: DatabaseTarget): string {
  const noVerify = target.sslMode === "no-verify";
  const query = queryOf({
    host: target.host,
    sslmode: noVerify ? "require" : target.sslMode,
    sslrootcert: noVerify || target.sslMode === "disable" ? null : target.sslRootCert,
    sslcert: target.sslCert,
    sslkey: target.sslKey,
    application_name: target.applicationName,
    options: target.options,
    connect_timeout: String(target.connectTimeoutSeconds ?? 10),
  });
  return `postgres://${login(target)}@:${target.port}/${encodeURIComponent(target.database)}${query}`;
}

function login({ user, password }: DatabaseTarget): string {
  return encodeURIComponent(user) + (password === null ? "" : `:${encodeURIComponent(password)}`);
}

function queryOf(parameters: Record<string, string | null>): string {
  const pairs = Object.entries(parameters).filter(([, value]) => value !== null);
  if (pairs.length === 0) return "";
  return `?${pairs.map(([name, value]) => `${name}=${encodeURIComponent(value ?? "")}`).join("&")}`;
}
