/**
 * The service dies by SIGKILL between the commit of a batch and its answers. Nobody was told anything, so everybody repeats
 * the call: each has one effect.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { testDatabase, withClient } from "../support/postgres.ts";
import { rpc, spawnService } from "../support/service.ts";
import { socketRpc } from "../support/socket.ts";
import { until } from "../support/until.ts";
import { startWireProxy, type WireProxy } from "../support/wire-proxy.ts";

setDefaultTimeout(120_000);

const CALLERS = 60;
/** The end of a transaction, and the statement that is one by itself. */
const COMMITTING = /commit|enqueue_plain_tasks_once/i;
const database = testDatabase();

type Method = keyof Contract;
interface Named<M extends Method> {
  readonly method: M;
  readonly params: Contract[M]["params"];
}

/** The same calls by as many callers, over both transports in turn. */
const callAll = <M extends Method>(url: string, calls: readonly Named<M>[]) =>
  calls.map(({ method, params }, at) => (at % 2 === 0 ? rpc : socketRpc)(url, method, params));

const countOf = (text: string) =>
  withClient(database.url, async (client) => Number((await client.query(text)).rows[0].count));

/** A service whose database answers no commit from the moment on that the test says so. */
async function serviceBehindProxy(): Promise<{ service: Awaited<ReturnType<typeof spawnService>>; proxy: WireProxy }> {
  const direct = new URL(database.url);
  const proxy = await startWireProxy({ host: direct.hostname, port: Number(direct.port) });
  direct.port = String(proxy.port);
  // Without limits on statements, whose setting would end the silence.
  return { service: await spawnService({ DATABASE_URL: direct.toString(), LISTEN_DATABASE_URL: database.url }), proxy };
}

/** Makes calls whose answers never come because the service is killed, and makes them again on another. */
async function repeatAfterKill<M extends Method>(
  prepare: (url: string) => Promise<readonly Named<M>[]>,
  committed: () => Promise<boolean>,
): Promise<{ first: PromiseSettledResult<unknown>[]; second: Contract[M]["result"][]; url: string }> {
  const { service, proxy } = await serviceBehindProxy();
  const calls = await prepare(service.url);
  proxy.swallow = COMMITTING;
  const first = Promise.allSettled(callAll(service.url, calls));
  await until("a batch has committed", committed);
  service.kill("SIGKILL");
  await service.ended;
  const unanswered = await first;
  await proxy.close();
  const next = await spawnService({ DATABASE_URL: database.url });
  database.atEnd(() => next.stop());
  const second = (await Promise.all(callAll(next.url, calls))) as Contract[M]["result"][];
  return { first: unanswered, second, url: next.url };
}

test("enqueue: every caller's repeat is answered with one task of its own, those that were committed with the same", async () => {
  let committed: string[] = [];
  const { first, second } = await repeatAfterKill<"task.enqueue">(
    async (url) => {
      await rpc(url, "queue.create", { name: "lost-enqueue" });
      return Array.from({ length: CALLERS }, (_, n) => ({
        method: "task.enqueue",
        params: { queue: "lost-enqueue", payload: { n }, requestId: `enqueue ${n}` },
      }));
    },
    async () => {
      committed = await withClient(database.url, async (client) =>
        (await client.query("select id from task where payload ? 'n'")).rows.map(({ id }) => id),
      );
      return committed.length > 1;
    },
  );
  expect(first.every(({ status }) => status === "rejected")).toBe(true);
  const ids = second.map(({ id }) => id);
  expect(new Set(ids).size).toBe(CALLERS);
  expect(await countOf("select count(*) from task where payload ? 'n'")).toBe(CALLERS);
  expect(committed.filter((id) => !ids.includes(id))).toEqual([]);
  const payloads = await withClient(
    database.url,
    async (client) =>
      new Map((await client.query("select id, payload from task")).rows.map(({ id, payload }) => [id, payload.n])),
  );
  // Each caller's own: not that of another one of its batch.
  expect(ids.map((id) => payloads.get(id))).toEqual(ids.map((_, n) => n));
});

test("complete: every caller's repeat is told that its task is completed, and each was completed once", async () => {
  const { second } = await repeatAfterKill<"task.complete">(
    async (url) => {
      await rpc(url, "task.enqueueMany", {
        queue: "lost-complete",
        tasks: Array.from({ length: CALLERS }, () => ({})),
      });
      const { tasks } = await rpc(url, "task.claim", { queue: "lost-complete", limit: CALLERS, leaseSeconds: 600 });
      return tasks.map(({ receipt }, n) => ({
        method: "task.complete",
        params: { receipt, result: { n }, requestId: `complete ${n}` },
      }));
    },
    async () => (await countOf("select count(*) from task where result ? 'n'")) > 1,
  );
  expect(second.map(({ state }) => state)).toEqual(Array.from({ length: CALLERS }, () => "completed"));
  expect(await countOf("select count(*) from task where result ? 'n' and outcome = 'completed'")).toBe(CALLERS);
  expect(await countOf("select count(distinct result ->> 'n') from task where result ? 'n'")).toBe(CALLERS);
  expect(
    await countOf(
      "select coalesce(sum(completed), 0) as count from (select completed from queue_delta union all select completed from queue_total) c",
    ),
  ).toBe(CALLERS);
});

test("claim: every caller's repeat is handed the tasks that were claimed for it, and no task goes to two", async () => {
  const { second } = await repeatAfterKill<"task.claim">(
    async (url) => {
      const tasks = Array.from({ length: 2 * CALLERS }, () => ({}));
      await rpc(url, "task.enqueueMany", { queue: "lost-claim", tasks });
      return Array.from({ length: CALLERS }, (_, n) => ({
        method: "task.claim",
        params: { queue: "lost-claim", limit: 2, leaseSeconds: 600, worker: `w${n}`, requestId: `claim ${n}` },
      }));
    },
    async () => (await countOf("select count(*) from task_lease where worker like 'w%'")) > 2,
  );
  const claimed = second.flatMap(({ tasks }) => tasks.map(({ id }) => id));
  expect(claimed).toHaveLength(2 * CALLERS);
  expect(new Set(claimed).size).toBe(2 * CALLERS);
  const workers = await withClient(
    database.url,
    async (client) =>
      new Map((await client.query("select id, worker from task_lease")).rows.map(({ id, worker }) => [id, worker])),
  );
  for (const [n, { tasks }] of second.entries()) for (const { id } of tasks) expect(workers.get(id)).toBe(`w${n}`);
});
