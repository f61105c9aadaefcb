/** The project's own migrations: each goes up, down and up again, and leaves the same schema; what was there is carried over. */
import { expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, rollback } from "../../src/db/migrate.ts";
import { listMigrations } from "../../src/db/migrations.ts";
import { createLogger } from "../../src/lib/log.ts";
import { idGenerator } from "../../src/lib/uuid7.ts";
import { emptyDatabase, MIGRATIONS_DIR, withClient } from "../support/postgres.ts";

const whole = emptyDatabase();
const stepped = emptyDatabase();
const filled = emptyDatabase();
const log = createLogger({ level: "error" });

/** Tables, columns, constraints, indexes, views, triggers, functions, types and comments, in words. */
const SCHEMA = `
  select 'column ' || format('%s.%s %s %s %s # %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
      pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)) as line
    from pg_attribute a join pg_class c on c.oid = a.attrelid left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v') and a.attnum > 0 and not a.attisdropped
  union all select 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace
  union all select 'index ' || pg_get_indexdef(c.oid) from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('i', 'I')
  union all select 'view ' || relname || pg_get_viewdef(oid) from pg_class where relnamespace = 'public'::regnamespace and relkind = 'v'
  union all select 'trigger ' || pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
  union all select 'function ' || pg_get_functiondef(oid) || coalesce(obj_description(oid, 'pg_proc'), '') from pg_proc where pronamespace = 'public'::regnamespace
  union all select 'type ' || t.typname || ' ' || e.enumlabel from pg_type t join pg_enum e on e.enumtypid = t.oid where t.typnamespace = 'public'::regnamespace
  union all select 'options ' || relname || ' ' || (select string_agg(o, ',' order by o) from unnest(reloptions) o) from pg_class where reloptions is not null and relnamespace = 'public'::regnamespace
  union all select 'comment ' || relname || ' ' || obj_description(oid, 'pg_class') from pg_class where relnamespace = 'public'::regnamespace and obj_description(oid, 'pg_class') is not null
  order by 1`;

/** All but dbmate's own table, which is there from the first migration on and stays. */
const schema = (url: string) =>
  withClient(url, async (client) =>
    (await client.query<{ line: string }>(SCHEMA)).rows
      .map(({ line }) => line)
      .filter((line) => !line.includes("schema_migrations")),
  );

test("up, all the way down, and up again gives the same schema", async () => {
  const options = { url: whole.url, migrationsDir: MIGRATIONS_DIR, log };
  const applied = await migrate(options);
  expect(applied.length).toBeGreaterThan(1);
  const first = await schema(whole.url);
  expect(first.some((line) => line.startsWith("column task_ready.run_at"))).toBe(true);
  for (const _ of applied) expect(await rollback(options)).not.toBeNull();
  expect(await schema(whole.url)).toEqual([]);
  expect(await rollback(options)).toBeNull();
  await migrate(options);
  expect(await schema(whole.url)).toEqual(first);
});

