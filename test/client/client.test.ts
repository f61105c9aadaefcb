import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type Client, createClient, isRefusal, RpcError, TransportError } from "../../src/client/index.ts";
import { pauseSeconds } from "../../src/client/retry.ts";
import { until } from "../support/until.ts";
import { StubService } from "./stub-service.ts";

const services: StubService[] = [];
const clients: Client[] = [];
let service: StubService;
let transport: "http" | "websocket";

beforeEach(async () => {
  transport = "http";
  service = await new StubService().listen();
  services.push(service);
});
afterEach(() => {
  for (const each of clients.splice(0)) each.close();
});
afterAll(() => Promise.all(services.map((each) => each.close())));

/** Retries at once: what is tested is whether and with what, not how long. */
const quick = { baseSeconds: 0.001, maxSeconds: 0.002 };
function client(retry = {}): Client {
  const made = createClient({ url: service.url, transport, retry: { ...quick, ...retry } });
  clients.push(made);
  return made;
}
const enqueue = { queue: "q", name: "n", payload: { a: 1 } };
const caught = (promise: Promise<unknown>) => promise.then(() => undefined).catch((error: unknown) => error);
const unavailable = { code: 1007, data: { type: "unavailable", retryAfterSeconds: 0.001 } };

describe.each(["http", "websocket"] as const)("over %s", (over) => {
  beforeEach(() => {
    transport = over;
  });

  test("a method is called by its name or through its noun", async () => {
    const caller = client();
    const { id } = await caller.task.enqueue(enqueue);
    expect((await caller.call("task.get", { id })).name).toBe("n");
    // Methods without required parameters need none.
    expect(await caller.queue.stats()).toEqual({ queues: [] });
    expect(service.calls.map((call) => call.over)).toEqual([over, over, over]);
    expect(service.sockets.handshakes).toHaveLength(over === "http" ? 0 : 1);
  });

  test.each([
    ["an answer lost after the call was carried out", "lost after"],
    ["a connection that breaks", "lost before"],
    ["overloaded", { code: 1006, data: { type: "overloaded", retryAfterSeconds: 0.001 } }],
    ["unavailable", unavailable],
    ["rate_limited", { code: 1010, data: { type: "rate_limited", retryAfterSeconds: 0.001 } }],
  ] as const)("%s is retried with the same requestId, and acts once", async (_name, mishap) => {
    service.plan = (_call, nth) => (nth <= 2 ? mishap : undefined);
    await client().task.enqueue(enqueue);
    const ids = service.of("task.enqueue").map(({ params }) => params.requestId);
    expect(ids).toHaveLength(3);
    expect(ids[0]).toBeString();
    expect(new Set(ids).size).toBe(1);
    expect(service.tasks.all).toHaveLength(1);
  });

  test("each call has a requestId of its own, and the caller's is kept", async () => {
    await client().task.enqueue(enqueue);
    await client().task.enqueue(enqueue);
    await client().task.enqueue({ ...enqueue, requestId: "mine" });
    const ids = service.of("task.enqueue").map(({ params }) => params.requestId);
    expect(new Set(ids).size).toBe(3);
    expect(ids[2]).toBe("mine");
  });

  test("reading, and what repeats by its receipt, carries no requestId and is retried", async () => {
    service.tasks.add("n");
    const { tasks } = await client().task.claim({ queue: "q" });
    service.plan = (_call, nth) => (nth === 1 ? "lost after" : undefined);
    const { receipt } = tasks[0]!;
    expect((await client().task.complete({ receipt })).state).toBe("completed");
    expect(service.of("task.complete").map(({ params }) => params)).toEqual([{ receipt }, { receipt }]);
    expect(service.tasks.all[0]!.completions).toBe(1);
    await client().queue.stats();
    expect(service.of("queue.stats")).toHaveLength(2);
  });

  test("a claim whose answer was lost is not repeated blindly", async () => {
    service.tasks.add("n");
    service.tasks.add("n");
    service.plan = () => "lost after";
    const error = await caught(client().task.claim({ queue: "q" }));
    expect(error).toBeInstanceOf(TransportError);
    expect((error as TransportError).outcome).toBe("unknown");
    expect(service.of("task.claim")).toHaveLength(1);
    expect(service.of("task.claim")[0]!.params.requestId).toBeUndefined();
  });

  test("a claim that was certainly not carried out is repeated", async () => {
    service.tasks.add("n");
    service.plan = (_call, nth) => (nth === 1 ? { code: 1006, data: { type: "overloaded" } } : undefined);
    expect((await client().task.claim({ queue: "q" })).tasks).toHaveLength(1);
  });

  test("a claim made repeatable gets the lost answer's tasks", async () => {
    const task = service.tasks.add("n");
    service.tasks.add("n");
    service.plan = (_call, nth) => (nth === 1 ? "lost after" : undefined);
    const { tasks } = await client().task.claim({ queue: "q" }, { repeatable: true });
    expect(tasks.map(({ id }) => id)).toEqual([task.id]);
    expect(service.tasks.all[1]!.state).toBe("pending");
  });

  test("repeatable: false sends no requestId and leaves an unknown outcome to the caller", async () => {
    service.plan = () => "lost after";
    expect(await caught(client().task.enqueue(enqueue, { repeatable: false }))).toBeInstanceOf(TransportError);
    expect(service.calls).toHaveLength(1);
    expect(service.calls[0]!.params.requestId).toBeUndefined();
  });

  test("a refusal is thrown with its code, type and data, at once", async () => {
    const error = await caught(client().task.get({ id: "x" }));
    expect(error).toBeInstanceOf(RpcError);
    if (!isRefusal(error, "not_found")) throw new Error("not a not_found");
    expect(error.code).toBe(1001);
    expect(error.data.noun).toBe("task");
    expect(error.method).toBe("task.get");
    expect(service.calls).toHaveLength(1);
  });

  test("tries are bounded, and the last error is thrown", async () => {
    service.plan = () => unavailable;
    expect(isRefusal(await caught(client({ tries: 3 }).queue.stats()), "unavailable")).toBe(true);
    expect(service.calls).toHaveLength(3);
  });

  test("the deadline ends the retries, without waiting for a pause that would pass it", async () => {
    service.plan = () => ({ ...unavailable, data: { type: "unavailable", retryAfterSeconds: 3600 } });
    expect(isRefusal(await caught(client().queue.stats()), "unavailable")).toBe(true);
    expect(service.calls).toHaveLength(1);
  });

  test("a silent service is given up and tried again", async () => {
    service.plan = (_call, nth) => (nth === 1 ? "silence" : undefined);
    expect(await client().queue.stats({}, { timeoutSeconds: 0.05 })).toEqual({ queues: [] });
    expect(service.calls).toHaveLength(2);
  });

  test("a waiting call may take its waitSeconds on top of the time-out", async () => {
    const claim = { queue: "q", waitSeconds: 0.3 };
    const { tasks } = await client({ deadlineSeconds: 0.2 }).task.claim(claim, { timeoutSeconds: 0.1 });
    expect(tasks).toEqual([]);
    expect(service.calls).toHaveLength(1);
  });

  test("nobody there: the error says so, and claims are tried again too", async () => {
    const { url } = service;
    await service.close();
    const error = await caught(
      createClient({ url, transport, retry: { ...quick, tries: 2 } }).task.claim({ queue: "q" }),
    );
    expect(error).toMatchObject({ name: "TransportError", outcome: "not_sent", status: null });
    expect((error as Error).message).toBe(`Cannot reach ${url}/rpc: nothing listens there.`);
  });

  test("an abort ends a waiting call with the signal's reason, and the service sees the caller go", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const claim = caught(client().task.claim({ queue: "q", waitSeconds: 60 }, { signal: stop.signal }));
    await until("the claim arrives", () => service.calls.length === 1);
    stop.abort(reason);
    expect(await claim).toBe(reason);
    await until("the service sees its caller go", () => service.hungUp === 1);
    service.tasks.add("n");
    expect((await client().task.claim({ queue: "q" })).tasks).toHaveLength(1);
  });

  test("an abort ends a pause between tries", async () => {
    service.plan = () => ({ ...unavailable, data: { type: "unavailable", retryAfterSeconds: 50 } });
    const stop = new AbortController();
    const call = caught(client().queue.stats({}, { signal: stop.signal }));
    await until("the call arrives", () => service.calls.length === 1);
    stop.abort("enough");
    expect(await call).toBe("enough");
  });

  test("an aborted signal sends nothing", async () => {
    expect(await caught(client().queue.stats({}, { signal: AbortSignal.abort("no") }))).toBe("no");
    expect(service.calls).toHaveLength(0);
  });

  test("a number that JSON cannot hold is refused rather than sent as null", async () => {
    const error = await caught(client().task.enqueue({ queue: "q", payload: { deep: [1, Number.NaN] } }));
    expect(error).toBeInstanceOf(TypeError);
    expect(service.calls).toHaveLength(0);
  });
});

