import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { clientConfig } from "../../src/db/drivers.ts";
import { migrate } from "../../src/db/migrate.ts";
import { settleTls } from "../../src/db/tls-probe.ts";
import { parseDatabaseUrl, withDatabase } from "../../src/db/url.ts";
import { createLogger } from "../../src/lib/log.ts";

export const MIGRATIONS_DIR = `${import.meta.dir}/../../db/migrations`;

const log = createLogger({ level: "warn" });

/** Makes and migrates the template on a server, and gives its URL. */
export async function makeTemplate(serverUrl: string): Promise<string> {
  const name = `template_${crypto.randomUUID().replaceAll("-", "")}`;
  await createDatabase(serverUrl, name);
  const url = withDatabase(serverUrl, name);
  await migrate({ url, migrationsDir: MIGRATIONS_DIR, log });
  return url;
}

/** Makes an empty database on the server that `serverUrl` points to. */
export async function createDatabase(serverUrl: string, name: string): Promise<void> {
  await onServer(serverUrl, (client) => client.query(`create database ${name} template template0`));
}

/** PostgreSQL refuses to copy a database that somebody is connected to, as autovacuum may be. */
const IN_USE = "55006";
const COPY_TIMEOUT_MS = 30_000;

/** Copies the database of `template`, a URL, under another name. */
export async function cloneDatabase(template: string, name: string): Promise<void> {
  const source = parseDatabaseUrl(template).database;
  const deadline = performance.now() + COPY_TIMEOUT_MS;
  await onServer(template, async (client) => {
    for (;;) {
      try {
        return await client.query(`create database ${name} template ${pg.escapeIdentifier(source)}`);
      } catch (error) {
        const inUse = error instanceof pg.DatabaseError && error.code === IN_USE;
        if (!inUse || performance.now() > deadline) throw error;
        await delay(50);
      }
    }
  });
}

/** Drops a database with all its connections. */
export async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  await onServer(serverUrl, (client) => client.query(`drop database if exists ${name} with (force)`));
}

/** Runs `work` on a connection to the server's maintenance database. */
async function onServer<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  return await withClient(withDatabase(url, "postgres"), work);
}

/** Runs `work` on a connection of its own. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(clientConfig(await settleTls(parseDatabaseUrl(url))));
  client.on("error", () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}
