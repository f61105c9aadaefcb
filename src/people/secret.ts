import { randomBytes } from "node:crypto";
import type { Database } from "../db/pool.ts";
import { keepSecret, keptSecret } from "../domain/people/queries.ts";

/**
 * The secret that all instances on this database share, made by the first that asks. Two statements: the second sees also
 * what another instance kept while the first one waited for it.
 */
export async function sharedSecret(database: Database): Promise<string> {
  const made = randomBytes(32).toString("base64url");
  await database.run((db) => db.query(keepSecret(made)));
  return (await database.run((db) => db.one(keptSecret()))).secret;
}
