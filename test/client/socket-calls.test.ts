import { describe, expect, test } from "bun:test";
import { type Client, RpcError, TransportError } from "../../src/client/index.ts";
import { until } from "../support/until.ts";
import { caught, gate, StubClients } from "./support.ts";

/** Calls on a connection, and what comes over it. */
const stub = new StubClients();

test("one connection carries all calls, and answers find their calls in any order", async () => {
  const caller = stub.client();
  const late = gate();
  stub.service.plan = ({ method }) => (method === "task.get" ? { after: late.promise } : undefined);
  const task = stub.service.tasks.add("n");
  const slow = caller.task.get({ id: task.id });
  const waiting = caller.task.claim({ queue: "other", names: ["later"], waitSeconds: 60 });
  expect(await caller.queue.stats()).toEqual({ queues: [] });
  stub.service.tasks.add("later");
  expect((await waiting).tasks).toHaveLength(1);
  late.resolve();
  expect((await slow).id).toBe(task.id);
  expect(stub.service.sockets.handshakes).toHaveLength(1);
  expect(stub.overs()).toEqual(["websocket", "websocket", "websocket"]);
});

describe("a waiting claim that is aborted", () => {
  const claim = (caller: Client, signal?: AbortSignal) =>
    caller.task.claim({ queue: "q", waitSeconds: 60 }, signal ? { signal } : {});

  test("ends its connection, by which the service learns of it", async () => {
    const caller = stub.client();
    const stop = new AbortController();
    const aborted = caught(claim(caller, stop.signal));
    await until("it waits", () => stub.service.calls.length === 1);
    stop.abort("enough");
    expect(await aborted).toBe("enough");
    await until("the service sees its caller go", () => stub.service.hungUp === 1);
    const task = stub.service.tasks.add("n");
    expect((await caller.task.claim({ queue: "q" })).tasks[0]?.id).toBe(task.id);
    expect(new Set(stub.overs())).toEqual(new Set(["websocket"]));
  });

  test("leaves other calls on it alone, and what it gets meanwhile is handed back", async () => {
    const caller = stub.client();
    const stop = new AbortController();
    const aborted = caught(claim(caller, stop.signal));
    await until("it waits", () => stub.service.calls.length === 1);
    const other = claim(caller);
    await until("the other waits too", () => stub.service.calls.length === 2);
    stop.abort();
    await aborted;
    expect(await caller.queue.stats()).toEqual({ queues: [] });
    expect(stub.service.sockets.handshakes).toHaveLength(2);
    const first = stub.service.tasks.add("n");
    await until("what came too late is handed back", () => first.state === "released");
    const second = stub.service.tasks.add("n");
    expect((await other).tasks.map(({ id }) => id)).toEqual([second.id]);
    await until("the first connection is closed", () => stub.service.sockets.open === 1);
  });

  test("is not handed back what a repeat under its requestId will ask for", async () => {
    const caller = stub.client();
    const stop = new AbortController();
    const params = { queue: "q", waitSeconds: 60, requestId: "mine" };
    const aborted = caught(caller.task.claim(params, { signal: stop.signal }));
    const other = claim(caller);
    await until("both wait", () => stub.service.calls.length === 2);
    stop.abort();
    await aborted;
    const task = stub.service.tasks.add("n");
    stub.service.tasks.add("n");
    await other;
    expect((await caller.task.claim(params)).tasks[0]?.id).toBe(task.id);
    expect(stub.service.of("task.release")).toEqual([]);
  });
});

test.each([
  ["is handed back", false],
  ["is not, when a repeat may have asked for it", true],
])("what a claim is answered after its time %s", async (_what, repeatable) => {
  const caller = stub.client({ retry: { tries: 1 } });
  const late = gate();
  stub.service.plan = ({ method }) => (method === "task.claim" ? { after: late.promise } : undefined);
  const task = stub.service.tasks.add("n");
  let given = false;
  const claim = caught(caller.task.claim({ queue: "q" }, { timeoutSeconds: 0.1, repeatable })).finally(() => {
    given = true;
  });
  // Answers to other calls show that the connection lives.
  while (!given) await caller.queue.stats();
  expect(await claim).toMatchObject({ outcome: "unknown" });
  late.resolve();
  await until("it is answered", () => task.state !== "pending");
  if (!repeatable) await until("it is handed back", () => task.state === "released");
  // Answers come in the order they were sent in, so by then the late one has been read.
  await caller.queue.stats();
  await caller.queue.stats();
  expect(stub.service.of("task.release")).toHaveLength(repeatable ? 0 : 1);
});

test("an answer to a call that could not be read is its answer if it is the only one, and ends the connection if not", async () => {
  const call = stub.transport({});
  await call("queue.stats");
  stub.service.plan = () => "silence";
  const refused = JSON.stringify({
    jsonrpc: "2.0",
    id: null,
    error: { code: -32600, message: "deep", data: { type: "invalid_request" } },
  });
  const only = caught(call("queue.get"));
  await until("it arrived", () => stub.service.calls.length === 2);
  stub.service.sockets.blurt(refused);
  expect(await only).toBeInstanceOf(RpcError);
  const both = [caught(call("queue.get")), caught(call("queue.list"))];
  await until("both arrived", () => stub.service.calls.length === 4);
  stub.service.sockets.blurt(refused);
  for (const error of await Promise.all(both)) expect(error).toBeInstanceOf(TransportError);
});

test("what nobody asked for is passed over; what is no JSON-RPC ends the connection", async () => {
  const call = stub.transport({});
  await call("queue.stats");
  stub.service.sockets.blurt('{"jsonrpc":"2.0","id":4711,"result":1}');
  await call("queue.stats");
  expect(stub.service.sockets.handshakes).toHaveLength(1);
  stub.service.plan = () => "silence";
  const pending = caught(call("queue.stats"));
  await until("it arrived", () => stub.service.calls.length === 3);
  stub.service.sockets.blurt("<html>");
  expect(await pending).toMatchObject({ outcome: "unknown" });
});

test("close() ends the connection and the calls on it, and the client is of no more use", async () => {
  const caller = stub.client();
  const waiting = caught(caller.task.claim({ queue: "q", waitSeconds: 60 }));
  const repeatable = caught(caller.task.wait({ id: crypto.randomUUID(), waitSeconds: 60 }));
  stub.service.plan = ({ method }) => (method === "task.wait" ? "silence" : undefined);
  await until("both wait", () => stub.service.calls.length === 2);
  caller.close();
  expect(await waiting).toBeInstanceOf(TransportError);
  expect(((await repeatable) as Error).message).toBe("This client was closed.");
  expect(((await caught(caller.queue.stats())) as Error).message).toBe("This client was closed.");
  await until("the service sees it go", () => stub.service.sockets.open === 0);
  expect(stub.service.calls).toHaveLength(2);
});

test("a client closed before its connection opened sends nothing", async () => {
  const caller = stub.client();
  const call = caught(caller.queue.stats());
  caller.close();
  expect(((await call) as Error).message).toBe("This client was closed.");
  expect(stub.service.calls).toEqual([]);
});
