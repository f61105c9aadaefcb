import { spawn } from "node:child_process";
import { resolveBinary } from "dbmate";
import pg from "pg";
import type { Logger } from "../lib/log.ts";
import { clientConfig, dbmateUrl } from "./drivers.ts";
import { compareMigrations, listMigrations, type Migration, type MigrationStatus } from "./migrations.ts";
import { settleTls } from "./tls-probe.ts";
import { type DatabaseTarget, describeTarget, parseDatabaseUrl } from "./url.ts";

export interface MigrateOptions {
  readonly url: string;
  /** The same database past a pooler, if `url` is a pooler's. */
  readonly directUrl?: string | null;
  readonly migrationsDir: string;
  readonly log: Logger;
}

/** A migration could not be applied or taken back; says what dbmate said, without the password. */
export class MigrationError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "MigrationError";
  }
}

/** "oSQS" in ASCII, so that the lock can be told apart in pg_locks; the second number is free for further locks. */
const LOCK = [0x6f535153, 1] as const;

/**
 * Applies what is pending, and gives back what it applied. Of several that start at once one applies, the others wait for it:
 * dbmate by itself races, as it looks first and applies then. Throws MigrationError.
 */
export async function migrate(options: MigrateOptions): Promise<readonly Migration[]> {
  return await withLock(options, async (client, target) => {
    const before = await statusOf(client, options.migrationsDir);
    const { pending, unknown } = before;
    if (unknown.length > 0) {
      options.log.warn("the database was migrated by a newer release", { versions: unknown });
    }
    if (pending.length === 0) return [];
    await dbmate("migrate", target, options.migrationsDir);
    options.log.info("migrated the database", { applied: pending.map((migration) => migration.file) });
    return pending;
  });
}

/** Takes the newest applied migration back, and gives it; null: none was applied. Throws MigrationError. */
export async function rollback(options: MigrateOptions): Promise<Migration | null> {
  return await withLock(options, async (client, target) => {
    const { applied, unknown } = await statusOf(client, options.migrationsDir);
    const last = applied.at(-1);
    if (last === undefined) return null;
    // dbmate takes back the highest version, and would only then find that it has no file for it.
    if (unknown.some((version) => version > last.version)) {
      throw new MigrationError(`the newest migration of the database (${unknown.at(-1)}) is of a newer release`);
    }
    await dbmate("rollback", target, options.migrationsDir);
    options.log.info("took a migration back", { file: last.file });
    return last;
  });
}

/** What is applied and what is not. Changes nothing and takes no lock. */
export async function migrationStatus(options: MigrateOptions): Promise<MigrationStatus> {
  return await withClient(options, (client) => statusOf(client, options.migrationsDir));
}

/** What migrate() would apply. */
export async function pendingMigrations(options: MigrateOptions): Promise<readonly Migration[]> {
  return (await migrationStatus(options)).pending;
}

async function statusOf(client: pg.Client, folder: string): Promise<MigrationStatus> {
  const all = await listMigrations(folder);
  const table = await client.query(
    "select from pg_tables where schemaname = current_schema and tablename = 'schema_migrations'",
  );
  if (table.rowCount === 0) return compareMigrations(all, []);
  const { rows } = await client.query<{ version: string }>("select version from schema_migrations");
  return compareMigrations(
    all,
    rows.map((row) => row.version),
  );
}

async function withClient<T>(
  { url, directUrl }: MigrateOptions,
  work: (client: pg.Client, target: DatabaseTarget) => Promise<T>,
): Promise<T> {
  const target = await settleTls(parseDatabaseUrl(directUrl ?? url));
  const client = new pg.Client({ connectionTimeoutMillis: 10_000, ...clientConfig(target) });
  // A lost connection is reported here too; whatever is asked of it next fails and says so.
  client.on("error", () => {});
  try {
    await client.connect();
    return await work(client, target);
  } catch (cause) {
    if (cause instanceof MigrationError) throw cause;
    const said = cause instanceof Error ? cause.message : String(cause);
    const reason = /does not support SSL/.test(said) ? `${said}; sslmode=disable would connect in plain text` : said;
    throw new MigrationError(`database ${describeTarget(target)}: ${reason}`, { cause });
  } finally {
    await client.end().catch(() => {});
  }
}

/**
 * Runs `work` while no other process migrates this database. The lock lives in an open transaction and not in the session:
 * so it works through a transaction pooler as well, and ends with the connection whatever happens.
 */
function withLock<T>(
  options: MigrateOptions,
  work: (client: pg.Client, target: DatabaseTarget) => Promise<T>,
): Promise<T> {
  return withClient(options, async (client, target) => {
    await client.query("begin");
    // The wait may be long, and so may the migration behind which this transaction idles. Not every version knows all four.
    await client.query(`
      select set_config(name, '0', true) from pg_settings
      where name in ('statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')`);
    const { rows } = await client.query<{ free: boolean }>("select pg_try_advisory_xact_lock($1, $2) as free", [
      ...LOCK,
    ]);
    if (rows[0]?.free !== true) {
      options.log.info("waiting for another process that is migrating the database");
      await client.query("select pg_advisory_xact_lock($1, $2)", [...LOCK]);
    }
    const result = await work(client, target);
    await client.query("commit");
    return result;
  });
}

/** Runs one command of dbmate to its end. */
async function dbmate(command: "migrate" | "rollback", target: DatabaseTarget, folder: string): Promise<void> {
  const url = dbmateUrl(target);
  // The URL goes by the environment: arguments are open to every user of the machine. No .env file and no variable of the
  // service's own environment may change what dbmate does, nor may it need pg_dump.
  const args = ["--env", "OPENSQS_URL", "--env-file", "", "--migrations-dir", folder, "--no-dump-schema", command];
  const { code, output } = await runQuietly(resolveBinary(), args, { OPENSQS_URL: url });
  if (code === 0) return;
  throw new MigrationError(`dbmate ${command} failed:\n${withoutPassword(output.trim(), target)}`);
}

function runQuietly(
  file: string,
  args: string[],
  env: Record<string, string>,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}

function withoutPassword(text: string, { password }: DatabaseTarget): string {
  if (!password) return text;
  return text.replaceAll(password, "***").replaceAll(encodeURIComponent(password), "***");
}
