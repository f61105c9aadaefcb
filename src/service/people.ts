import type { Config } from "../config.ts";
import type { Database } from "../db/pool.ts";
import { settleTls } from "../db/tls-probe.ts";
import { parseDatabaseUrl } from "../db/url.ts";
import type { Logger } from "../lib/log.ts";
import type { People } from "../people/people.ts";
import type { UsedDatabase } from "./database.ts";

/** Beside POOL_SIZE, for people: one may hash within a transaction while others are asked who they are. */
const PEOPLE_CONNECTIONS = 3;

/** People's own connections; what they need is loaded only where somebody signs in, for it takes memory and time. */
export async function openPeople(config: Config, used: UsedDatabase, cold: Database, log: Logger): Promise<People> {
  const [{ createPeople }, { sharedSecret }] = await Promise.all([
    import("../people/people.ts"),
    import("../people/secret.ts"),
  ]);
  return createPeople({
    ...(await peopleOptions(config, used, log)),
    secret: config.authSecret ?? (await sharedSecret(cold)),
  });
}

/** How people are reached in the database that is used, but for the secret. */
export async function peopleOptions(config: Config, used: UsedDatabase, log: Logger) {
  return {
    target: await settleTls(parseDatabaseUrl(used.url)),
    connections: PEOPLE_CONNECTIONS,
    connectTimeoutMs: config.connectTimeoutMs,
    statementTimeoutMs: config.statementTimeoutMs,
    idleTimeoutMs: config.idleTimeoutMs,
    signUp: config.signUp,
    publicUrl: config.publicUrl,
    attemptsPerMinute: config.signInLimit,
    log,
  };
}