/** Runs `work` with a folder that is empty at first, and a function that puts the next migration into it. */
async function inSteps(work: (folder: string, next: () => string | undefined) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "opensqs-migrations-"));
  const files = (await listMigrations(MIGRATIONS_DIR)).map(({ file }) => file);
  const next = () => {
    const file = files.shift();
    if (file !== undefined) cpSync(join(MIGRATIONS_DIR, file), join(folder, file));
    return file;
  };
  try {
    await work(folder, next);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("each migration by itself: its way down leaves what was there before it, and its way up makes the same again", async () => {
  await inSteps(async (folder, next) => {
    const options = { url: stepped.url, migrationsDir: folder, log };
    for (let file = next(); file !== undefined; file = next()) {
      const before = await schema(stepped.url);
      expect((await migrate(options)).map((one) => one.file)).toEqual([file]);
      const after = await schema(stepped.url);
      expect(after).not.toEqual(before);
      expect((await rollback(options))?.file).toBe(file);
      expect({ file, lines: await schema(stepped.url) }).toEqual({ file, lines: before });
      await migrate(options);
      expect({ file, lines: await schema(stepped.url) }).toEqual({ file, lines: after });
    }
    expect(await schema(stepped.url)).toEqual(await schema(whole.url));
  });
});

test("20261122000002 carries over who owns tasks, how they are tagged and described, and gives the tags back", async () => {
  await inSteps(async (folder, next) => {
    while (!next()!.startsWith("20261122000001"));
    const options = { url: filled.url, migrationsDir: folder, log };
    await migrate(options);
    const ids = await withClient(filled.url, async (client) => {
      const newId = idGenerator(Date.now);
      const queueOf = async (project: string) =>
        (
          await client.query(
            "insert into queue (project_id, name) select id, 'q' from project where name = $1 returning id",
            [project],
          )
        ).rows[0].id as number;
      await client.query("insert into project (name) values ('other')");
      const [here, there] = [await queueOf("default"), await queueOf("other")];
      const add = async (queue: number, more: Record<string, unknown> = {}) => {
        const task = { id: newId(queue), queue_id: queue, priority: 5, max_attempts: 5, payload: {}, ...more };
        const columns = Object.keys(task);
        await client.query(
          `insert into task (run_at, added, updated, ${columns}) values (now(), now(), now(), ${columns.map((_, at) => `$${at + 1}`)})`,
          Object.values(task),
        );
        return task.id;
      };
      const finished = { outcome: "completed", finished: new Date() };
      return {
        plain: await add(here, { name: "plain", tags: [] }),
        owned: await add(here, {
          name: "welcome",
          owner_id: "ada",
          description: "the invoices of May",
          tags: ["urgent", "Mail"],
        }),
        twice: await add(here, { tags: ["Urgent", "printing", "URGENT"], ...finished }),
        deleted: await add(here, { tags: ["mail"], deleted_at: new Date(), ...finished }),
        foreign: await add(there, { due_at: new Date(), tags: ["Urgent"] }),
      };
    });
    const rows = <T>(text: string) => withClient(filled.url, async (client) => (await client.query(text)).rows as T[]);
    const tagsOfTasks = () =>
      rows<{ id: string; tags: string[] }>("select id, tags from task where tags is not null order by id");

    expect(next()).toStartWith("20261122000002");
    await migrate(options);
    expect(
      await rows(`
        select p.name as project, g.key, lower(g.name) as name, g.used + (select sum(d.used)::int from tag_delta d where d.tag_id = g.id) as used
        from tag g join project p on p.id = g.project_id order by p.name, g.key`),
    ).toEqual([
      { project: "default", key: "mail", name: "mail", used: "1" },
      { project: "default", key: "printing", name: "printing", used: "1" },
      { project: "default", key: "urgent", name: "urgent", used: "2" },
      { project: "other", key: "urgent", name: "urgent", used: "1" },
    ]);
    expect(
      await rows(`
        select x.task_id as id, array_agg(g.key order by x.position) as tags, bool_or(x.hidden) as hidden
        from task_tag x join tag g on g.id = x.tag_id group by x.task_id order by x.task_id`),
    ).toEqual([
      { id: ids.owned, tags: ["urgent", "mail"], hidden: false },
      { id: ids.twice, tags: ["urgent", "printing"], hidden: false },
      { id: ids.deleted, tags: ["mail"], hidden: true },
      { id: ids.foreign, tags: ["urgent"], hidden: false },
    ]);
    expect(
      await rows(`
        select c.id, p.name as project, c.name, c.hidden, c.owner_id, c.outcome, c.due_at is not null as due,
          c.words @@ to_tsquery('english', 'welcome & invoice') as found
        from task_catalogue c join project p on p.id = c.project_id order by c.id`),
    ).toEqual([
      {
        id: ids.owned,
        hidden: false,
        project: "default",
        name: "welcome",
        owner_id: "ada",
        outcome: null,
        due: false,
        found: true,
      },
      {
        id: ids.twice,
        hidden: false,
        project: "default",
        name: null,
        owner_id: null,
        outcome: "completed",
        due: false,
        found: false,
      },
      {
        id: ids.deleted,
        hidden: true,
        project: "default",
        name: null,
        owner_id: null,
        outcome: "completed",
        due: false,
        found: false,
      },
      {
        id: ids.foreign,
        hidden: false,
        project: "other",
        name: null,
        owner_id: null,
        outcome: null,
        due: true,
        found: false,
      },
    ]);
    expect(await rows("select id from task where not catalogued")).toEqual([{ id: ids.plain }]);
    expect(await tagsOfTasks()).toEqual([]);

    expect((await rollback(options))?.file).toStartWith("20261122000002");
    const back = (await tagsOfTasks()).map(({ id, tags }) => ({ id, tags: tags.map((tag) => tag.toLowerCase()) }));
    expect(back).toEqual([
      { id: ids.owned, tags: ["urgent", "mail"] },
      { id: ids.twice, tags: ["urgent", "printing"] },
      { id: ids.deleted, tags: ["mail"] },
      { id: ids.foreign, tags: ["urgent"] },
    ]);
    expect(await rows("select description, owner_id from task where owner_id is not null")).toEqual([
      { description: "the invoices of May", owner_id: "ada" },
    ]);
    // And what came down goes up again.
    await migrate(options);
    expect(await rows("select count(*)::int as tags from task_tag")).toEqual([{ tags: 6 }]);
  });
});

test("every table and every index beside primary keys says what it is for", async () => {
  const silent = await withClient(whole.url, async (client) => {
    const { rows } = await client.query<{ name: string }>(`
      select c.relname as name from pg_class c left join pg_index i on i.indexrelid = c.oid
      where c.relnamespace = 'public'::regnamespace and not c.relispartition and c.relname <> 'schema_migrations'
        and (c.relkind in ('r', 'p', 'v') or (c.relkind in ('i', 'I') and not i.indisunique))
        and obj_description(c.oid, 'pg_class') is null`);
    return rows.map(({ name }) => name);
  });
  expect(silent).toEqual([]);
});
