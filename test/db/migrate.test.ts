import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, migrationStatus, pendingMigrations, rollback } from "../../src/db/migrate.ts";
import { withDatabase } from "../../src/db/url.ts";
import { createLogger } from "../../src/lib/log.ts";
import { emptyDatabase, withClient } from "../support/postgres.ts";
import { createDatabase, dropDatabase } from "../support/template.ts";
import { until } from "../support/until.ts";

const server = emptyDatabase();
const log = createLogger({ level: "error" });

let url: string;
let migrationsDir: string;

beforeEach(async () => {
  const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  await createDatabase(server.url, name);
  url = withDatabase(server.url, name);
  migrationsDir = mkdtempSync(join(tmpdir(), "opensqs-migrations-"));
});

afterEach(async () => {
  await dropDatabase(url, new URL(url).pathname.slice(1));
  rmSync(migrationsDir, { recursive: true, force: true });
});

function addMigration(file: string, up: string, down = "", mode = ""): void {
  writeFileSync(join(migrationsDir, file), `-- migrate:up${mode}\n${up}\n-- migrate:down${mode}\n${down}\n`);
}

const options = () => ({ url, migrationsDir, log });
const files = (migrations: readonly { file: string }[]) => migrations.map(({ file }) => file);
const tables = () =>
  withClient(url, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      "select tablename as name from pg_tables where schemaname = 'public' order by 1",
    );
    return rows.map(({ name }) => name);
  });

describe("migrate", () => {
  test("applies what is pending, oldest first, and says what", async () => {
    addMigration("20260102000000_b.sql", "alter table a add c int;");
    addMigration("20260101000000_a.sql", "create table a (b int);");
    writeFileSync(join(migrationsDir, "README.md"), "not a migration");
    expect(files(await pendingMigrations(options()))).toEqual(["20260101000000_a.sql", "20260102000000_b.sql"]);
    expect(files(await migrate(options()))).toEqual(["20260101000000_a.sql", "20260102000000_b.sql"]);
    expect(await migrate(options())).toEqual([]);
    expect(await tables()).toEqual(["a", "schema_migrations"]);
  });

  test("of several at once on an empty database one applies, and all succeed", async () => {
    // Slow enough that without the lock the others would begin in the middle of it.
    addMigration("20260101000000_a.sql", "create table a (b int); select pg_sleep(0.3);");
    addMigration("20260102000000_b.sql", "insert into a values (1);");
    const applied = await Promise.all([migrate(options()), migrate(options()), migrate(options())]);
    expect(applied.map((one) => one.length).sort()).toEqual([0, 0, 2]);
    expect(await withClient(url, async (client) => (await client.query("select from a")).rowCount)).toBe(1);
  });

  test("waits for who is migrating, and says so", async () => {
    addMigration("20260101000000_a.sql", "create table a (b int);");
    const lines: string[] = [];
    await withClient(url, async (holder) => {
      await holder.query("begin");
      await holder.query("select pg_advisory_xact_lock(1867731283, 1)");
      const waiting = migrate({
        ...options(),
        log: createLogger({ level: "info", write: (line) => lines.push(line) }),
      });
      // Asked elsewhere: within a transaction pg_stat_activity stays as it was at the first look.
      await until("it waits for the lock", () =>
        withClient(url, async (client) => {
          const query = "select from pg_stat_activity where datname = current_database() and wait_event = 'advisory'";
          return (await client.query(query)).rowCount === 1;
        }),
      );
      expect(lines.join()).toContain("waiting");
      expect(await tables()).toEqual([]);
      await holder.query("commit");
      expect(files(await waiting)).toEqual(["20260101000000_a.sql"]);
    });
  });

  test("holds its lock through a slow migration in a database of short time-outs", async () => {
    addMigration("20260101000000_a.sql", "create table a (b int); select pg_sleep(0.4);");
    const name = new URL(url).pathname.slice(1);
    await withClient(url, (client) =>
      client.query(`alter database ${name} set idle_in_transaction_session_timeout = '100ms'`),
    );
    expect(files(await migrate(options()))).toEqual(["20260101000000_a.sql"]);
  });

  test("does not stand in the way of an index made concurrently", async () => {
    addMigration("20260101000000_a.sql", "create table a (b int);");
    addMigration(
      "20260102000000_b.sql",
      "create index concurrently a_b on a (b);",
      "drop index concurrently a_b;",
      " transaction:false",
    );
    expect(await migrate(options())).toHaveLength(2);
    expect(files([(await rollback(options()))!])).toEqual(["20260102000000_b.sql"]);
  });

  test("a failure tells the file and the reason, not the password, and leaves the file pending", async () => {
    addMigration("20260101000000_a.sql", "create table a (b int);");
    addMigration("20260102000000_b.sql", "create table c (d int); select 1/0;");
    const failure = await migrate(options()).then(
      () => new Error("It worked."),
      (error: Error) => error,
    );
    expect(failure.name).toBe("MigrationError");
    expect(failure.message).toContain("20260102000000_b.sql");
    expect(failure.message).toContain("division by zero");
    expect(files((await migrationStatus(options())).applied)).toEqual(["20260101000000_a.sql"]);
    expect(await tables()).toEqual(["a", "schema_migrations"]);
  });

  test("whatever dbmate says, the password is taken out of it", async () => {
    const password = decodeURIComponent(new URL(url).password).replaceAll("'", "''");
    addMigration("20260101000000_a.sql", `do $$ begin raise exception 'it is %!', '${password}'; end $$;`);
    await expect(migrate(options())).rejects.toThrow("it is ***!");
  });

  test("a database that cannot be reached is named, without the password", async () => {
    const failure = migrate({ ...options(), url: "postgres://u:s3cret@127.0.0.1:1/d" });
    await expect(failure).rejects.toThrow(/^database 127\.0\.0\.1:1\/d: .*ECONNREFUSED/);
  });

  test("goes past the pooler where it is told how", async () => {
    addMigration("20260101000000_a.sql", "create table a (b int);");
    expect(await migrate({ ...options(), url: "postgres://u@127.0.0.1:1/d", directUrl: url })).toHaveLength(1);
  });
});

describe("status and rollback", () => {
  test("one step down at a time, and back up", async () => {
    addMigration("20260101000000_a.sql", "create table a (b int);", "drop table a;");
    addMigration("20260102000000_b.sql", "create table b (b int);", "drop table b;");
    await migrate(options());
    expect((await rollback(options()))?.file).toBe("20260102000000_b.sql");
    expect(await tables()).toEqual(["a", "schema_migrations"]);
    expect(files((await migrationStatus(options())).pending)).toEqual(["20260102000000_b.sql"]);
    expect((await rollback(options()))?.file).toBe("20260101000000_a.sql");
    expect(await rollback(options())).toBeNull();
    expect(await migrate(options())).toHaveLength(2);
  });

  test("a database that is ahead of this release is served, and not taken back", async () => {
    addMigration("20260101000000_a.sql", "create table a (b int);", "drop table a;");
    await migrate(options());
    await withClient(url, (client) => client.query("insert into schema_migrations values ('20990101000000')"));
    expect(await migrate(options())).toEqual([]);
    expect((await migrationStatus(options())).unknown).toEqual(["20990101000000"]);
    await expect(rollback(options())).rejects.toThrow("20990101000000");
    expect(await tables()).toContain("a");
  });
});
