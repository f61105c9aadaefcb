/** Sessions and verifications that have run out are removed by the service itself. */
import { expect, test } from "bun:test";
import { sharedSecret } from "../../src/people/secret.ts";
import { openPools } from "../support/pools.ts";
import { testDatabase, withClient } from "../support/postgres.ts";
import { startInstance } from "../support/service.ts";
import { until } from "../support/until.ts";

const database = testDatabase();

test("what has run out goes, the rest stays", async () => {
  await withClient(database.url, async (client) => {
    await client.query(
      `insert into "user" (id, name, email, "emailVerified") values ('u', 'a', 'a@example.com', false)`,
    );
    // More than a batch.
    await client.query(`
      insert into session (id, token, "userId", "updatedAt", "expiresAt")
      select i, 't' || i, 'u', now(), now() + make_interval(hours => case when i <= 2500 then -1 else 1 end) from generate_series(1, 2503) i`);
    await client.query(`
      insert into verification (id, identifier, value, "expiresAt")
      select i, 'i', 'v', now() + make_interval(hours => case when i <= 1200 then -1 else 1 end) from generate_series(1, 1202) i`);
    const service = await startInstance(database.url);
    try {
      const left = async (table: string) => (await client.query(`select from ${table}`)).rowCount;
      await until("old sessions are gone", async () => (await left("session")) === 3);
      await until("old verifications are gone", async () => (await left("verification")) === 2);
    } finally {
      await service.stop();
    }
  });
});

test("a person's sessions and accounts go with the person", async () => {
  await withClient(database.url, async (client) => {
    await client.query(
      `insert into account (id, "accountId", "providerId", "userId", "updatedAt") values ('a', 'u', 'credential', 'u', now())`,
    );
    await client.query(`delete from "user" where id = 'u'`);
    const { rows } = await client.query(
      "select (select count(*)::int from session) as sessions, (select count(*)::int from account) as accounts",
    );
    expect(rows).toEqual([{ sessions: 0, accounts: 0 }]);
  });
});

test("instances that start at once agree on one secret", async () => {
  await withClient(database.url, (client) => client.query("delete from auth_secret"));
  const { hot, cold } = await openPools(database.url, { hot: 1, cold: 8 });
  try {
    const secrets = await Promise.all(Array.from({ length: 8 }, () => sharedSecret(cold)));
    expect(new Set(secrets).size).toBe(1);
    expect(secrets[0]!.length).toBeGreaterThanOrEqual(32);
  } finally {
    await hot.end();
    await cold.end();
  }
});

test("there is one secret at most, and not a short one", async () => {
  await withClient(database.url, async (client) => {
    const insert = (one: boolean, secret: string) =>
      client.query("insert into auth_secret (one, secret) values ($1, $2)", [one, secret]);
    await client.query("delete from auth_secret");
    await insert(true, "x".repeat(32));
    await expect(insert(true, "y".repeat(32))).rejects.toMatchObject({ constraint: "auth_secret_pkey" });
    await expect(insert(false, "y".repeat(32))).rejects.toMatchObject({ constraint: "auth_secret_one" });
    await client.query("delete from auth_secret");
    await expect(insert(true, "x".repeat(31))).rejects.toMatchObject({ constraint: "auth_secret_length" });
  });
});
