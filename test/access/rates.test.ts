/**
 * How much a key, an address and wrong keys may: both sides of each limit. Tokens come back with time, so what must be refused
 * is asked for while a bucket is deep in debt; the exact edges are in test/lib/token-buckets.test.ts.
 */
import { describe, expect, test } from "bun:test";
import { refusal } from "../support/service.ts";
import { rpcSocket } from "../support/socket.ts";
import { until } from "../support/until.ts";
import { ADMIN_KEY, guardedService } from "./stage.ts";

const TRUSTED_PROXIES = "127.0.0.1";
const byKey = guardedService({ RATE_PER_KEY: "1", RATE_PER_ADDRESS: "0", TRUSTED_PROXIES });
const wrongs = guardedService({ WRONG_KEYS_PER_ADDRESS: "1", TRUSTED_PROXIES });
const byAddress = guardedService({ RATE_PER_KEY: "0", RATE_PER_ADDRESS: "1", TRUSTED_PROXIES });
const sockets = guardedService({ SOCKETS_PER_KEY: "2" });
const longPolls = guardedService({ LONG_POLLS_PER_KEY: "2" });
const direct = guardedService({ RATE_PER_KEY: "0", RATE_PER_ADDRESS: "1" });

type Answers = { error?: { code: number; data: { type: string; retryAfterSeconds?: number } }; result?: unknown };

/** Calls that change nothing, all in one body. */
async function calls(url: string, count: number, key: string | null, headers: Record<string, string> = {}) {
  const one = { jsonrpc: "2.0", method: "project.list", params: {} };
  const batch = Array.from({ length: count }, (_, id) => ({ ...one, id }));
  const response = await fetch(`${url}/rpc`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(key !== null && { authorization: `Bearer ${key}` }),
      ...headers,
    },
    body: JSON.stringify(count === 1 ? batch[0] : batch),
  });
  const body = (await response.json()) as Answers | Answers[];
  const answers = Array.isArray(body) ? body : [body];
  return { status: response.status, retryAfter: response.headers.get("retry-after"), answers };
}

const from = (address: string) => ({ "x-forwarded-for": address });

function expectRefused({ status, retryAfter, answers }: Awaited<ReturnType<typeof calls>>, count: number) {
  expect(status).toBe(429);
  expect(answers).toHaveLength(count);
  for (const { error } of answers) {
    expect(error).toMatchObject({ code: 1010, data: { type: "rate_limited", retryAfterSeconds: Number(retryAfter) } });
  }
  expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
  expect(Number.isInteger(Number(retryAfter))).toBe(true);
}

/** The calls of the environment's key that make keys count like all others. */
async function keys(service: typeof byKey, count: number): Promise<string[]> {
  const made: string[] = [];
  while (made.length < count)
    made.push(
      await until("the rate lets a key be made", () =>
        service.makeKey({ project: "default", scopes: ["task:work"] }).then(
          ({ key }) => key,
          () => null,
        ),
      ),
    );
  return made;
}

describe("calls a second of a key", () => {
  test("more are refused, all calls of a body or none, and other keys go on", async () => {
    const [one, other] = (await keys(byKey, 2)) as [string, string];
    // The burst; then far more than the burst, which a full bucket gives once.
    expect((await calls(byKey.url, 2, other)).status).toBe(200);
    const full = await calls(byKey.url, 100, one);
    expect(full.status).toBe(200);
    expect(full.answers.every(({ result }) => result !== undefined)).toBe(true);
    expectRefused(await calls(byKey.url, 1, one), 1);
    expectRefused(await calls(byKey.url, 3, one), 3);
    // From wherever it comes.
    expectRefused(await calls(byKey.url, 1, one, from("192.0.2.77")), 1);
    await until("the other key has a token", async () => (await calls(byKey.url, 1, other)).status === 200);
  }, 60_000);

  test("over a WebSocket they are answered by the call, and the connection stays", async () => {
    const [key] = (await keys(byKey, 1)) as [string];
    const socket = await rpcSocket(byKey.url, key);
    const one = { jsonrpc: "2.0", method: "project.list", params: {} };
    socket.send(Array.from({ length: 100 }, (_, id) => ({ ...one, id })));
    expect(((await socket.next()) as Answers[]).every(({ result }) => result !== undefined)).toBe(true);
    const data = await refusal(socket.call("project.list", {}));
    expect(data.type).toBe("rate_limited");
    expect(Number(data.retryAfterSeconds)).toBeGreaterThan(1);
    // The same bucket as over HTTP.
    expectRefused(await calls(byKey.url, 1, key), 1);
    socket.close();
  }, 60_000);
});

describe("calls a second of an address", () => {
  test("whatever their keys; other addresses go on, but not those of the same network of IPv6", async () => {
    const [one, other] = [await byAddress.makeKey(), await byAddress.makeKey()].map(({ key }) => key) as [
      string,
      string,
    ];
    expect((await calls(byAddress.url, 100, one, from("192.0.2.1"))).status).toBe(200);
    expectRefused(await calls(byAddress.url, 1, one, from("192.0.2.1")), 1);
    expectRefused(await calls(byAddress.url, 1, other, from("192.0.2.1")), 1);
    expect((await calls(byAddress.url, 1, one, from("192.0.2.2"))).status).toBe(200);
    expect((await calls(byAddress.url, 100, one, from("2001:db8::1"))).status).toBe(200);
    expectRefused(await calls(byAddress.url, 1, one, from("2001:db8::ffff:2")), 1);
    expect((await calls(byAddress.url, 1, one, from("2001:db8:0:1::1"))).status).toBe(200);
  });

  test("X-Forwarded-For is believed of a trusted proxy alone", async () => {
    const { key } = await direct.makeKey();
    await until("a token is there", async () => (await calls(direct.url, 100, key, from("192.0.2.1"))).status === 200);
    expectRefused(await calls(direct.url, 1, key, from("192.0.2.2")), 1);
    expectRefused(await calls(direct.url, 1, key), 1);
  });
});

