/**
 * Walks seed 001: the rules for models. UUID for ids, JSONB for structured data, String(255) and Text, foreign keys that
 * say CASCADE or SET NULL, defaults that the server knows, nullable=False, docstrings. What it calls a model is a table
 * here, its schema classes are the methods' parameters, its docstrings are comments in the database. Where the rule is about
 * tables, they are looked at, and changed, through SQL: no service stands in between.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import pg from "pg";
import type { Contract } from "../../src/rpc/methods/index.ts";
import type { Service } from "../../src/serve.ts";
import { testDatabase } from "../support/postgres.ts";
import { rawRpc, refusal, rpc, startInstance } from "../support/service.ts";

const database = testDatabase();
let service: Service;
let client: pg.Client;
beforeAll(async () => {
  service = await startInstance(database.url);
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
database.atEnd(async () => {
  await client?.end();
  await service?.stop();
});

const call = <M extends keyof Contract>(method: M, params: Contract[M]["params"]) => rpc(service.url, method, params);
const rows = async <R extends object>(query: string, values: unknown[] = []) =>
  (await client.query<R>(query, values)).rows;
/** What the database says no by: the SQLSTATE and the constraint or column. */
async function violation(query: string, values: unknown[] = []): Promise<string> {
  try {
    await client.query(query, values);
  } catch (error) {
    const { code, constraint, column } = error as pg.DatabaseError;
    return `${code} ${constraint ?? column}`;
  }
  return "none";
}
const issues = async (asked: Promise<unknown>) => (await refusal(asked)).issues;

describe("uuid keys", () => {
  test("a task's id is a uuid, in every table that names a task", async () => {
    const columns = await rows<{ name: string; type: string }>(`
      select c.relname || '.' || a.attname as name, format_type(a.atttypid, a.atttypmod) as type
      from pg_attribute a join pg_class c on c.oid = a.attrelid
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
        and (a.attname = 'task_id' or (a.attname = 'id' and c.relname like 'task%'))`);
    expect(columns.length).toBeGreaterThan(7);
    for (const { name, type } of columns) expect(`${name} ${type}`).toBe(`${name} uuid`);
  });

  test("what is no uuid, or one of another kind, is refused before the database sees it", async () => {
    for (const id of ["", "1", "not-a-uuid", crypto.randomUUID()])
      expect(await issues(call("task.get", { id }))).toEqual([
        { path: "id", message: "must be a task's id (a uuid v7)" },
      ]);
  });
});

describe("JSON", () => {
  test("payloads are jsonb, and come back with the same members, numbers and characters", async () => {
    const [column] = await rows(
      "select data_type from information_schema.columns where table_name = 'task' and column_name = 'payload'",
    );
    expect(column).toEqual({ data_type: "jsonb" });
    const text =
      '{"":0,"__proto__":{"x":1},"a":[1,-0.5,1e21,12345678901234567890,null,true,[],{}],"emoji":"\\ud83d\\ude00","q":"\\"\\\\/","title":"Ünïcode ≠ ASCII"}';
    const enqueue = `{"jsonrpc":"2.0","id":1,"method":"task.enqueue","params":{"queue":"json","payload":${text}}}`;
    const { result, error } = await rawRpc(service.url, enqueue);
    // A number that JSON can write and JavaScript cannot hold is refused, with its place, rather than rounded.
    expect(result).toBeUndefined();
    expect(error?.data.issues).toMatchObject([{ path: "payload.a[3]" }]);
    const kept = text.replace("12345678901234567890", "9007199254740991");
    const added = await rawRpc(service.url, enqueue.replace(text, kept));
    const { id } = added.result as { id: string };
    const { payload } = await call("task.get", { id });
    expect(payload).toEqual(JSON.parse(kept));
    expect(Object.hasOwn(payload, "__proto__")).toBe(true);
  });

  test("a payload is an object, by the method and by the table", async () => {
    for (const payload of [[], "text", 1, null])
      expect(await issues(call("task.enqueue", { queue: "json", payload: payload as never }))).toEqual([
        { path: "payload", message: "must be a JSON object" },
      ]);
    await call("task.enqueue", { queue: "json" });
    expect(await violation(`update task set payload = '[]'`)).toContain("23514 task_payload_object");
  });
});

