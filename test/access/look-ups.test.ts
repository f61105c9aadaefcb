/** Who calls is found out beside what callers have the database do, not behind it. */
import { expect, test } from "bun:test";
import { withClient } from "../support/postgres.ts";
import { refusal } from "../support/service.ts";
import { until } from "../support/until.ts";
import { guardedService } from "./stage.ts";

const service = guardedService({ POOL_SIZE: "1", ACQUIRE_TIMEOUT_SECONDS: "1" });

test("a key is let in, and another one ended, while a call holds the connection of all others", async () => {
  const [busy, fresh, revoked] = await Promise.all(
    ["busy", "fresh", "revoked"].map((name) => service.makeKey({ name, scopes: ["task:enqueue", "task:work"] })),
  );
  await service.call("task.enqueue", { queue: "mail" }, revoked!.key);
  await service.call("task.enqueue", { queue: "mail" }, busy!.key);
  await withClient(service.databaseUrl, async (client) => {
    await client.query("begin");
    await client.query("lock table task in access exclusive mode");
    const held = service.call("task.enqueue", { queue: "mail" }, busy!.key);
    await until("it holds the connection", async () => {
      const { rows } = await client.query("select 1 from pg_locks where relation = 'task'::regclass and not granted");
      return rows.length > 0;
    });
    await service.call("rpc.discover" as never, {} as never, fresh!.key);
    await service.call("apiKey.revoke", { id: revoked!.id });
    expect(await refusal(service.call("rpc.discover" as never, {} as never, revoked!.key))).toEqual({
      type: "unauthenticated",
    });
    await client.query("rollback");
    await held;
  });
});
