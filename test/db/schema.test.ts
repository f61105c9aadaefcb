import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { migrate, rollback } from "../../src/db/migrate.ts";
import { createLogger } from "../../src/lib/log.ts";
import { emptyDatabase, MIGRATIONS_DIR, testDatabase, withClient } from "../support/postgres.ts";

const migrated = testDatabase();
const loaded = emptyDatabase();
const stepped = emptyDatabase();
const log = createLogger({ level: "warn" });

/**
 * Everything that makes a schema, one line each, from the server's own catalogue and in its own words. Partitions that were
 * made for certain days are left out, as from db/schema.sql, and so is the order of columns.
 */
const CATALOGUE = String.raw`
  with own as (
    select c.* from pg_class c
    where c.relnamespace = 'public'::regnamespace and not (c.relispartition and c.relname ~ '\d{6,8}(_|$)'))
  select format('column %s.%s %s%s default %s # %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
      case when a.attnotnull then ' not null' end || case when a.attidentity <> '' then ' identity' else '' end,
      pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)) as line
    from own c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relkind in ('r', 'p', 'v', 'm')
  union all select format('%s %s %s # %s', c.relkind, c.relname, c.reloptions, obj_description(c.oid)) from own c
  union all select format('index %s', pg_get_indexdef(c.oid)) from own c where c.relkind in ('i', 'I')
  union all select format('view %s %s', c.relname, pg_get_viewdef(c.oid)) from own c where c.relkind in ('v', 'm')
  union all select format('constraint %s %s %s', c.relname, k.conname, pg_get_constraintdef(k.oid))
    from own c join pg_constraint k on k.conrelid = c.oid where k.contype <> 'n'
  union all select format('trigger %s', pg_get_triggerdef(t.oid))
    from own c join pg_trigger t on t.tgrelid = c.oid where not t.tgisinternal
  union all select format('function %s # %s', pg_get_functiondef(p.oid), obj_description(p.oid))
    from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prokind in ('f', 'p')
  union all select format('type %s %s', t.typname, (select array_agg(e.enumlabel order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid))
    from pg_type t where t.typnamespace = 'public'::regnamespace and t.typtype in ('e', 'd')
  union all select format('extension %s', extname) from pg_extension
  order by line`;

async function catalogue(url: string): Promise<string[]> {
  return await withClient(url, async (client) => {
    const { rows } = await client.query<{ line: string }>(CATALOGUE);
    return rows.map(({ line }) => line);
  });
}

describe("the schema", () => {
  test("in db/schema.sql, which another PostgreSQL wrote, is on this server what the migrations make", async () => {
    const text = readFileSync(`${MIGRATIONS_DIR}/../schema.sql`, "utf8");
    await withClient(loaded.url, (client) => client.query(text));
    const lines = await catalogue(migrated.url);
    expect(lines.length).toBeGreaterThan(20);
    expect(await catalogue(loaded.url)).toEqual(lines);
  });

  test("is gone when every migration is taken back, and the same when they are applied again", async () => {
    const options = { url: stepped.url, migrationsDir: MIGRATIONS_DIR, log };
    const empty = await catalogue(stepped.url);
    await migrate(options);
    while ((await rollback(options)) !== null);
    expect((await catalogue(stepped.url)).filter((line) => !line.includes("schema_migrations"))).toEqual(empty);
    await migrate(options);
    expect(await catalogue(stepped.url)).toEqual(await catalogue(migrated.url));
  });
});
