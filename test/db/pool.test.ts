import { beforeAll, describe, expect, test } from "bun:test";
import { z } from "zod";
import { type Database, type Db, NoConnection, openDatabase } from "../../src/db/pool.ts";
import { sql } from "../../src/db/sql.ts";
import { type Pooler, startPooler } from "../support/pooler.ts";
import { testDatabase } from "../support/postgres.ts";
import { rpc, startInstance } from "../support/service.ts";

const database = testDatabase();
const OPTIONS = {
  name: "test",
  size: 2,
  connectTimeoutMs: 5_000,
  statementTimeoutMs: 12_345,
  idleTimeoutMs: 10_000,
  acquireTimeoutMs: 10_000,
  rowChecks: true,
  indexOnly: true,
};

const settings = () => sql.type(z.strictObject({ seqscan: z.string(), timeout: z.string() }))`
  select current_setting('enable_seqscan') as seqscan, current_setting('statement_timeout') as timeout`;

describe("on a direct connection", () => {
  let pool: Database;
  beforeAll(async () => {
    pool = await openDatabase({ ...OPTIONS, dsn: database.url });
  });
  database.atEnd(() => pool?.end());

  test("every statement runs under the planner settings and the time-out", async () => {
    expect(pool.pooled).toBe(false);
    for (let run = 0; run < 3; run++)
      expect(await pool.run((db) => db.one(settings()))).toEqual({ seqscan: "off", timeout: "12345ms" });
    expect(await pool.transaction((db) => db.one(settings()))).toEqual({ seqscan: "off", timeout: "12345ms" });
  });

  test("a call that finds no free connection in time is rejected, and the pool goes on", async () => {
    const small = await openDatabase({ ...OPTIONS, dsn: database.url, size: 1, acquireTimeoutMs: 50 });
    try {
      let letGo: () => void = () => {};
      const busy = small.run(() => new Promise<void>((resolve) => (letGo = resolve)));
      await expect(small.run(async () => "never")).rejects.toBeInstanceOf(NoConnection);
      expect(small.waiting()).toBe(1);
      letGo();
      await busy;
      expect(await small.run(async () => "free")).toBe("free");
      expect(small.waiting()).toBe(0);
    } finally {
      await small.end();
    }
  });

  test("what is thrown over a connection leaves it open, unless the driver threw it", async () => {
    const one = await openDatabase({ ...OPTIONS, dsn: database.url, size: 1 });
    const backend = () =>
      one.run((db) => db.oneFirst(sql.type(z.strictObject({ pid: z.int() }))`select pg_backend_pid() as pid`));
    const refuse = async () => {
      throw new Error("refused");
    };
    const violate = (db: Db) => db.query(sql.type(z.strictObject({}))`insert into project (name) values ('default')`);
    const cancelled = (db: Db) => db.query(sql.type(z.looseObject({}))`select pg_cancel_backend(pg_backend_pid())`);
    try {
      const first = await backend();
      for (const work of [refuse, violate]) {
        await expect(one.run(work)).rejects.toThrow();
        await expect(one.transaction(work)).rejects.toThrow();
        expect(await backend()).toBe(first);
        expect(await one.transaction((db) => db.one(settings()))).toMatchObject({ seqscan: "off" });
      }
      await expect(one.run(cancelled)).rejects.toThrow();
      expect(await backend()).not.toBe(first);
    } finally {
      await one.end();
    }
  });

  test("a row unlike its schema is a fault, and is named", async () => {
    const query = sql.type(z.strictObject({ n: z.string() }))`select 1 as n`;
    await expect(pool.run((db) => db.one(query))).rejects.toThrow(
      /A row is not as its query's schema says \(n: .*\): select 1 as n/,
    );
  });

  test("counts and times come as numbers", async () => {
    const query = sql.type(z.strictObject({ big: z.number(), sum: z.number(), at: z.number() }))`
      select 9007199254740991::int8 as big, 1.5::numeric as sum, '2026-01-31T12:00:00Z'::timestamptz as at`;
    expect(await pool.run((db) => db.one(query))).toEqual({
      big: 2 ** 53 - 1,
      sum: 1.5,
      at: Date.UTC(2026, 0, 31, 12),
    });
  });
});

describe("behind a pooler", () => {
  let pooler: Pooler;
  let url: string;
  beforeAll(async () => {
    const direct = new URL(database.url);
    pooler = await startPooler({ host: "127.0.0.1", port: Number(direct.port) });
    direct.port = String(pooler.port);
    url = direct.toString();
  });
  database.atEnd(() => pooler?.close());

  test("the settings go into each transaction, and a start-up parameter is tried once only", async () => {
    const pool = await openDatabase({ ...OPTIONS, dsn: url });
    try {
      expect(pool.pooled).toBe(true);
      for (let run = 0; run < 3; run++)
        expect(await pool.run((db) => db.one(settings()))).toEqual({ seqscan: "off", timeout: "12345ms" });
      expect(pooler.refused).toEqual(["options"]);
    } finally {
      await pool.end();
    }
  });

  test("the service does its work, without prepared names and without discarding sessions", async () => {
    const service = await startInstance(url, { LISTEN_DATABASE_URL: database.url });
    try {
      const { id } = await rpc(service.url, "task.enqueue", { queue: "pooled", requestId: "r", dedupeKey: "k" });
      expect(await rpc(service.url, "task.enqueue", { queue: "pooled", requestId: "r", dedupeKey: "k" })).toMatchObject(
        { id },
      );
      const { tasks } = await rpc(service.url, "task.claim", { queue: "pooled" });
      expect(await rpc(service.url, "task.complete", { receipt: tasks[0]!.receipt })).toEqual({
        id,
        state: "completed",
      });
      expect((await rpc(service.url, "admin.verify", {})).violations).toEqual([]);
    } finally {
      await service.stop();
    }
    expect([...pooler.statementNames]).toEqual([]);
    expect(pooler.statements.filter((text) => /\bdiscard\b|^set |\blisten\b|advisory/i.test(text))).toEqual([]);
    expect(pooler.statements.some((text) => /insert into task_ready/.test(text))).toBe(true);
  });
});
