/** Very many who wait for tasks on two instances, and those whose instance hears of nothing. */
import { beforeAll, expect, test } from "bun:test";
import type { Service } from "../../src/serve.ts";
import { testDatabase, withClient } from "../support/postgres.ts";
import { rpc, startInstance } from "../support/service.ts";
import { type RpcSocket, rpcSocket } from "../support/socket.ts";
import { until } from "../support/until.ts";
import { startWireProxy, type WireProxy } from "../support/wire-proxy.ts";

const POOL_SIZE = 5;
/** Each service's pools, and the connection that listens. */
const CONNECTIONS_MAX = 2 * (POOL_SIZE + 1);
const database = testDatabase();
const services: Service[] = [];
let proxy: WireProxy;

beforeAll(async () => {
  const direct = new URL(database.url);
  proxy = await startWireProxy({ host: direct.hostname, port: Number(direct.port) });
  direct.port = String(proxy.port);
  const env = { POOL_SIZE: String(POOL_SIZE) };
  services.push(await startInstance(database.url, { ...env, LISTEN_DATABASE_URL: direct.toString() }));
  services.push(await startInstance(database.url, env));
  for (const { url } of services) await until("it listens", async () => (await rpc(url, "admin.health", {})).listening);
});
database.atEnd(async () => {
  for (const service of services) await service.stop();
  await proxy.close();
});

const connections = () =>
  withClient(database.url, async (client) => {
    const { rows } = await client.query<{ count: number }>(
      `select count(*)::int as count from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()`,
    );
    return rows[0]!.count;
  });

/** Tasks of a queue, claimed. */
async function claimed(url: string, queue: string, count: number) {
  const tasks = [];
  for (let left = count; left > 0; left -= 500) {
    const some = Array.from({ length: Math.min(left, 500) }, () => ({ queue }));
    await rpc(url, "task.enqueueMany", { tasks: some });
  }
  while (tasks.length < count)
    tasks.push(...(await rpc(url, "task.claim", { queue, limit: 1000, leaseSeconds: 600 })).tasks);
  return tasks;
}

test("three thousand callers of two instances learn of ends on the other one, on a few connections", async () => {
  const count = 1_500;
  const sockets: RpcSocket[] = [];
  const health = async () => await Promise.all(services.map(({ url }) => rpc(url, "admin.health", {})));
  const before = await health();
  let most = 0;
  let answered = 0;
  const waits: Promise<unknown>[] = [];
  const receipts: string[][] = [];
  for (const [at, { url }] of services.entries()) {
    const tasks = await claimed(url, `many-${at}`, count);
    receipts.push(tasks.map(({ receipt }) => receipt));
    const socket = await rpcSocket(url);
    sockets.push(socket);
    for (const { id } of tasks)
      waits.push(
        socket.call("task.wait", { id, waitSeconds: 60 }).then(({ done, task }) => {
          answered++;
          expect({ done, id: task.id, state: task.state }).toEqual({ done: true, id, state: "completed" });
        }),
      );
    // Each is read once before it waits, so that all have begun when a call that came after them has been answered too.
    await socket.call("task.get", { id: tasks.at(-1)!.id });
    most = Math.max(most, await connections());
  }
  expect(answered).toBe(0);
  const shape = (all: typeof before) => all.map((one) => Object.keys(one));
  expect(shape(await health())).toEqual(shape(before));
  expect((await health()).map(({ waitingClaims }) => waitingClaims)).toEqual([0, 0]);
  for (const [at, list] of receipts.entries())
    for (let from = 0; from < count; from += 500) {
      const items = list.slice(from, from + 500).map((receipt) => ({ receipt }));
      await rpc(services[1 - at]!.url, "task.completeMany", { items });
      most = Math.max(most, await connections());
    }
  await Promise.all(waits);
  expect(Math.max(most, await connections())).toBeLessThanOrEqual(CONNECTIONS_MAX);
  for (const socket of sockets) socket.close();
});

