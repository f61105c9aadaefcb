/** The tables of people are as better-auth defines them: its own comparison with the migrated database finds nothing to do. */
import { expect, test } from "bun:test";
import { getMigrations } from "better-auth/db/migration";
import pg from "pg";
import { testDatabase, withClient } from "../support/postgres.ts";

const database = testDatabase();

/** What better-auth would still do to the database. */
async function wanted() {
  const pool = new pg.Pool({ connectionString: database.url });
  try {
    const found = await getMigrations({ database: pool, emailAndPassword: { enabled: true } });
    const { toBeCreated, toBeAdded, toBeAddedIndexes, schemaProblems } = found;
    return { toBeCreated, toBeAdded, toBeAddedIndexes, schemaProblems, sql: await found.compileMigrations() };
  } finally {
    await pool.end();
  }
}

test("better-auth finds nothing to add to the migrated database, and nothing wrong with it", async () => {
  expect(await wanted()).toEqual({
    toBeCreated: [],
    toBeAdded: [],
    toBeAddedIndexes: [],
    schemaProblems: [],
    sql: ";",
  });
});

test("better-auth would see a column that is missing", async () => {
  await withClient(database.url, (client) => client.query('alter table session drop column "userAgent"'));
  expect((await wanted()).toBeAdded.map(({ table, fields }) => [table, Object.keys(fields)])).toEqual([
    ["session", ["userAgent"]],
  ]);
});
