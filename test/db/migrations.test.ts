/** The project's own migrations: they go up, down and up again, and leave the same schema. */
import { expect, test } from "bun:test";
import { migrate, rollback } from "../../src/db/migrate.ts";
import { createLogger } from "../../src/lib/log.ts";
import { emptyDatabase, MIGRATIONS_DIR, withClient } from "../support/postgres.ts";

const database = emptyDatabase();

/** Tables, columns, constraints, indexes, functions, types and comments, in words. */
const SCHEMA = `
  select 'column ' || format('%s.%s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
      pg_get_expr(d.adbin, d.adrelid)) as line
    from pg_attribute a join pg_class c on c.oid = a.attrelid left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v') and a.attnum > 0
  union all select 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace
  union all select 'index ' || pg_get_indexdef(c.oid) from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('i', 'I')
  union all select 'function ' || pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace
  union all select 'type ' || typname from pg_type where typnamespace = 'public'::regnamespace and typtype = 'e'
  union all select 'options ' || relname || ' ' || array_to_string(reloptions, ',') from pg_class where reloptions is not null and relnamespace = 'public'::regnamespace
  order by 1`;

const schema = () =>
  withClient(database.url, async (client) =>
    (await client.query<{ line: string }>(SCHEMA)).rows.map(({ line }) => line),
  );

test("up, all the way down, and up again gives the same schema", async () => {
  const options = { url: database.url, migrationsDir: MIGRATIONS_DIR, log: createLogger({ level: "error" }) };
  const applied = await migrate(options);
  expect(applied.length).toBeGreaterThan(1);
  const first = await schema();
  expect(first.some((line) => line.startsWith("column task_ready.run_at"))).toBe(true);
  for (const _ of applied) expect(await rollback(options)).not.toBeNull();
  expect((await schema()).filter((line) => !line.includes("schema_migrations"))).toEqual([]);
  expect(await rollback(options)).toBeNull();
  await migrate(options);
  expect(await schema()).toEqual(first);
});

test("every table and every index beside primary keys says what it is for", async () => {
  const silent = await withClient(database.url, async (client) => {
    const { rows } = await client.query<{ name: string }>(`
      select c.relname as name from pg_class c left join pg_index i on i.indexrelid = c.oid
      where c.relnamespace = 'public'::regnamespace and not c.relispartition and c.relname <> 'schema_migrations'
        and (c.relkind in ('r', 'p', 'v') or (c.relkind in ('i', 'I') and not i.indisunique))
        and obj_description(c.oid, 'pg_class') is null`);
    return rows.map(({ name }) => name);
  });
  expect(silent).toEqual([]);
});
