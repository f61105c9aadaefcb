/** Where a credential may stand, and where not; and that nothing is done without one. */
import { beforeAll, describe, expect, test } from "bun:test";
import { connect, raw } from "../rpc/raw-http.ts";
import { post } from "../support/service.ts";
import { rpcSocket } from "../support/socket.ts";
import { ADMIN_KEY, guardedService } from "./stage.ts";

// Wrong ones are what this file is made of.
const service = guardedService({ WRONG_KEYS_PER_ADDRESS: "100000" });
let key: string;
let port: number;

beforeAll(async () => {
  key = await service.keyOf("default", ["task:read", "task:enqueue"]);
  port = Number(new URL(service.url).port);
});

const BODY = '{"jsonrpc":"2.0","id":7,"method":"project.list","params":{}}';

/** A call with header lines as they are. */
async function sent(lines: string[], { path = "/rpc", body = BODY } = {}) {
  const head = [`POST ${path} HTTP/1.1`, `Host: localhost:${port}`, "Content-Type: application/json", ...lines];
  const { status, text } = await raw(port, [...head, `Content-Length: ${Buffer.byteLength(body)}`], body);
  return { status, text, body: text.slice(text.indexOf("\r\n\r\n") + 4) };
}

/** Turned away as whoever shows nothing: 401, with the way to do better, and the call's own id in the error. */
function expectTurnedAway({ status, text, body }: Awaited<ReturnType<typeof sent>>) {
  expect(status).toBe(401);
  expect(text).toMatch(/\r\nwww-authenticate: Bearer\r\n/i);
  expect(JSON.parse(body)).toEqual({
    jsonrpc: "2.0",
    error: { code: 1008, message: "No valid credential was shown.", data: { type: "unauthenticated" } },
    id: 7,
  });
}

describe("lets in", () => {
  test.each([
    ["as it should be", () => [`Authorization: Bearer ${key}`]],
    ["its scheme in lower case", () => [`authorization: bearer ${key}`]],
    ["its scheme in upper case", () => [`AUTHORIZATION: BEARER ${key}`]],
    ["more spaces before and behind", () => [`Authorization:   Bearer   ${key}  `]],
    ["the key of the environment", () => [`Authorization: Bearer ${ADMIN_KEY}`]],
    ["cookies beside it", () => [`Authorization: Bearer ${key}`, "Cookie: a=b"]],
  ])("%s", async (_, lines) => {
    expect((await sent(lines())).status).toBe(200);
  });
});

describe("turns away", () => {
  const wrong = "osqs_abcdefghijabcdefghijabcdefghijabcdefghijabc";

  test.each([
    ["nothing", () => []],
    ["an empty header", () => ["Authorization:"]],
    ["a scheme alone", () => ["Authorization: Bearer"]],
    ["a key without a scheme", () => [`Authorization: ${key}`]],
    ["another scheme", () => [`Authorization: Basic ${Buffer.from(`${key}:`).toString("base64")}`]],
    ["another scheme with the key", () => [`Authorization: Token ${key}`]],
    ["a wrong key", () => [`Authorization: Bearer ${wrong}`]],
    ["a key with a space in it", () => [`Authorization: Bearer ${key.slice(0, 9)} ${key.slice(9)}`]],
    ["a key with something behind", () => [`Authorization: Bearer ${key} and more`]],
    ["a key cut short", () => [`Authorization: Bearer ${key.slice(0, -1)}`]],
    ["a key in another case", () => [`Authorization: Bearer ${key.toUpperCase()}`]],
    ["a key of 10 kB", () => [`Authorization: Bearer osqs_${"a".repeat(10_000)}`]],
    ["a key in quotes", () => [`Authorization: Bearer "${key}"`]],
    ["two keys in one header", () => [`Authorization: Bearer ${key}, Bearer ${key}`]],
    ["a wrong key and a right one", () => [`Authorization: Bearer ${wrong}`, `Authorization: Bearer ${key}`]],
    ["a key in a cookie", () => [`Cookie: authorization=${key}; key=${key}; session=${key}`]],
    ["a key in another header", () => [`X-Api-Key: ${key}`, `Proxy-Authorization: Bearer ${key}`]],
    ["the hash of a key", () => [`Authorization: Bearer ${new Bun.CryptoHasher("sha256").update(key).digest("hex")}`]],
  ])("%s", async (_, lines) => {
    expectTurnedAway(await sent(lines()));
  });

  test("a key in the address", async () => {
    for (const query of [`key=${key}`, `access_token=${key}`, `authorization=Bearer%20${key}`])
      expectTurnedAway(await sent([], { path: `/rpc?${query}` }));
  });

  test("a right key and a wrong one: whichever is first, nothing is done", async () => {
    // A runtime may take the first, or both as one text; it must never take the wrong one's caller for the right one's.
    const { status } = await sent([`Authorization: Bearer ${key}`, `Authorization: Bearer ${wrong}`]);
    expect([401, 200]).toContain(status);
  });
});

