/** A database that may forget commits: whatever says so, and wherever, the service does not start on it unless told to. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import pg from "pg";
import { z } from "zod";
import { clientConfig } from "../../src/db/drivers.ts";
import { openDatabase } from "../../src/db/pool.ts";
import { sql } from "../../src/db/sql.ts";
import { parseDatabaseUrl, withDatabase } from "../../src/db/url.ts";
import { DURABLE_TABLES } from "../../src/domain/admin/durability.ts";
import { startPooler } from "../support/pooler.ts";
import { rpc, spawnService, startInstance } from "../support/service.ts";
import { cloneDatabase, makeTemplate } from "../support/template.ts";
import { startThrowaway, type ThrowawayServer } from "../support/throwaway.ts";

setDefaultTimeout(120_000);

let server: ThrowawayServer;
let template: string;

beforeAll(async () => {
  server = await startThrowaway({ fsync: "on", full_page_writes: "on" });
  template = await makeTemplate(server.url);
});
afterAll(() => server?.stop());

async function newDatabase(): Promise<string> {
  const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  await cloneDatabase(template, name);
  return withDatabase(template, name);
}

async function execute(url: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client(clientConfig(parseDatabaseUrl(url)));
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** The message of a start that fails; fails if it does not. */
async function refusalOf(url: string): Promise<string> {
  const started = startInstance(url, { ALLOW_UNSAFE_DATABASE: "off" });
  return await started.then(
    async (service) => {
      await service.stop();
      throw new Error("The service started.");
    },
    (error: Error) => error.message,
  );
}

async function endangering(url: string): Promise<{ ok: boolean; settings: string[] }> {
  const service = await startInstance(url, { ALLOW_UNSAFE_DATABASE: "on" });
  try {
    const { ok, database } = await rpc(service.url, "admin.health", {});
    return { ok, settings: database.endangering.map(({ setting, value }) => `${setting}=${value}`) };
  } finally {
    await service.stop();
  }
}

test("a safe database is not refused, and admin.health is content with it", async () => {
  const url = await newDatabase();
  const service = await startInstance(url, { ALLOW_UNSAFE_DATABASE: "off" });
  await service.stop();
  expect(await endangering(url)).toEqual({ ok: true, settings: [] });
});

const WEEK = "(select inhrelid::regclass::text from pg_inherits where inhparent = 'task'::regclass order by 1 limit 1)";
const CASES: [what: string, found: string, make: (name: string) => string[], undo: (name: string) => string[]][] = [
  [
    "the role's synchronous_commit",
    "synchronous_commit=off",
    () => ["alter role opensqs set synchronous_commit = off"],
    () => ["alter role opensqs reset synchronous_commit"],
  ],
  [
    "the database's synchronous_commit",
    "synchronous_commit=off",
    (name) => [`alter database ${name} set synchronous_commit = off`],
    () => [],
  ],
  [
    "the role's in that database",
    "synchronous_commit=off",
    (name) => [`alter role opensqs in database ${name} set synchronous_commit = off`],
    () => [],
  ],
  [
    "zero_damaged_pages",
    "zero_damaged_pages=on",
    (name) => [`alter database ${name} set zero_damaged_pages = on`],
    () => [],
  ],
  [
    "ignore_checksum_failure",
    "ignore_checksum_failure=on",
    (name) => [`alter database ${name} set ignore_checksum_failure = on`],
    () => [],
  ],
  [
    "unlogged tables",
    "unlogged tables=task_dedupe, task_ready",
    () => ["alter table task_ready set unlogged", "alter table task_dedupe set unlogged"],
    () => [],
  ],
  [
    "an unlogged partition",
    "unlogged tables=task",
    () => [`do $$ begin execute format('alter table %s set unlogged', ${WEEK}); end $$`],
    () => [],
  ],
];