describe("lengths", () => {
  const long = (length: number) => "ä".repeat(length);

  test("short texts end at 255 characters, long ones at 10,000", async () => {
    const { id } = await call("task.enqueue", {
      queue: "lengths",
      name: long(255),
      ownerId: long(255),
      description: long(10_000),
      tags: [long(50)],
    });
    expect(await call("task.get", { id })).toMatchObject({ name: long(255), description: long(10_000) });
    const over = (max: number) => `must not be longer than ${max} characters`;
    expect(
      await issues(
        call("task.enqueue", {
          queue: "lengths",
          name: long(256),
          ownerId: long(256),
          description: long(10_001),
          tags: [long(51)],
          categories: [long(81)],
        }),
      ),
    ).toEqual([
      { path: "name", message: over(255) },
      { path: "description", message: over(10_000) },
      { path: "ownerId", message: over(255) },
      { path: "tags[0]", message: over(50) },
      { path: "categories[0]", message: over(80) },
    ]);
  });

  test("names of the catalogue are limited by the tables too", async () => {
    const add = (table: string, columns: string, name: string) =>
      violation(`insert into ${table} (${columns}) values (${columns.includes("key") ? "1, $1, $1" : "1, $1"})`, [
        name,
      ]);
    expect(await add("tag", "project_id, name, key", long(51))).toBe("23514 tag_name_length");
    expect(await add("tag", "project_id, name, key", "")).toBe("23514 tag_name_length");
    expect(await add("category", "project_id, name", long(81))).toBe("23514 category_name_length");
    expect(await violation("insert into project (name) values ($1)", [long(81)])).toBe("23514 project_name_length");
    expect(await violation("insert into queue (project_id, name) values (1, 'two words')")).toBe(
      "23514 queue_name_form",
    );
  });
});

describe("defaults and not null", () => {
  test("what a row is not told it gets from the server", async () => {
    const [category] = await rows<Record<string, unknown>>(
      "insert into category (project_id, name) values (1, 'by hand') returning *, added = now() as on_time, updated = now() as same",
    );
    expect(category).toMatchObject({ colour: "#3B82F6", parent_id: null, description: null, tasks: "0" });
    expect(category).toMatchObject({ on_time: true, same: true });
    const [tag] = await rows(
      "insert into tag (project_id, name, key) values (1, 'By hand', 'by hand') returning used, colour",
    );
    expect(tag).toEqual({ used: "0", colour: null });
    const [queue] = await rows(
      "insert into queue (project_id, name) values (1, 'by-hand') returning paused, backoff_jitter",
    );
    expect(queue).toEqual({ paused: false, backoff_jitter: true });
    // And what was made so is there for callers.
    expect(await call("category.get", { name: "by hand" })).toMatchObject({ colour: "#3B82F6", tasks: 0 });
    expect(await call("queue.get", { name: "by-hand" })).toMatchObject({ leaseSeconds: 30, maxAttempts: 5 });
  });

  test("every boolean column has a default and refuses null", async () => {
    // A lease alone has no default: it is made from a ready task, whose has_dependents it takes over.
    const loose = await rows(`
      select c.table_name, c.column_name from information_schema.columns c
      where c.table_schema = 'public' and c.data_type = 'boolean' and c.table_name <> 'task_with_state'
        and (c.is_nullable = 'YES' or (c.column_default is null and c.table_name <> 'task_lease'))`);
    expect(loose).toEqual([]);
  });

  test("a required column refuses null", async () => {
    expect(await violation("insert into category (project_id) values (1)")).toBe("23502 name");
    expect(await violation("insert into tag (project_id, name) values (1, 'x')")).toBe("23502 key");
    expect(await violation("insert into project (description) values ('x')")).toBe("23502 name");
    expect(await violation("insert into category (project_id, name, colour) values (1, 'x', null)")).toBe(
      "23502 colour",
    );
    expect(await violation("insert into category (project_id, name, colour) values (1, 'x', 'blue')")).toBe(
      "23514 category_colour_form",
    );
  });
});

