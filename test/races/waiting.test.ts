/** Claims that wait: those who hang up, and very many of them. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { connect } from "node:net";
import pg from "pg";
import { testService } from "../support/service.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);
const POOL_SIZE = 6;
const service = testService({ POOL_SIZE: String(POOL_SIZE) });
const waitingClaims = async () => (await service.call("admin.health", {})).waitingClaims;

test("a caller that hangs up claims nothing, and the next one gets the task at once", async () => {
  const { port } = new URL(service.url);
  const body = JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "task.claim",
    params: { queue: "left", waitSeconds: 60 },
  });
  const socket = connect(Number(port), "127.0.0.1");
  socket.on("error", () => {});
  socket.write(
    `POST /rpc HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await until("the claim waits", async () => (await waitingClaims()) === 1);
  const next = service.call("task.claim", { queue: "left", waitSeconds: 30 });
  await until("both wait", async () => (await waitingClaims()) === 2);
  socket.destroy();
  await until("the caller is known to have gone", async () => (await waitingClaims()) === 1);
  const { id } = await service.call("task.enqueue", { queue: "left" });
  expect((await next).tasks).toMatchObject([{ id, attempt: 1 }]);
});

test("two hundred waiting claims get a task each, first come first served, on a few connections", async () => {
  // Fewer than the 256 requests that fetch sends at a time.
  const count = 200;
  const order: number[] = [];
  const claims = [];
  for (let n = 0; n < count; n++) {
    claims.push(
      service.call("task.claim", { queue: "many", waitSeconds: 60, worker: `w${n}` }).then(({ tasks }) => {
        order.push(n);
        return tasks;
      }),
    );
    // One after the other, so that the order of coming is known.
    if (n % 50 === 49) await until(`${n + 1} claims wait`, async () => (await waitingClaims()) === n + 1);
  }
  const client = new pg.Client({ connectionString: service.databaseUrl });
  await client.connect();
  const { rows } = await client.query(
    "select count(*)::int as n from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
  );
  await client.end();
  // The pools, and the connection for LISTEN.
  expect(rows[0].n).toBeLessThanOrEqual(POOL_SIZE + 1);

  const first = await service.call("task.enqueueMany", {
    queue: "many",
    tasks: Array.from({ length: 50 }, () => ({})),
  });
  await until("fifty are served", () => order.length === 50);
  expect(Math.max(...order)).toBeLessThan(50);
  const rest = await service.call("task.enqueueMany", {
    queue: "many",
    tasks: Array.from({ length: count - 50 }, () => ({})),
  });
  const got = (await Promise.all(claims)).flat().map((task) => task.id);
  expect(got.sort()).toEqual([...first.tasks, ...rest.tasks].map((task) => task.id).sort());
});
