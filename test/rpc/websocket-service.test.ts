/** The whole service over WebSockets: engine and database behind them, and a client's library before. */
import { expect, test } from "bun:test";
import { rawRpc, refusal, rpc, spawnService, startInstance, testService } from "../support/service.ts";
import { type RpcSocket, rpcSocket, socketRpc } from "../support/socket.ts";
import { until } from "../support/until.ts";
import { failure, request } from "./stub-service.ts";

/** What a full batch comes to. */
const CALLS_MAX = 100;

const service = testService({ SOCKET_CALLS_MAX: String(CALLS_MAX), SOCKETS_MAX: "4" });

const metric = async (name: string, url = service.url): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
};

/** Runs a test's work on a connection of its own, which is gone afterwards, calls and all. */
async function onSocket(work: (socket: RpcSocket) => Promise<void>, url = service.url): Promise<void> {
  const socket = await rpcSocket(url);
  try {
    await work(socket);
  } finally {
    socket.close();
    await socket.closed;
    await until("its calls have ended", async () => (await metric("opensqs_rpc_in_flight")) === 0);
  }
}

test("a task's life over one connection", () =>
  onSocket(async ({ call }) => {
    const payload = { text: "日本語", list: [1, null] };
    const { id } = await call("task.enqueue", { queue: "life", payload, requestId: "once" });
    expect(await call("task.enqueue", { queue: "life", payload, requestId: "once" })).toMatchObject({ id });
    const { tasks } = await call("task.claim", { queue: "life", worker: "w" });
    expect(tasks).toMatchObject([{ id, payload, attempt: 1 }]);
    const { receipt } = tasks[0]!;
    expect(await call("task.complete", { receipt, result: [true] })).toEqual({ id, state: "completed" });
    expect(await refusal(call("task.release", { receipt }))).toEqual({ type: "lease_lost", state: "completed" });
    expect(await rpc(service.url, "task.get", { id })).toMatchObject({ state: "completed", result: [true] });
  }));

test("a claim that waits holds up nothing behind it, not even the enqueue that it waits for", () =>
  onSocket(async (socket) => {
    socket.send(request("task.claim", { queue: "order", waitSeconds: 60 }, "claim"));
    socket.send(request("task.enqueue", { queue: "other" }, "before"));
    expect(await socket.next()).toMatchObject({ id: "before", result: { state: "pending" } });
    socket.send(request("task.enqueue", { queue: "order" }, "enqueue"));
    const answers = [await socket.next(), await socket.next()] as { id: string; result: { id: string } }[];
    const enqueued = answers.find(({ id }) => id === "enqueue")!.result;
    expect(answers.find(({ id }) => id === "claim")!.result).toMatchObject({ tasks: [{ id: enqueued.id }] });
  }));

test("a claim whose connection has closed takes nothing", async () => {
  await onSocket(async ({ call }) => {
    call("task.claim", { queue: "gone", waitSeconds: 60, worker: "gone" }).catch(() => {});
    await until("it has looked", async () =>
      (await service.call("worker.list", {})).workers.some((w) => w.id === "gone"),
    );
  });
  const { id } = await service.call("task.enqueue", { queue: "gone" });
  const { tasks } = await service.call("task.claim", { queue: "gone" });
  expect(tasks).toMatchObject([{ id, attempt: 1 }]);
});

test("a batch is answered in its order, notifications aside", () =>
  onSocket(async (socket) => {
    const enqueue = (id: number) => request("task.enqueue", { queue: "batch", payload: { id } }, id);
    const { id: _, ...notification } = enqueue(0);
    socket.send([enqueue(1), notification, request("absent", {}, 2), enqueue(3)]);
    expect(await socket.next()).toMatchObject([
      { id: 1, result: { state: "pending" } },
      failure(-32601, "method_not_found", 2),
      { id: 3, result: { state: "pending" } },
    ]);
    expect(await service.call("queue.stats", { name: "batch" })).toMatchObject({ pending: 3 });
  }));

