/** What is done in the database itself, because there is nobody yet whom a service would let in. */
import { randomInt, randomUUID } from "node:crypto";
import type { Config } from "../config.ts";
import { migrate } from "../db/migrate.ts";
import { describeTarget, parseDatabaseUrl } from "../db/url.ts";
import { newKey } from "../domain/api-key/key.ts";
import { insertKey } from "../domain/api-key/queries.ts";
import type { Logger } from "../lib/log.ts";
import { idGenerator } from "../lib/uuid7.ts";
import type { NewPerson } from "../people/accounts.ts";
import { openOne, type UsedDatabase, useDatabase } from "./database.ts";
import { peopleOptions } from "./people.ts";

/** Makes an account; gives its id. */
export function createUser(config: Config, log: Logger, person: NewPerson): Promise<string> {
  return inDatabase(config, log, async (used) => {
    const { createPeople } = await import("../people/people.ts");
    // It signs nothing in this process.
    const people = createPeople({ ...(await peopleOptions(config, used, log)), secret: randomUUID() + randomUUID() });
    try {
      return await people.createUser(person);
    } finally {
      await people.close();
    }
  });
}

/** Makes a key of the whole service. */
export function createAdminKey(
  config: Config,
  log: Logger,
  { name, expiresInSeconds }: { readonly name: string; readonly expiresInSeconds: number | null },
): Promise<{ id: string; key: string; database: string }> {
  return inDatabase(config, log, async (used) => {
    const database = await openOne(config, used, "first key");
    try {
      const { key, ...kept } = newKey();
      const id = idGenerator(() => Date.now())(randomInt(2 ** 31));
      const row = { id, projectId: null, name, ...kept, scopes: ["admin"], queues: null, expiresInSeconds };
      await database.run((db) => db.one(insertKey(row)));
      return {
        id,
        key,
        database: config.databaseUrl === null ? config.dataDir : describeTarget(parseDatabaseUrl(used.url)),
      };
    } finally {
      await database.end();
    }
  });
}

async function inDatabase<T>(config: Config, log: Logger, work: (used: UsedDatabase) => Promise<T>): Promise<T> {
  const used = await useDatabase(config, log);
  try {
    if (config.migrateOnStart) await migrate(used);
    return await work(used);
  } finally {
    await used.stop();
  }
}
