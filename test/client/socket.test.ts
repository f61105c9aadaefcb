import { expect, test } from "bun:test";
import { TransportError } from "../../src/client/index.ts";
import { until } from "../support/until.ts";
import { caught, gate, StubClients } from "./support.ts";

/** The connection itself: how it comes about, how it is lost, and when HTTP takes its place. */
const stub = new StubClients();

test("calls made at once, before there is a connection, open one", async () => {
  const caller = stub.client();
  await Promise.all(Array.from({ length: 20 }, () => caller.queue.stats()));
  expect(stub.service.sockets.handshakes).toHaveLength(1);
  expect(new Set(stub.overs())).toEqual(new Set(["websocket"]));
});

test("headers go with the handshake", async () => {
  await stub.client({ headers: { authorization: "Bearer osqs_x" } }).queue.stats();
  expect(stub.service.sockets.handshakes[0]?.authorization).toBe("Bearer osqs_x");
});

test("a connection that breaks: calls under way are repeated over a new one, claims are left to their callers", async () => {
  const caller = stub.client();
  await caller.queue.stats();
  stub.service.plan = ({ method }, nth) => (method === "task.enqueue" && nth === 1 ? "silence" : undefined);
  const enqueued = caller.task.enqueue({ queue: "q" });
  const claim = caught(caller.task.claim({ queue: "none", names: ["none"], waitSeconds: 60 }));
  await until("both arrived", () => stub.service.calls.length === 3);
  stub.service.sockets.breakAll();
  expect(await claim).toMatchObject({ name: "TransportError", outcome: "unknown", status: null });
  await enqueued;
  const ids = stub.service.of("task.enqueue").map(({ params }) => params.requestId);
  expect(ids).toHaveLength(2);
  expect(ids[0]).toBe(ids[1]);
  expect(new Set(stub.overs())).toEqual(new Set(["websocket"]));
  expect(stub.service.sockets.handshakes).toHaveLength(2);
});

test("a service that stops and comes back is found again, over a WebSocket", async () => {
  const caller = stub.client({ retry: { baseSeconds: 0.01, maxSeconds: 0.02, tries: Number.POSITIVE_INFINITY } });
  await caller.queue.stats();
  await stub.service.close();
  const enqueued = caller.task.enqueue({ queue: "q" });
  await until("it is seen that nobody is there", async () => {
    const error = await caught(caller.queue.stats({}, { retry: { tries: 1 } }));
    return error instanceof TransportError && error.message.startsWith("Cannot reach");
  });
  await stub.service.listen();
  await enqueued;
  await caller.queue.stats();
  expect(stub.overs().at(-1)).toBe("websocket");
});

test.each([403, 426, 502])(
  "a handshake refused with HTTP %d: calls go over HTTP, and it is not tried each time",
  async (status) => {
    stub.service.refuseSockets = status;
    const caller = stub.client();
    for (let calls = 0; calls < 20; calls++) await caller.queue.stats();
    expect(new Set(stub.overs())).toEqual(new Set(["http"]));
    expect(stub.service.sockets.handshakes).toHaveLength(1);
  },
);

test("after a while a handshake is tried again, beside the calls", async () => {
  stub.service.refuseSockets = 403;
  const call = stub.transport({ httpLeastMs: 1, httpMostMs: 1 });
  await call("queue.stats");
  stub.service.refuseSockets = null;
  await until("a call goes over a WebSocket", async () => {
    await call("queue.stats");
    return stub.overs().at(-1) === "websocket";
  });
  expect(stub.service.sockets.handshakes.length).toBeGreaterThan(1);
});

test("a handshake that is never answered is given up for HTTP", async () => {
  stub.service.refuseSockets = "silence";
  await stub.transport({ openMs: 20 })("queue.stats");
  expect(stub.overs()).toEqual(["http"]);
});

test("a WebSocket over which not one answer comes is no better than none", async () => {
  stub.service.plan = ({ over }) => (over === "websocket" ? "lost before" : undefined);
  await stub.client().queue.stats();
  expect(stub.overs()).toEqual(["websocket", "http"]);
});

test("what somebody on the way finds too large for a frame is repeated over HTTP", async () => {
  const caller = stub.client();
  await caller.queue.stats();
  stub.service.plan = ({ over }) => (over === "websocket" ? "silence" : undefined);
  const call = caller.queue.stats();
  await until("it arrived", () => stub.service.calls.length === 2);
  stub.service.sockets.closeAll(1009, "too large");
  await call;
  expect(stub.overs()).toEqual(["websocket", "websocket", "http"]);
});

test.each([
  ["larger than 4 MiB", { text: "ä".repeat(2.2 * 1024 * 1024) }],
  [
    "nested deeper than the service reads",
    JSON.parse(`${'{"a":'.repeat(70)}1${"}".repeat(70)}`) as Record<string, never>,
  ],
])("a call %s goes over HTTP, where a refusal is its own", async (_what, payload) => {
  await stub.client().task.enqueue({ queue: "q", payload });
  expect(stub.overs()).toEqual(["http"]);
});

test("a call just below 4 MiB goes over the WebSocket", async () => {
  await stub.client().task.enqueue({ queue: "q", payload: { text: "x".repeat(4 * 1024 * 1024 - 300) } });
  expect(stub.overs()).toEqual(["websocket"]);
});

test("a connection that falls silent is taken for dead by the first call that waits in vain", async () => {
  const call = stub.transport({});
  await call("queue.stats");
  stub.service.plan = () => "silence";
  const errors = await Promise.all([caught(call("queue.stats", 30)), caught(call("queue.get"))]);
  for (const error of errors) expect(error).toMatchObject({ name: "TransportError", outcome: "unknown" });
  await until("it is closed", () => stub.service.sockets.open === 0);
});

test("a call that waits in vain does not end a connection that still answers", async () => {
  const call = stub.transport({});
  await call("queue.stats");
  const half = gate();
  stub.service.plan = ({ method }) => (method === "queue.get" ? { after: half.promise } : "silence");
  const lost = caught(call("queue.stats", 300));
  const answered = call("queue.get");
  half.resolve();
  await answered;
  expect(await lost).toBeInstanceOf(TransportError);
  stub.service.plan = () => undefined;
  await call("queue.stats");
  expect(stub.service.sockets.handshakes).toHaveLength(1);
});

test("an idle connection is closed, and another opened when it is needed", async () => {
  const call = stub.transport({ idleMs: 10 });
  await call("queue.stats");
  await until("it is closed", () => stub.service.sockets.open === 0);
  await call("queue.stats");
  expect(stub.overs()).toEqual(["websocket", "websocket"]);
  expect(stub.service.sockets.handshakes).toHaveLength(2);
});

test("a call that comes while the other side is closing is known not to be sent, and the next one finds a new connection", async () => {
  let closing = false;
  const original = globalThis.WebSocket;
  globalThis.WebSocket = class extends original {
    override get readyState() {
      return closing ? original.CLOSING : super.readyState;
    }
  };
  try {
    const caller = stub.client({ retry: { tries: 1 } });
    await caller.queue.stats();
    closing = true;
    expect(await caught(caller.queue.stats())).toMatchObject({ name: "TransportError", outcome: "not_sent" });
    closing = false;
    await caller.queue.stats();
    expect(stub.service.sockets.handshakes).toHaveLength(2);
  } finally {
    globalThis.WebSocket = original;
  }
});