test("SOCKET_CALLS_MAX bounds the calls of a connection, and of this one only", () =>
  onSocket(async (socket) => {
    const claim = (id: number) => request("task.claim", { queue: "full", waitSeconds: 60 }, id);
    socket.send(Array.from({ length: CALLS_MAX }, (_, id) => claim(id)));
    expect(await refusal(socket.call("task.enqueue", { queue: "full" }))).toEqual({
      type: "overloaded",
      retryAfterSeconds: 1,
    });
    const other = await rpcSocket(service.url);
    expect(await other.call("task.enqueue", { queue: "beside" })).toMatchObject({ state: "pending" });
    other.close();
    // The refused enqueue was not begun.
    expect((await service.call("queue.list", {})).queues.map(({ name }) => name)).not.toContain("full");
  }));

test("SOCKETS_MAX bounds the connections, /metrics counts them, and HTTP goes on", async () => {
  await until("all others have gone", async () => (await metric("opensqs_sockets")) === 0);
  const sockets = await Promise.all(Array.from({ length: 4 }, () => rpcSocket(service.url)));
  expect(await metric("opensqs_sockets")).toBe(4);
  await expect(rpcSocket(service.url)).rejects.toThrow();
  expect(await service.call("task.enqueue", { queue: "http" })).toMatchObject({ state: "pending" });
  for (const socket of sockets) socket.close();
  const next = await until("there is room", () => rpcSocket(service.url).catch(() => null));
  next.close();
});

test("with SOCKETS_MAX=0 there is HTTP only", async () => {
  const httpOnly = await startInstance(service.databaseUrl, { SOCKETS_MAX: "0" });
  await expect(rpcSocket(httpOnly.url)).rejects.toThrow();
  expect(await rawRpc(httpOnly.url, request("admin.health", {}))).toMatchObject({ id: 1, result: {} });
  await httpOnly.stop();
});

test("stopping answers waiting claims, closes with 1001 and leaves nothing claimed", async () => {
  const instance = await spawnService({ DATABASE_URL: service.databaseUrl });
  const [socket, idle] = [await rpcSocket(instance.url), await rpcSocket(instance.url)];
  const claim = socket.call("task.claim", { queue: "stopping", waitSeconds: 60, worker: "stopping" });
  await until("it has looked", async () =>
    (await rpc(instance.url, "worker.list", {})).workers.some(({ id }) => id === "stopping"),
  );
  const ended = instance.stop();
  expect(await claim).toEqual({ tasks: [] });
  for (const { closed } of [socket, idle]) expect(await closed).toMatchObject({ code: 1001 });
  expect(await ended).toBe(0);
  expect(instance.log()).not.toContain("cut off");
  expect((await service.call("admin.verify", {})).violations).toEqual([]);
});

test("the tests' own stand-in for `rpc` calls over WebSockets and hangs up when it is told to", async () => {
  const instance = await startInstance(service.databaseUrl);
  const { id } = await socketRpc(instance.url, "task.enqueue", { queue: "shared" });
  expect(await socketRpc(instance.url, "task.get", { id })).toMatchObject({ state: "pending" });
  expect(await refusal(socketRpc(instance.url, "queue.get", { name: "none" }))).toMatchObject({ type: "not_found" });
  expect(await metric("opensqs_sockets", instance.url)).toBe(1);
  const caller = new AbortController();
  const claim = socketRpc(instance.url, "task.claim", { queue: "hung-up", waitSeconds: 60 }, { signal: caller.signal });
  await until("it is there", async () => (await metric("opensqs_rpc_in_flight", instance.url)) === 1);
  caller.abort();
  await expect(claim).rejects.toThrow("closed");
  await until("it has ended", async () => (await metric("opensqs_rpc_in_flight", instance.url)) === 0);
  expect(await metric("opensqs_sockets", instance.url)).toBe(1);
  await instance.stop();
});
