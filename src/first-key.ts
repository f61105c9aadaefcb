import { randomInt } from "node:crypto";
import type { Config } from "./config.ts";
import { slonikTarget } from "./db/drivers.ts";
import { migrate } from "./db/migrate.ts";
import { openDatabase } from "./db/pool.ts";
import { settleTls } from "./db/tls-probe.ts";
import { parseDatabaseUrl } from "./db/url.ts";
import { newKey } from "./domain/api-key/key.ts";
import { insertKey } from "./domain/api-key/queries.ts";
import type { Logger } from "./lib/log.ts";
import { idGenerator } from "./lib/uuid7.ts";
import { useDatabase } from "./serve.ts";

/** Makes a key of the whole service in the database that the configuration names, without a service. */
export async function createAdminKey(config: Config, log: Logger, name: string): Promise<{ id: string; key: string }> {
  const used = await useDatabase(config, log);
  try {
    if (config.migrateOnStart) await migrate(used);
    const database = await openDatabase({
      ...slonikTarget(await settleTls(parseDatabaseUrl(used.url))),
      connectTimeoutMs: config.connectTimeoutMs,
      statementTimeoutMs: config.statementTimeoutMs,
      idleTimeoutMs: config.idleTimeoutMs,
      acquireTimeoutMs: config.acquireTimeoutMs,
      rowChecks: config.rowChecks,
      name: "first key",
      size: 1,
      indexOnly: false,
    });
    try {
      const { key, ...kept } = newKey();
      const id = idGenerator(() => Date.now())(randomInt(2 ** 31));
      const row = { id, projectId: null, name, ...kept, scopes: ["admin"], queues: null, expiresInSeconds: null };
      await database.run((db) => db.one(insertKey(row)));
      return { id, key };
    } finally {
      await database.end();
    }
  } finally {
    await used.stop();
  }
}
