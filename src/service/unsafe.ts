import type { Config } from "../config.ts";
import { isVerified } from "../db/drivers.ts";
import type { Database } from "../db/pool.ts";
import { settleTls } from "../db/tls-probe.ts";
import { DatabaseUrlError, describeTarget, isLocal, parseDatabaseUrl } from "../db/url.ts";
import { endangering } from "../domain/admin/durability.ts";
import { durabilitySettings } from "../domain/admin/queries.ts";
import { hasAdminKey } from "../domain/api-key/queries.ts";
import type { Logger } from "../lib/log.ts";
import { isLoopback } from "../lib/loopback.ts";

/**
 * What the service refuses to start on unless it is told so by name, and what it starts on but says in its log. The one
 * refusal that needs nothing but the configuration (AUTH=off beyond loopback) is in config.ts.
 */

/** A database that may forget what it acknowledged would break the service's first promise. */
export async function refuseForgetful(config: Config, cold: Database, log: Logger): Promise<void> {
  const dangers = endangering(await cold.run((db) => db.any(durabilitySettings())));
  if (dangers.length === 0) return;
  const text = dangers.map(({ setting, value, why }) => `${setting} is ${value}: ${why}`).join("; ");
  if (!config.allowUnsafeDatabase)
    throw new Error(`The database may lose acknowledged tasks (${text}). Change it, or set ALLOW_UNSAFE_DATABASE=on.`);
  log.warn("the database may lose acknowledged tasks", { settings: text });
}

/** Plain text to another machine, unless the URL says so by name; names the variable. What is merely weak is logged. */
export async function refusePlainText(config: Config, log: Logger): Promise<void> {
  for (const [variable, url] of [
    ["DATABASE_URL", config.databaseUrl],
    ["LISTEN_DATABASE_URL", config.listenDatabaseUrl],
  ] as const) {
    if (url === null) continue;
    try {
      const target = await settleTls(parseDatabaseUrl(url));
      if (isLocal(target.host) || isVerified(target)) continue;
      const facts = { variable, database: describeTarget(target), sslmode: target.sslMode };
      if (target.sslMode === "disable")
        log.info("the connection to the database is not encrypted, as asked for", facts);
      else if (target.sslMode === "no-verify")
        log.info("the certificate of the database is not checked, as asked for", facts);
      else
        log.warn("the certificate of the database is not checked: sslmode=verify-full would keep impostors out", facts);
    } catch (error) {
      if (!(error instanceof DatabaseUrlError)) throw error;
      throw new DatabaseUrlError(`${variable}: ${error.message}.`, { cause: error });
    }
  }
}

/** A service that lets nobody in is one whose operator must be told how to make the first key. */
export async function tellOfFirstKey(config: Config, cold: Database, log: Logger): Promise<void> {
  if (!config.auth || config.adminKey !== null) return;
  const { found } = await cold.run((db) => db.one(hasAdminKey()));
  if (!found)
    log.warn("there is no key yet that may do all: make one with `opensqs key create --admin`, or set ADMIN_KEY");
}

/** A service that listens for other machines, but answers to no name by which these could call it. */
export function tellOfHosts({ host, allowedHosts, publicUrl }: Config, log: Logger): void {
  if (!isLoopback(host) && allowedHosts.length === 0 && publicUrl === null)
    log.warn(
      "only callers that name this service by a loopback address are answered: set ALLOWED_HOSTS or PUBLIC_URL",
      {
        host,
      },
    );
}

/** With AUTH off and others on the way to it, or perhaps. */
export function warnOfOpenDoor(config: Config, log: Logger): void {
  if (config.auth) return;
  const { host, publicUrl, trustedProxies, allowedHosts } = config;
  if (!isLoopback(host) || publicUrl !== null || trustedProxies.length > 0)
    log.warn("whoever reaches the service may do everything, as ALLOW_INSECURE is set and AUTH is off", { host });
  else if (allowedHosts.some((name) => !isLoopback(name.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""))))
    log.warn("AUTH is off: if ALLOWED_HOSTS is for a proxy, whoever reaches that may do everything", { allowedHosts });
}
