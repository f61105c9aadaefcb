/** What one key has the database do leaves connections for others. */
import { expect, test } from "bun:test";
import { withClient } from "../support/postgres.ts";
import { guardedService } from "./stage.ts";

const service = guardedService({});

test("lists that take for ever leave another key's calls alone", async () => {
  const [one, other] = await Promise.all(
    ["one", "other"].map((name) => service.makeKey({ name, scopes: ["task:read", "queue:read"] })),
  );
  await withClient(service.databaseUrl, async (client) => {
    await client.query("begin; lock table tag in access exclusive mode");
    const stuck = Array.from({ length: 5 }, () => service.call("tag.list", {}, one!.key));
    expect(await service.call("category.list", {}, other!.key)).toEqual({ categories: [], nextCursor: null });
    expect(await service.call("queue.stats", {}, other!.key)).toEqual({ queues: [] });
    await client.query("rollback");
    for (const { tags } of await Promise.all(stuck)) expect(tags).toEqual([]);
  });
});
