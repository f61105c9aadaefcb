import type { Config } from "../config.ts";
import { slonikTarget } from "../db/drivers.ts";
import { startEmbedded } from "../db/embedded.ts";
import type { MigrateOptions } from "../db/migrate.ts";
import { type Database, openDatabase } from "../db/pool.ts";
import { settleTls } from "../db/tls-probe.ts";
import { parseDatabaseUrl } from "../db/url.ts";
import type { Logger } from "../lib/log.ts";
import { refusePlainText } from "./unsafe.ts";

/** Shares of POOL_SIZE: the engine's statements, and everything else. */
const HOT_SHARE = 0.7;
const hotSize = ({ poolSize }: Config) => Math.max(1, Math.round(poolSize * HOT_SHARE));
export const coldSize = (config: Config): number => Math.max(1, config.poolSize - hotSize(config));

export const MIGRATIONS_DIR = new URL("../../db/migrations", import.meta.url).pathname;

/** The database the configuration names, or the embedded one, started. */
export interface UsedDatabase extends MigrateOptions {
  /** Brings the embedded server back if it was killed. */
  revive(): Promise<void>;
  stop(): Promise<void>;
}

export async function useDatabase(config: Config, log: Logger): Promise<UsedDatabase> {
  await refusePlainText(config, log);
  const common = { migrationsDir: MIGRATIONS_DIR, log };
  if (config.databaseUrl !== null)
    return {
      ...common,
      url: config.databaseUrl,
      directUrl: config.listenDatabaseUrl,
      revive: async () => {},
      stop: async () => {},
    };
  const embedded = await startEmbedded({ dataDir: config.dataDir, log });
  return { ...common, url: embedded.url, revive: () => embedded.revive(), stop: () => embedded.stop() };
}

/** What all pools of a configuration have in common. */
async function poolOptions(config: Config, used: UsedDatabase) {
  return {
    ...slonikTarget(await settleTls(parseDatabaseUrl(used.url))),
    connectTimeoutMs: config.connectTimeoutMs,
    statementTimeoutMs: config.statementTimeoutMs,
    idleTimeoutMs: config.idleTimeoutMs,
    acquireTimeoutMs: config.acquireTimeoutMs,
    rowChecks: config.rowChecks,
    durable: !config.allowUnsafeDatabase,
  };
}

/**
 * The engine's pools: for hot statements, and for everything else. Beside POOL_SIZE, where credentials are asked for, one
 * connection to look them up: behind the work of callers nobody else could come in, and a key that was revoked would go on.
 */
export async function openPools(
  config: Config,
  used: UsedDatabase,
  opened: (database: Database) => void,
): Promise<{ hot: Database; cold: Database; access: Database }> {
  const common = await poolOptions(config, used);
  const hot = await openDatabase({ ...common, name: "hot", size: hotSize(config), indexOnly: true });
  opened(hot);
  const cold = await openDatabase({ ...common, name: "cold", size: coldSize(config), indexOnly: false });
  opened(cold);
  if (!config.auth) return { hot, cold, access: hot };
  const access = await openDatabase({ ...common, name: "access", size: 1, indexOnly: true });
  opened(access);
  return { hot, cold, access };
}

/** One connection, for what a command does and goes. */
export async function openOne(config: Config, used: UsedDatabase, name: string): Promise<Database> {
  return await openDatabase({ ...(await poolOptions(config, used)), name, size: 1, indexOnly: false });
}