describe("foreign keys", () => {
  test("each says what becomes of the row: it goes too, or only its reference does", async () => {
    const silent = await rows<{ name: string }>(`
      select conname as name from pg_constraint
      where contype = 'f' and connamespace = 'public'::regnamespace and confdeltype not in ('c', 'n')`);
    expect(silent).toEqual([]);
  });

  test("a child goes with its parent", async () => {
    const project = "going";
    await call("project.create", { name: project });
    await call("category.create", { project, name: "c" });
    const { id } = await call("task.enqueue", { project, queue: "q", tags: ["t"], categories: ["c"] });
    await call("task.claim", { project, queue: "q", worker: "w" });
    await call("worker.list", { project });
    const [{ number }] = (await rows("select id as number from project where name = $1", [project])) as [
      { number: number },
    ];
    const left = () =>
      rows(
        `select (select count(*)::int from queue q where q.project_id = $1) as queues,
           (select count(*)::int from tag g where g.project_id = $1) as tags,
           (select count(*)::int from category c where c.project_id = $1) as categories,
           (select count(*)::int from worker w where w.project_id = $1) as workers`,
        [number],
      );
    expect(await left()).toEqual([{ queues: 1, tags: 1, categories: 1, workers: 1 }]);
    await client.query("delete from project where id = $1", [number]);
    expect(await left()).toEqual([{ queues: 0, tags: 0, categories: 0, workers: 0 }]);
    const labels = "select 1 from task_tag where task_id = $1 union all select 1 from task_category where task_id = $1";
    expect(await rows(labels, [id])).toEqual([]);
  });

  test("association rows go with either side", async () => {
    await call("category.create", { name: "side" });
    const task = { tags: ["side"], categories: ["side"] };
    const { tasks } = await call("task.enqueueMany", { queue: "sides", tasks: [task, task] });
    const ids = tasks.map(({ id }) => id);
    const labelled = async (table: string) =>
      (await rows<{ id: string }>(`select task_id as id from ${table} where task_id = any($1) order by 1`, [ids])).map(
        ({ id }) => id,
      );
    expect(await labelled("task_tag")).toEqual(ids);
    await client.query("delete from task_catalogue where id = $1", [ids[0]]);
    expect(await labelled("task_tag")).toEqual([ids[1]!]);
    expect(await labelled("task_category")).toEqual([ids[1]!]);
    await client.query("delete from tag where key = 'side'");
    await client.query("delete from category where name = 'side'");
    expect(await labelled("task_tag")).toEqual([]);
    expect(await labelled("task_category")).toEqual([]);
    // The task itself stays.
    expect(await call("task.get", { id: ids[1]! })).toMatchObject({ state: "pending", tags: [], categories: [] });
  });

  test("SET NULL keeps the row: a category whose parent is removed becomes a root", async () => {
    await call("category.create", { name: "parent" });
    await call("category.create", { name: "kept", parent: "parent" });
    await client.query("delete from category where name = 'parent'");
    expect(await call("category.get", { name: "kept" })).toMatchObject({ parent: null });
  });

  test("a reference to nothing is refused", async () => {
    expect(await violation("insert into tag (project_id, name, key) values (0, 'x', 'x')")).toBe(
      "23503 tag_project_id_fkey",
    );
    expect(await violation("insert into category (project_id, name, parent_id) values (1, 'x', 0)")).toBe(
      "23503 category_parent_fkey",
    );
    await call("project.create", { name: "other" });
    await call("category.create", { project: "other", name: "abroad" });
    const abroad = "(select id from category where name = 'abroad')";
    // The parent must be of the same project.
    expect(await violation(`insert into category (project_id, name, parent_id) values (1, 'x', ${abroad})`)).toBe(
      "23503 category_parent_fkey",
    );
  });
});

test("every table and view says what it is for, and so does every index but those of constraints", async () => {
  const silent = await rows<{ name: string }>(`
    select c.relname as name from pg_class c
    where c.relnamespace = 'public'::regnamespace and not c.relispartition and c.relname <> 'schema_migrations'
      and (c.relkind in ('r', 'p', 'v')
        or c.relkind in ('i', 'I') and not exists (select 1 from pg_constraint k where k.conindid = c.oid))
      and coalesce(obj_description(c.oid, 'pg_class'), '') = ''`);
  expect(silent).toEqual([]);
});

test("create, read, update, delete, and what is no field is refused by its name", async () => {
  const created = await call("category.create", { name: "crud", description: "first" });
  expect(await call("category.get", { name: "crud" })).toEqual(created);
  expect(await call("category.update", { name: "crud", description: "second" })).toMatchObject({
    id: created.id,
    description: "second",
    added: created.added,
  });
  expect(await call("category.delete", { name: "crud" })).toEqual({ name: "crud" });
  expect(await refusal(call("category.get", { name: "crud" }))).toEqual({
    type: "not_found",
    noun: "category",
    id: "crud",
  });
  const unknown = { name: "crud", color: "#000000" } as Contract["category.create"]["params"];
  expect(await issues(call("category.create", unknown))).toEqual([
    { path: "color", message: "is not a parameter here" },
  ]);
});
