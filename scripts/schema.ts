/**
 * Writes db/schema.sql: what all migrations together make. With --check it writes nothing and fails if the file is stale.
 *
 * The embedded PostgreSQL brings no pg_dump, and one from the system may be older than the server. PGlite is the same major
 * version, brings its own, and needs no server to run; test/db/schema.test.ts proves that the file, loaded into the real
 * server, gives what the migrations give there.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { pgDump } from "@electric-sql/pglite-tools/pg_dump";
import { listMigrations, type Migration } from "../src/db/migrations.ts";

const ROOT = join(import.meta.dir, "..");
const MIGRATIONS = join(ROOT, "db/migrations");
const TARGET = join(ROOT, "db/schema.sql");

/** As dbmate makes it. */
const VERSIONS_TABLE = "create table schema_migrations (version varchar not null primary key)";

async function makeSchema(migrations: readonly Migration[]): Promise<string> {
  const pg = await PGlite.create();
  await pg.exec(VERSIONS_TABLE);
  for (const { file } of migrations) {
    await pg.exec(upSection(readFileSync(join(MIGRATIONS, file), "utf8"))).catch((error: unknown) => {
      throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`);
    });
  }
  const dated = await datedPartitions(pg);
  const args = ["--schema-only", "--no-owner", "--no-privileges", ...dated.map((name) => `--exclude-table=${name}`)];
  const dump = await (await pgDump({ pg, args })).text();
  await pg.close();
  return clean(dump, migrations);
}

/** The part of a migration's text that applies it. */
function upSection(text: string): string {
  return /^-- migrate:up[^\n]*\n(.*?)(?=^-- migrate:down|$(?![\s\S]))/ms.exec(text)?.[1] ?? "";
}

/** Partitions made for certain days would make the file another one every day. */
async function datedPartitions(pg: PGlite): Promise<string[]> {
  const { rows } = await pg.query<{ name: string }>(
    String.raw`select relname as name from pg_class where relispartition and relkind in ('r', 'p') and relname ~ '\d{6,8}$'`,
  );
  return rows.map((row) => row.name);
}

/** Takes out what changes with the version of pg_dump, and what PostgreSQL 15 and 16 do not know. */
function clean(dump: string, migrations: readonly Migration[]): string {
  const body = dump
    .replaceAll("\r\n", "\n")
    .replace(/^-- Dumped (from|by) .*\n/gm, "")
    .replace(/^SET transaction_timeout = 0;\n/m, "")
    .replace(/^--\n-- PostgreSQL database dump( complete)?\n--\n/gm, "")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
  const versions = migrations.map(({ version }) => `    ('${version}')`).join(",\n");
  return [
    "-- Made by `make schema` from db/migrations. Not to be edited, and not what is run: for reading, and for `dbmate load`.",
    body,
    `INSERT INTO public.schema_migrations (version) VALUES\n${versions};`,
    "",
  ]
    .join("\n\n")
    .replace(/\n+$/, "\n");
}

/** The first line that differs, with the one before it. */
function firstDifference(old: string, fresh: string): string {
  const [is, should] = [old.split("\n"), fresh.split("\n")];
  const at = should.findIndex((line, index) => line !== is[index]);
  const line = at < 0 ? should.length : at;
  return `line ${line + 1}:\n- ${is[line] ?? "(end of file)"}\n+ ${should[line] ?? "(end of file)"}`;
}

const fresh = await makeSchema(await listMigrations(MIGRATIONS));
const old = existsSync(TARGET) ? readFileSync(TARGET, "utf8") : "";
if (!process.argv.includes("--check")) {
  writeFileSync(TARGET, fresh);
  console.log(old === fresh ? "db/schema.sql was up to date." : "db/schema.sql is written.");
} else if (old !== fresh) {
  console.error(`db/schema.sql is stale: run \`make schema\`. First difference, ${firstDifference(old, fresh)}`);
  process.exit(1);
}