describe("refused, unless ALLOW_UNSAFE_DATABASE is set:", () => {
  test.each(CASES)("%s", async (_what, found, make, undo) => {
    const url = await newDatabase();
    const name = parseDatabaseUrl(url).database;
    await execute(url, make(name));
    try {
      const [setting, value] = found.split("=");
      expect(await refusalOf(url)).toContain(`The database may lose acknowledged tasks (${setting} is ${value}: `);
      expect(await endangering(url)).toEqual({ ok: false, settings: [found] });
    } finally {
      await execute(url, undo(name));
    }
  });

  test("synchronous_commit of the URL itself", async () => {
    const url = `${await newDatabase()}&options=-c%20synchronous_commit%3Doff`;
    expect(await refusalOf(url)).toContain("synchronous_commit is off: ");
  });

  test("and the process says so and ends", async () => {
    const url = await newDatabase();
    await execute(url, [`alter database ${parseDatabaseUrl(url).database} set synchronous_commit = off`]);
    const failed = spawnService({ DATABASE_URL: url, ALLOW_UNSAFE_DATABASE: "" });
    await expect(failed).rejects.toThrow(/ended \(1\)[\s\S]*synchronous_commit is off: .*set ALLOW_UNSAFE_DATABASE=on/);
    const service = await spawnService({ DATABASE_URL: url, ALLOW_UNSAFE_DATABASE: "on" });
    expect(await service.stop()).toBe(0);
    expect(service.log()).toContain('"message":"the database may lose acknowledged tasks"');
  });
});

test("a table of somebody else may be unlogged", async () => {
  const url = await newDatabase();
  await execute(url, [
    "create unlogged table their_cache (a int)",
    "create schema other",
    "create unlogged table other.task (a int)",
  ]);
  expect(await endangering(url)).toEqual({ ok: true, settings: [] });
});

test("each table that the migrations make is known to hold what must not be lost", async () => {
  const client = new pg.Client(clientConfig(parseDatabaseUrl(template)));
  await client.connect();
  const { rows } = await client.query<{ relname: string }>(
    "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition order by 1",
  );
  await client.end();
  expect(rows.map(({ relname }) => relname)).toEqual([...DURABLE_TABLES]);
});

describe("through a pooler, on a connection that another client has left without durable commits,", () => {
  const setting = () => sql.type(z.strictObject({ value: z.string() }))`
    select current_setting('synchronous_commit') as value`;

  test.each([
    ["off", true, "on"],
    ["local", true, "local"],
    ["remote_apply", true, "remote_apply"],
    ["off", false, "off"],
  ])("synchronous_commit=%s, durable %p: commits with %s", async (left, durable, expected) => {
    const url = await newDatabase();
    const { database, user, password, port } = parseDatabaseUrl(url);
    await execute(url, [`alter database ${database} set synchronous_commit = ${left}`]);
    const pooler = await startPooler({ host: "127.0.0.1", port });
    const pool = await openDatabase({
      dsn: `postgresql://${user}:${password}@127.0.0.1:${pooler.port}/${database}`,
      name: "test",
      size: 2,
      connectTimeoutMs: 5_000,
      statementTimeoutMs: 10_000,
      idleTimeoutMs: 10_000,
      acquireTimeoutMs: 10_000,
      rowChecks: true,
      indexOnly: false,
      durable,
    });
    try {
      expect(pool.pooled).toBe(true);
      expect(await pool.run((db) => db.one(setting()))).toEqual({ value: expected });
      expect(await pool.transaction((db) => db.one(setting()))).toEqual({ value: expected });
    } finally {
      await pool.end();
      await pooler.close();
    }
  });

  test("the service starts, and admin.health knows that its transactions are durable", async () => {
    const url = await newDatabase();
    const { database, user, password, port } = parseDatabaseUrl(url);
    await execute(url, [`alter database ${database} set synchronous_commit = off`]);
    const pooler = await startPooler({ host: "127.0.0.1", port });
    const pooled = `postgresql://${user}:${password}@127.0.0.1:${pooler.port}/${database}`;
    try {
      const service = await startInstance(pooled, { LISTEN_DATABASE_URL: url, ALLOW_UNSAFE_DATABASE: "off" });
      try {
        expect(await rpc(service.url, "admin.health", {})).toMatchObject({ ok: true, database: { endangering: [] } });
      } finally {
        await service.stop();
      }
      expect(await endangering(pooled)).toEqual({ ok: false, settings: ["synchronous_commit=off"] });
    } finally {
      await pooler.close();
    }
  });
});
