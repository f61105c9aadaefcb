import { afterEach, expect, test } from "bun:test";
import { type Client, createClient, isRefusal, Worker } from "../../src/client/index.ts";
import { startInstance, testService } from "../support/service.ts";
import { until } from "../support/until.ts";
import { caught, gate, Heard } from "./support.ts";

/** The client's WebSockets and the service's together; what only a failing service shows is in socket.test.ts. */
const service = testService();
const open: Client[] = [];
afterEach(() => {
  for (const client of open.splice(0)) client.close();
});

/** Over HTTP it could do nothing. */
function socketClient(url = service.url): Client {
  const fetch = () => Promise.reject(new TypeError("This call should not go over HTTP."));
  const client = createClient({ url, transport: "websocket", fetch });
  open.push(client);
  return client;
}

test("calls are answered, refused and waited for", async () => {
  const client = socketClient();
  const queue = "sockets";
  const claim = client.task.claim({ queue, waitSeconds: 60 });
  const { id } = await client.task.enqueue({ queue, name: "n", payload: { text: "Zoë 🐻" } });
  const { tasks } = await claim;
  expect(tasks).toMatchObject([{ id, payload: { text: "Zoë 🐻" } }]);
  await client.task.complete({ receipt: tasks[0]!.receipt, result: [1, 2] });
  expect(await client.task.get({ id })).toMatchObject({ state: "completed", result: [1, 2] });
  const error = await caught(client.task.fail({ receipt: tasks[0]!.receipt, error: { message: "late" } }));
  expect(isRefusal(error, "lease_lost") && error.data.state).toBe("completed");
});

test("hundreds of calls at once each get their own answer", async () => {
  const client = socketClient();
  const added = await Promise.all(
    Array.from({ length: 500 }, (_, n) => client.task.enqueue({ queue: "many", payload: { n } })),
  );
  const tasks = await Promise.all(added.map(({ id }) => client.task.get({ id })));
  expect(tasks.map(({ payload }) => payload.n)).toEqual(Array.from({ length: 500 }, (_, n) => n));
});

test("a claim that is aborted takes nothing, and nothing stays leased to nobody", async () => {
  const client = socketClient();
  const stop = new AbortController();
  const aborted = caught(client.task.claim({ queue: "aborted", waitSeconds: 60 }, { signal: stop.signal }));
  const health = () => service.call("admin.health", {});
  await until("it waits", async () => (await health()).waitingClaims === 1);
  stop.abort("enough");
  expect(await aborted).toBe("enough");
  await until("it waits no more", async () => (await health()).waitingClaims === 0);
  const { id } = await client.task.enqueue({ queue: "aborted" });
  expect((await client.task.claim({ queue: "aborted" })).tasks).toMatchObject([{ id, attempt: 1 }]);
});

test("what an aborted claim gets before its connection can be closed is handed back", async () => {
  const client = socketClient();
  const stop = new AbortController();
  const aborted = caught(client.task.claim({ queue: "late", waitSeconds: 60 }, { signal: stop.signal }));
  const other = client.task.claim({ queue: "elsewhere", waitSeconds: 60 });
  await until("both wait", async () => (await service.call("admin.health", {})).waitingClaims === 2);
  stop.abort();
  await aborted;
  const { id } = await service.call("task.enqueue", { queue: "late" });
  const claimed = await until("it comes back", async () => {
    const { tasks } = await service.call("task.claim", { queue: "late", waitSeconds: 1 });
    return tasks[0];
  });
  expect(claimed).toMatchObject({ id, attempt: 1 });
  await service.call("task.enqueue", { queue: "elsewhere" });
  expect((await other).tasks).toHaveLength(1);
});

test("a service that stops answers what runs; the client goes on with the next one", async () => {
  const first = await startInstance(service.databaseUrl);
  const client = createClient({ url: first.url, transport: "websocket", retry: { maxSeconds: 0.1 } });
  open.push(client);
  const claim = client.task.claim({ queue: "stopping", waitSeconds: 60 });
  await until("it waits", async () => (await client.admin.health()).waitingClaims > 0);
  await first.stop();
  expect(await claim).toEqual({ tasks: [] });
  const enqueued = client.task.enqueue({ queue: "stopping" });
  const second = await startInstance(service.databaseUrl, { PORT: new URL(first.url).port });
  await enqueued;
  await second.stop();
});

test("a worker works over its own connection, and closes it", async () => {
  const heard = new Heard();
  const end = gate();
  const worker = new Worker({
    client: socketClient(),
    queue: "worked",
    prefetch: 50,
    handle: async (_task, { progress }) => {
      await progress(50);
      await end.promise;
    },
    onEvent: heard.listen,
  }).start();
  await service.call("task.enqueueMany", { queue: "worked", tasks: Array.from({ length: 30 }, () => ({})) });
  await until("ten are begun", () => heard.of("started").length === 10);
  end.resolve();
  await until("all are completed", () => heard.of("completed").length === 30);
  await worker.stop();
  expect(heard.of("trouble")).toEqual([]);
  expect(await service.call("queue.stats", { name: "worked" })).toMatchObject({ completed: 30, claimed: 0 });
  await until("no claim waits", async () => (await service.call("admin.health", {})).waitingClaims === 0);
});
