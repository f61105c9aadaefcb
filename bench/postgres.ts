import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { clientConfig } from "../src/db/drivers.ts";
import { startEmbedded } from "../src/db/embedded.ts";
import { parseDatabaseUrl, withDatabase } from "../src/db/url.ts";
import { createLogger } from "../src/lib/log.ts";
import { cloneDatabase, dropDatabase, makeTemplate } from "../test/support/template.ts";
import { guard } from "../test/support/throwaway.ts";
import { parentOf } from "./proc.ts";

/** The server that all share, ours and the peers. */
export interface Server extends AsyncDisposable {
  /** Of its maintenance database, as superuser. */
  readonly url: string;
  /** Of the postmaster; null where the server is elsewhere. */
  readonly pid: number | null;
  /** For the report: version and settings that matter. */
  readonly about: Readonly<Record<string, string>>;
  /** Whether pg_stat_statements can count. */
  readonly countsStatements: boolean;
  /** What it cannot tell, for the report. */
  readonly skipped: readonly string[];
  query<R extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<R[]>;
  /** A new database with the service's schema and nothing in it. */
  freshDatabase(): Promise<Database>;
}

export interface Database extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
}

/**
 * Beside the defaults, for ours and the peers alike. Buffers and log are large enough that a measurement of seconds does not
 * meet a checkpoint by chance; all that makes commits durable stays on.
 */
const SETTINGS = { shared_buffers: "1GB", max_wal_size: "8GB", checkpoint_timeout: "15min" };
const COMMON = {
  max_connections: "300",
  shared_preload_libraries: "pg_stat_statements",
  // Counting costs each statement a little, so it is switched on for our databases only.
  "pg_stat_statements.track": "none",
};
const SHOWN = [
  "fsync",
  "synchronous_commit",
  "full_page_writes",
  "wal_sync_method",
  "shared_buffers",
  "max_wal_size",
  "checkpoint_timeout",
  "max_connections",
];

/** An embedded server in a temporary folder, gone with this process, or the one whose superuser's URL is given. */
export async function startServer(givenUrl: string | undefined, small: boolean): Promise<Server> {
  if (givenUrl) return await connect(withDatabase(givenUrl, "postgres"), async () => {});
  const dataDir = await mkdtemp(join(tmpdir(), "opensqs-bench-"));
  const release = guard(dataDir);
  const settings = small ? COMMON : { ...COMMON, ...SETTINGS };
  const embedded = await startEmbedded({ dataDir, log: createLogger({ level: "warn" }), settings });
  return await connect(withDatabase(embedded.url, "postgres"), async () => {
    await embedded.stop();
    await rm(dataDir, { recursive: true, force: true });
    release();
  });
}

async function connect(url: string, stop: () => Promise<void>): Promise<Server> {
  const client = new pg.Client(clientConfig(parseDatabaseUrl(url)));
  client.on("error", () => {});
  await client.connect();
  const query = async <R extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
    (await client.query<R>(text, [...values])).rows;
  const countsStatements = await query("create extension if not exists pg_stat_statements")
    .then(() => query("select 1 from pg_stat_statements limit 1"))
    .then(() => true)
    .catch(() => false);
  const [backend] = await query<{ pid: number }>("select pg_backend_pid() as pid");
  const pid = url.includes("@127.0.0.1") || url.includes("@localhost") ? parentOf(backend!.pid) : null;
  const shown = await query<{ name: string; value: string }>(
    "select name, current_setting(name) as value from pg_settings where name = any($1) order by name",
    [SHOWN],
  );
  const [{ version } = { version: "" }] = await query<{ version: string }>(
    "select current_setting('server_version') as version",
  );
  const templateUrl = await makeTemplate(url);
  const template = parseDatabaseUrl(templateUrl).database;
  let made = 0;
  return {
    url,
    pid,
    countsStatements,
    skipped: [
      ...(countsStatements ? [] : ["statements per task: the server has not loaded pg_stat_statements"]),
      ...(pid === null ? ["CPU time of PostgreSQL: the server is not on this machine"] : []),
    ],
    about: { PostgreSQL: version, settings: shown.map(({ name, value }) => `${name}=${value}`).join(" ") },
    query,
    async freshDatabase() {
      const name = `bench_opensqs_${process.pid}_${++made}`;
      await cloneDatabase(templateUrl, name);
      if (countsStatements) await query(`alter database ${name} set pg_stat_statements.track = 'top'`);
      return { name, url: withDatabase(url, name), [Symbol.asyncDispose]: () => dropDatabase(url, name) };
    },
    async [Symbol.asyncDispose]() {
      await dropDatabase(url, template).catch(() => {});
      await client.end().catch(() => {});
      await stop();
    },
  };
}