test("progress is seen on both instances, whichever it was noted on", async () => {
  const [task] = await claimed(services[0]!.url, "shown", 1);
  const { id, receipt } = task!;
  let known: { percent: number; note: string | null } | null = null;
  for (const [at, percent] of [10, 20, 30, 40].entries()) {
    const waits = services.map(({ url }) => rpc(url, "task.wait", { id, waitSeconds: 60, progress: known }));
    await rpc(services[at % 2]!.url, "task.progress", { receipt, percent, note: `step ${at}` });
    known = { percent, note: `step ${at}` };
    for (const wait of waits) expect(await wait).toMatchObject({ done: false, task: { progress: known } });
  }
  const waits = services.map(({ url }) => rpc(url, "task.wait", { id, waitSeconds: 60, progress: known }));
  await rpc(services[1]!.url, "task.complete", { receipt });
  for (const wait of waits) expect(await wait).toMatchObject({ done: true, task: { progress: known } });
});

test("the instances tell each other who waits and what happens, but nothing that nobody waits for", async () => {
  const heard: string[] = [];
  const queueId = (id: string) => Number.parseInt(id.slice(-8), 16);
  await withClient(database.url, async (client) => {
    client.on("notification", ({ channel, payload }) =>
      heard.push(`${channel} ${payload!.split(" ").slice(1).join(" ")}`),
    );
    for (const channel of ["awaited", "ended", "followed", "progress"]) await client.query(`listen opensqs_${channel}`);
    const [here, there] = services as [Service, Service];
    const unawaited = await claimed(there.url, "unawaited", 1);
    const tasks = await claimed(there.url, "told", 50);
    await rpc(there.url, "task.complete", { receipt: unawaited[0]!.receipt });
    const { id, receipt } = tasks.pop()!;
    const wait = rpc(here.url, "task.wait", { id, waitSeconds: 60, progress: null });
    const queue = queueId(id);
    await until(
      "it is said",
      () => heard.includes(`opensqs_awaited ${queue}`) && heard.includes(`opensqs_followed ${queue}`),
    );
    // The other instance may hear it later than this test.
    await until("an end is told", async () => {
      const other = tasks.pop();
      if (other) await rpc(there.url, "task.complete", { receipt: other.receipt });
      return heard.includes(`opensqs_ended ${queue}`);
    });
    await rpc(there.url, "task.progress", { receipt, percent: 3 });
    await until("progress is told", () => heard.includes(`opensqs_progress ${queue}`));
    expect(await wait).toMatchObject({ done: false, task: { progress: { percent: 3 } } });
    expect(heard.filter((one) => one.endsWith(` ${queueId(unawaited[0]!.id)}`))).toEqual([]);
  });
});

test("what is no progress is refused with the place", async () => {
  const [task] = await claimed(services[0]!.url, "refused", 1);
  const { id, receipt } = task!;
  const { url } = services[0]!;
  for (const [progress, path] of [
    [{ percent: 101 }, "progress.percent"],
    [{ percent: 1, note: "x".repeat(1001) }, "progress.note"],
    [{ note: "x" }, "progress.percent"],
    [{ percent: 1, more: 1 }, "progress.more"],
  ] as const)
    for (const call of [
      () => rpc(url, "task.wait", { id, progress: progress as never }),
      () => rpc(url, "task.extend", { receipts: [receipt], progress: progress as never }),
    ]) {
      const error = await call().catch((error) => error);
      expect(error.data).toMatchObject({ type: "invalid_params", issues: [{ path }] });
    }
  expect(await rpc(url, "task.extend", { receipts: [receipt] })).toMatchObject({ items: [{ progress: null }] });
});

test("callers of an instance that hears of nothing are answered all the same", async () => {
  const [deaf, other] = services as [Service, Service];
  const tasks = await claimed(other.url, "deaf", 3);
  await proxy.close();
  await until("it listens no more", async () => !(await rpc(deaf.url, "admin.health", {})).listening);
  const [ends, goes, gets] = tasks.map(({ id }) => rpc(deaf.url, "task.wait", { id, waitSeconds: 60, progress: null }));
  const gone = goes!.catch((error) => error.data);
  // Who begins to wait looks once more by itself; what comes after the first answer is found by the poll alone.
  await rpc(other.url, "task.complete", { receipt: tasks[0]!.receipt });
  expect(await ends).toMatchObject({ done: true });
  await rpc(other.url, "task.progress", { receipt: tasks[2]!.receipt, percent: 5 });
  expect(await gets).toMatchObject({ done: false, task: { progress: { percent: 5, note: null } } });
  await rpc(other.url, "queue.delete", { name: "deaf", force: true });
  expect(await gone).toMatchObject({ type: "not_found", noun: "task", id: tasks[1]!.id });
});