describe("without a credential", () => {
  const enqueue = (queue: string, id?: number) => ({
    jsonrpc: "2.0",
    method: "task.enqueue",
    params: { queue },
    ...(id !== undefined && { id }),
  });
  const queues = async () => (await service.call("queue.list", { limit: 1000 })).queues.map(({ name }) => name);

  test("each call of a batch is answered, and none is carried out", async () => {
    const batch = [enqueue("batch-1", 1), { nonsense: true }, enqueue("batch-2"), enqueue("batch-3", 3)];
    const response = await post(service.url, batch);
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
    const answers = (await response.json()) as { id: unknown; error: { data: { type: string } } }[];
    expect(answers.map(({ id, error }) => [id, error.data.type])).toEqual([
      [1, "unauthenticated"],
      [null, "unauthenticated"],
      [3, "unauthenticated"],
    ]);
    expect(await queues()).not.toContainAnyValues(["batch-1", "batch-2", "batch-3"]);
  });

  test("a notification does nothing, and is told so by the status alone", async () => {
    const response = await post(service.url, enqueue("notified"));
    expect(response.status).toBe(401);
    expect(await queues()).not.toContain("notified");
  });

  test("neither methods nor parameters are told of: all calls are answered alike", async () => {
    const answers = await Promise.all(
      [
        { jsonrpc: "2.0", id: 1, method: "task.enqueue", params: {} },
        { jsonrpc: "2.0", id: 1, method: "rpc.discover" },
        { jsonrpc: "2.0", id: 1, method: "task.enqueue", params: { queue: 7, other: true } },
      ].map(async (body) => await (await post(service.url, body)).json()),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  });

  test("a large body is not read for it", async () => {
    const connection = await connect(port);
    const head = [
      "POST /rpc HTTP/1.1",
      `Host: localhost:${port}`,
      "Content-Type: application/json",
      "Connection: close",
    ];
    connection.write([...head, "Content-Length: 4000000", "", "x".repeat(20_000)].join("\r\n"));
    expect(await connection.until(/unauthenticated/)).toStartWith("HTTP/1.1 401 ");
    connection.hangUp();
  });

  test("no WebSocket is opened", async () => {
    const handshake = (lines: string[]) =>
      raw(port, [
        "GET /rpc HTTP/1.1",
        `Host: localhost:${port}`,
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        ...lines,
      ]);
    for (const lines of [[], ["Authorization: Basic abc"], [`Cookie: key=${key}`]]) {
      const { status, text } = await handshake(lines);
      expect(status).toBe(401);
      expect(text).toMatch(/\r\nwww-authenticate: Bearer\r\n/i);
    }
    expect(rpcSocket(service.url)).rejects.toThrow();
    const socket = await rpcSocket(service.url, key);
    expect((await socket.call("task.count", {})).exact).toBe(true);
    socket.close();
  });

  test("nothing is told of projects and queues by the pages that programs read", async () => {
    await service.makeProject("told-project");
    await service.call("task.enqueue", { project: "told-project", queue: "told-queue" });
    for (const path of ["/healthz", "/readyz", "/openrpc.json", "/metrics"]) {
      const text = await (await fetch(service.url + path)).text();
      expect(text, path).not.toMatch(/told-(project|queue)/);
    }
  });
});