describe("wrong keys of an address", () => {
  const wrong = () => `osqs_${crypto.randomUUID().replaceAll("-", "")}abcdefghijk`;
  const statuses = async (address: string, count: number) =>
    (await Promise.all(Array.from({ length: count }, () => calls(wrongs.url, 1, wrong(), from(address))))).map(
      ({ status }) => status,
    );

  test("after too many none is looked up any more, and a key that was good goes on from there", async () => {
    const [address, other] = [from("192.0.2.1"), from("192.0.2.2")];
    const [{ key }, { key: late }] = [await wrongs.makeKey(), await wrongs.makeKey()];
    expect((await calls(wrongs.url, 1, key, address)).status).toBe(200);
    // Ten at once are let through to be looked up; of more, those that come in the same moment, which is paid back.
    expect(await statuses("192.0.2.1", 10)).toEqual(Array(10).fill(401));
    await statuses("192.0.2.1", 60);
    expectRefused(await calls(wrongs.url, 1, wrong(), address), 1);
    expectRefused(await calls(wrongs.url, 3, wrong(), address), 3);
    expectRefused(await calls(wrongs.url, 1, "no key at all", address), 1);
    expect((await calls(wrongs.url, 1, key, address)).status).toBe(200);
    expect((await calls(wrongs.url, 1, ADMIN_KEY, address)).status).toBe(200);
    // One that nobody has shown there before is as unknown as those: it has to wait.
    expectRefused(await calls(wrongs.url, 1, late, address), 1);
    expect((await calls(wrongs.url, 1, late, other)).status).toBe(200);
    expect((await calls(wrongs.url, 1, late, address)).status).toBe(200);
    // None at all is no wrong one.
    expect((await calls(wrongs.url, 1, null, address)).status).toBe(401);
    expect(await statuses("192.0.2.2", 10)).toEqual(Array(10).fill(401));
  });

  test("at the handshake of a WebSocket too", async () => {
    const shake = async (key: string) =>
      await fetch(`${wrongs.url}/rpc`, {
        headers: {
          connection: "upgrade",
          upgrade: "websocket",
          "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
          "sec-websocket-version": "13",
          authorization: `Bearer ${key}`,
          ...from("192.0.2.8"),
        },
      });
    const answers = await Promise.all(Array.from({ length: 60 }, () => shake(wrong())));
    expect(answers.filter(({ status }) => status === 401).length).toBeGreaterThanOrEqual(10);
    const refused = await shake(wrong());
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  });
});

describe("long polls of a key", () => {
  test("as many as are allowed wait, on whatever way they came; a further one is refused, and may come when one has ended", async () => {
    const { call } = longPolls;
    const { key } = await longPolls.makeKey({ project: "default", scopes: ["task:work", "task:read", "task:enqueue"] });
    const { key: other } = await longPolls.makeKey({ project: "default", scopes: ["task:work"] });
    const wait = { queue: "polled", waitSeconds: 60 };
    const socket = await rpcSocket(longPolls.url, key);
    const over = socket.call("task.claim", wait).catch(() => "hung up");
    const first = call("task.claim", wait, key);
    await until("both wait", async () => (await call("admin.health", {})).waitingClaims === 2);
    const limited = { type: "rate_limited", retryAfterSeconds: 1 };
    expect(await refusal(call("task.claim", wait, key))).toEqual(limited);
    expect(await refusal(socket.call("task.claim", wait))).toEqual(limited);
    const { id } = await call("task.enqueue", { queue: "else", delaySeconds: 3600 });
    expect(await refusal(call("task.wait", { id, waitSeconds: 60 }, key))).toEqual(limited);
    // What does not wait is none, and other keys have their own.
    expect(await call("task.claim", { ...wait, waitSeconds: 0 }, key)).toEqual({ tasks: [] });
    const others = call("task.claim", wait, other);
    await until("the other waits", async () => (await call("admin.health", {})).waitingClaims === 3);
    socket.close();
    expect(await over).toBe("hung up");
    await until("one may wait again", () =>
      call("task.wait", { id, waitSeconds: 0.001 }, key).then(
        () => true,
        () => false,
      ),
    );
    for (let task = 0; task < 2; task++) await call("task.enqueue", { queue: "polled" });
    expect((await Promise.all([first, others])).map(({ tasks }) => tasks.length)).toEqual([1, 1]);
  }, 60_000);
});

test("a key has so many WebSockets, another one its own, and what is closed makes room", async () => {
  const [one, other] = (await Promise.all([sockets.makeKey(), sockets.makeKey()])).map(({ key }) => key);
  const open = [await rpcSocket(sockets.url, one), await rpcSocket(sockets.url, one)];
  await expect(rpcSocket(sockets.url, one)).rejects.toThrow();
  const handshake = { connection: "upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
  const headers = { ...handshake, "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", authorization: `Bearer ${one}` };
  const refused = await fetch(`${sockets.url}/rpc`, { headers });
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
  open.push(await rpcSocket(sockets.url, other));
  open.shift()!.close();
  open.push(await until("there is room", () => rpcSocket(sockets.url, one).catch(() => null)));
  for (const socket of open) socket.close();
});