test.each([
  ["a gateway's 502", { status: 502, body: "<html>" }],
  ["a proxy's 429", { status: 429, headers: { "retry-after": "0" } }],
] as const)("%s is retried with the same requestId", async (_name, mishap) => {
  service.plan = (_call, nth) => (nth <= 2 ? mishap : undefined);
  await client().task.enqueue(enqueue);
  expect(new Set(service.of("task.enqueue").map(({ params }) => params.requestId)).size).toBe(1);
  expect(service.calls).toHaveLength(3);
  expect(service.tasks.all).toHaveLength(1);
});

test.each([401, 403, 404, 413, 302])("HTTP %d without an answer is not retried", async (status) => {
  service.plan = () => ({ status, body: "no", headers: { location: "/elsewhere" } });
  const error = await caught(client().task.enqueue(enqueue));
  expect(error).toBeInstanceOf(TransportError);
  expect(error).toMatchObject({ status, outcome: "not_sent" });
  expect(service.calls).toHaveLength(1);
});

test("HTTP 401 with a JSON-RPC answer is that answer", async () => {
  const body = JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    error: { code: 1008, message: "m", data: { type: "unauthenticated" } },
  });
  service.plan = () => ({ status: 401, body });
  expect(isRefusal(await caught(client().queue.stats()), "unauthenticated")).toBe(true);
});

test("headers go with every call, and a client's own fetch is used", async () => {
  const seen: unknown[] = [];
  const own = createClient({
    url: `${service.url}/`,
    headers: { authorization: "Bearer osqs_x" },
    fetch: (url, init) => {
      seen.push([url, new Headers(init.headers).get("authorization"), new Headers(init.headers).get("content-type")]);
      return fetch(url, init);
    },
  });
  await own.queue.stats();
  expect(seen).toEqual([[`${service.url}/rpc`, "Bearer osqs_x", "application/json"]]);
});

test("pauses are anywhere between nothing and the doubled base, up to the cap, after what the service asked", () => {
  const policy = { tries: 9, baseSeconds: 0.1, maxSeconds: 1, deadlineSeconds: 60 };
  const most = [1, 2, 3, 4, 5, 6].map((failures) => pauseSeconds(policy, failures, 0, () => 1));
  expect(most).toEqual([0.1, 0.2, 0.4, 0.8, 1, 1]);
  expect(pauseSeconds(policy, 6, 0, () => 0)).toBe(0);
  expect(pauseSeconds(policy, 1, 7, () => 0.5)).toBe(7.05);
});
