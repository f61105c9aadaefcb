/**
 * Walks seed 002: User, Task, Category and the table between the last two; a TaskService whose calls are scoped to an owner;
 * the pool, Neon's URLs and migrations. `title` is name, `completed` is the state completed, `due_date` is dueAt, `color` is
 * colour, created_at and updated_at are added and updated, `owner_id` is ownerId, free text for now: users with an email, a
 * password and is_active come with sign-in, and until then an owner's scope is the filter ownerId. `offset` is a cursor, and
 * pool_size with max_overflow is POOL_SIZE: what does not fit waits, and is refused as overloaded after a while.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { readConfig } from "../../src/config.ts";
import { migrate, migrationStatus, rollback } from "../../src/db/migrate.ts";
import { parseDatabaseUrl } from "../../src/db/url.ts";
import { createLogger } from "../../src/lib/log.ts";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { emptyDatabase, MIGRATIONS_DIR } from "../support/postgres.ts";
import { refusal, testService } from "../support/service.ts";

const service = testService();
const stepped = emptyDatabase();
const UNFINISHED = ["waiting", "pending", "claimed"] as const;
type Task = Contract["task.get"]["result"];

describe("Category", () => {
  test("has the colour #3B82F6 unless told, and a name that is there once", async () => {
    const work = await service.call("category.create", { name: "work" });
    expect(work).toEqual({
      id: work.id,
      name: "work",
      parent: null,
      colour: "#3B82F6",
      description: null,
      tasks: 0,
      added: work.added,
      updated: work.added,
    });
    const other = await service.call("category.create", { name: "home", colour: "#00ff7F", description: "not work" });
    expect(other).toMatchObject({ colour: "#00ff7F", description: "not work" });
    expect(await refusal(service.call("category.create", { name: "work", colour: "#000000" }))).toEqual({
      type: "conflict",
      field: "name",
    });
    expect((await service.call("category.get", { name: "work" })).colour).toBe("#3B82F6");
    for (const colour of ["blue", "3B82F6", "#3B82F", "#3B82FG", "#3B82F6F6", ""])
      expect((await refusal(service.call("category.create", { name: "x", colour }))).issues).toEqual([
        { path: "colour", message: "must be a colour such as #3B82F6" },
      ]);
  });

  test("has a parent, and so a tree of subcategories", async () => {
    await service.call("category.create", { name: "taxes", parent: "work" });
    expect(await service.call("category.tree", { root: "work" })).toMatchObject({
      categories: [{ name: "work", parent: null, children: [{ name: "taxes", parent: "work", children: [] }] }],
    });
  });

  test("many to many: a task is in several categories, a category has several tasks", async () => {
    const { tasks } = await service.call("task.enqueueMany", {
      queue: "many",
      tasks: [{ categories: ["work", "home"] }, { categories: ["home"] }, { categories: ["taxes"] }],
    });
    const [both, home, taxes] = tasks.map(({ id }) => id);
    expect((await service.call("task.get", { id: both! })).categories).toEqual(["home", "work"]);
    const within = async (category: string) =>
      (await service.call("task.list", { category, sort: "added" })).tasks.map(({ id }) => id);
    expect(await within("home")).toEqual([both!, home!]);
    // With what lies below it.
    expect(await within("work")).toEqual([both!, taxes!]);
    expect((await service.call("category.get", { name: "home" })).tasks).toBe(2);
    // Each task once in each.
    const twice = await service.call("task.enqueue", { queue: "many", categories: ["home", "home"] });
    expect((await service.call("task.get", { id: twice.id })).categories).toEqual(["home"]);
    expect((await service.call("category.get", { name: "home" })).tasks).toBe(3);
  });
});

describe("TaskService, for ann and for bob", () => {
  const queue = "todo";
  const tasks = {} as Record<"a1" | "a2" | "a3" | "b1" | "b2", string>;
  const of = (ownerId: string, filter: Contract["task.list"]["params"] = {}) =>
    service.call("task.list", { ownerId, ...filter });
  const names = ({ tasks: found }: { tasks: Task[] }) => found.map(({ name }) => name);

  beforeAll(async () => {
    for (const [ownerId, name] of [
      ["ann", "a1"],
      ["bob", "b1"],
      ["ann", "a2"],
      ["ann", "a3"],
      ["bob", "b2"],
    ] as const)
      tasks[name] = (await service.call("task.enqueue", { queue, ownerId, name })).id;
    const { tasks: claimed } = await service.call("task.claim", { queue, names: ["a1", "b1"], limit: 2 });
    for (const { receipt } of claimed) await service.call("task.complete", { receipt });
  });

  test("create_task: title, description, due date, priority", async () => {
    const { id } = await service.call("task.enqueue", {
      queue: "created",
      ownerId: "cat",
      name: "Test Task",
      description: "Test Description",
      dueAt: "2030-02-01T10:00:00+01:00",
      priority: "high",
    });
    expect(await service.call("task.get", { id })).toMatchObject({
      name: "Test Task",
      description: "Test Description",
      dueAt: "2030-02-01T09:00:00.000Z",
      priority: 2,
      ownerId: "cat",
      state: "pending",
    });
    const plain = await service.call("task.enqueue", { queue: "created", ownerId: "cat", name: "plain" });
    expect(await service.call("task.get", { id: plain.id })).toMatchObject({
      description: null,
      dueAt: null,
      priority: 5,
    });
  });

  test("get_tasks: of one owner, the newest first", async () => {
    expect(names(await of("ann"))).toEqual(["a3", "a2", "a1"]);
    expect(names(await of("bob"))).toEqual(["b2", "b1"]);
    expect(names(await of("nobody"))).toEqual([]);
  });

  test("get_tasks(completed=…)", async () => {
    expect(names(await of("ann", { states: ["completed"] }))).toEqual(["a1"]);
    expect(names(await of("ann", { states: [...UNFINISHED] }))).toEqual(["a3", "a2"]);
    expect(await service.call("task.count", { ownerId: "bob", states: ["completed"] })).toEqual({
      count: 1,
      exact: true,
    });
  });

  test("get_tasks(limit, offset): page after page", async () => {
    const first = await of("ann", { limit: 2 });
    expect(names(first)).toEqual(["a3", "a2"]);
    const second = await of("ann", { limit: 2, cursor: first.nextCursor! });
    expect(names(second)).toEqual(["a1"]);
    expect(second.nextCursor).toBeNull();
  });

  test("get_task: one of them, and what is nobody's task is not found", async () => {
    expect(await service.call("task.get", { id: tasks.a2 })).toMatchObject({ ownerId: "ann", name: "a2" });
    const id = tasks.a2.replace(/^.{8}/, "01900000");
    expect(await refusal(service.call("task.get", { id }))).toEqual({ type: "not_found", noun: "task", id });
  });

  test("update_task: what is given is changed, the rest stays, updated moves", async () => {
    const before = await service.call("task.get", { id: tasks.a2 });
    const after = await service.call("task.update", {
      id: before.id,
      name: "a2 changed",
      dueAt: "2031-01-01T00:00:00Z",
    });
    expect(after).toEqual({ ...before, name: "a2 changed", dueAt: "2031-01-01T00:00:00.000Z", updated: after.updated });
    expect(after.updated > before.updated).toBe(true);
    expect(await service.call("task.get", { id: before.id })).toEqual(after);
    // Handing it to somebody else takes it out of the one list and into the other.
    await service.call("task.update", { id: before.id, ownerId: "bob" });
    expect(names(await of("ann"))).toEqual(["a3", "a1"]);
    expect(names(await of("bob"))).toEqual(["b2", "a2 changed", "b1"]);
    const id = before.id.replace(/^.{8}/, "01900000");
    expect((await refusal(service.call("task.update", { id, description: "x" }))).type).toBe("not_found");
  });

  test("delete_task: gone from its owner's lists, the others' stay", async () => {
    await service.call("task.delete", { id: tasks.a3 });
    expect(names(await of("ann"))).toEqual(["a1"]);
    expect(await service.call("task.count", { ownerId: "ann" })).toEqual({ count: 1, exact: true });
    expect(names(await of("bob"))).toHaveLength(3);
    const id = tasks.a3.replace(/^.{8}/, "01900000");
    expect((await refusal(service.call("task.delete", { id }))).type).toBe("not_found");
  });
});

describe("the database", () => {
  test("Neon's URLs: TLS, a pooler's host, what Neon adds to the query", () => {
    const url =
      "postgresql://user:p%40ss@ep-xxx-pooler.us-east-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require";
    expect(parseDatabaseUrl(url)).toMatchObject({
      host: "ep-xxx-pooler.us-east-1.aws.neon.tech",
      port: 5432,
      user: "user",
      password: "p@ss",
      database: "neondb",
      sslMode: "require",
    });
    const config = readConfig({ DATABASE_URL: url, LISTEN_DATABASE_URL: url.replace("-pooler", "") });
    expect([config.databaseUrl, config.listenDatabaseUrl]).toEqual([url, url.replace("-pooler", "")]);
  });

  test("a driver's name in the URL is another dialect, and said to be", () => {
    expect(() => parseDatabaseUrl("postgresql+asyncpg://user:secret@host/db")).toThrow(/postgres:\/\//);
    expect(() => readConfig({ DATABASE_URL: "postgresql+asyncpg://user:secret@host/db" })).toThrow(/^(?!.*secret)/s);
  });

  test("pool size and time-outs", () => {
    const config = readConfig({ POOL_SIZE: "5", ACQUIRE_TIMEOUT_SECONDS: "30", IDLE_TIMEOUT_SECONDS: "300" });
    expect(config).toMatchObject({ poolSize: 5, acquireTimeoutMs: 30_000, idleTimeoutMs: 300_000 });
    expect(() => readConfig({ POOL_SIZE: "0" })).toThrow("POOL_SIZE must be a whole number from 1 to 1000");
  });

  test("upgrade head, current, downgrade -1, and up again", async () => {
    const options = { url: stepped.url, migrationsDir: MIGRATIONS_DIR, log: createLogger({ level: "error" }) };
    const applied = await migrate(options);
    expect((await migrationStatus(options)).pending).toEqual([]);
    expect((await rollback(options))?.file).toBe(applied.at(-1)!.file);
    expect(await migrationStatus(options)).toMatchObject({ applied: applied.slice(0, -1), pending: applied.slice(-1) });
    expect(await migrate(options)).toEqual(applied.slice(-1));
  });
});
