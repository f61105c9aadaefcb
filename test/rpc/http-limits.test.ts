/** Limits of bodies, calls, connections and times over HTTP, each on both of its sides. */
import { afterEach, describe, expect, test } from "bun:test";
import { z } from "zod";
import { Budget } from "../../src/lib/budget.ts";
import { createHttpHandler, type HttpOptions } from "../../src/rpc/http.ts";
import { createMetrics } from "../../src/rpc/metrics.ts";
import { type HttpServer, type ServeOptions, serveHttp } from "../../src/runtime/index.ts";
import { OPEN_DOOR } from "../support/open-door.ts";
import { until } from "../support/until.ts";
import { connect, type RawConnection } from "./raw-http.ts";
import {
  connectionLimits,
  echo,
  httpLimits,
  noSockets,
  request,
  socketLimits,
  stubMethod,
  stubService,
} from "./stub-service.ts";

const warned: string[] = [];
const log = { error: () => {}, warn: (message: string) => void warned.push(message) };
const servers: HttpServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(0);
});

/** A service whose calls of `hold` end when they are told to. */
async function serve(
  more: Partial<HttpOptions["limits"]> = {},
  connections: Partial<ServeOptions["connections"]> = {},
) {
  const held: (() => void)[] = [];
  const hold = stubMethod("hold", z.strictObject({}), async () => {
    await new Promise<void>((resolve) => held.push(resolve));
    return "done";
  });
  const limits = httpLimits(more);
  const handle = createHttpHandler({
    dispatch: stubService([echo, hold]).dispatch,
    log,
    limits,
    stopping: new AbortController().signal,
    sockets: noSockets,
    ...OPEN_DOOR,
    hosts: [],
    origins: [],
    publicUrl: null,
    ready: async () => true,
    metrics: createMetrics(log),
    openrpc: {},
  });
  const server = await serveHttp({
    host: "127.0.0.1",
    port: 0,
    handle,
    log,
    connections: { ...connectionLimits, ...connections },
    sockets: socketLimits,
  });
  servers.push(server);
  return { ...server, limits, held, finish: () => held.splice(0).map((end) => end()) };
}

const head = (port: number, ...lines: string[]) =>
  ["POST /rpc HTTP/1.1", `Host: localhost:${port}`, "Content-Type: application/json", ...lines, "", ""].join("\r\n");
const withLength = (port: number, body: string) => head(port, `Content-Length: ${body.length}`) + body;
const call = (method: string, params: object = {}) => JSON.stringify(request(method, params));
const post = (url: string, body: string) =>
  fetch(`${url}/rpc`, { method: "POST", body, headers: { "content-type": "application/json" } });
const sized = (bytes: number) => call("echo", { a: "x".repeat(bytes - call("echo", { a: "" }).length) });
const statusOf = async (connection: RawConnection) => Number((await connection.until(/\r\n\r\n/)).slice(9, 12));

describe("a body's time", () => {
  // Above 16 KiB it is read as it comes, below all at once.
  test.each([
    ["a small body", "Content-Length: 100"],
    ["a large body", "Content-Length: 100000"],
    ["chunks", "Transfer-Encoding: chunked"],
  ])("ends with 408 and with the connection: %s", async (_name, line) => {
    const { port, limits } = await serve({ bodyTimeoutMs: 100 });
    const connection = await connect(port);
    connection.write(`${head(port, line)}1\r\na`);
    const text = await connection.closed;
    expect(text).toStartWith("HTTP/1.1 408 ");
    expect(text).toContain('{"error":{"status":408,');
    expect(limits.bodies.taken).toBe(0);
  });

  test("is of its arrival alone: a call may take longer", async () => {
    const { port, url, held, finish } = await serve({ bodyTimeoutMs: 100 });
    const waiting = post(url, call("hold"));
    await until("the call runs", () => held.length === 1);
    const late = await connect(port);
    late.write(head(port, "Content-Length: 100"));
    // One that began later has run out.
    await late.closed;
    finish();
    expect(await (await waiting).json()).toMatchObject({ result: "done" });
  });
});

describe("bytes of bodies over all connections", () => {
  test("are room for as many, and 503 beyond, before anything of the body comes", async () => {
    const bodies = new Budget(100_000);
    const { port, url, held, finish } = await serve({ bodies });
    const holding = post(url, call("hold"));
    await until("the call runs", () => held.length === 1);
    const most = 100_000 - call("hold").length;
    expect(bodies.taken).toBe(call("hold").length);
    expect((await post(url, sized(most))).status).toBe(200);
    const connection = await connect(port);
    connection.write(head(port, `Content-Length: ${most + 1}`));
    const text = await connection.until(/\r\n\r\n/);
    expect(text).toStartWith("HTTP/1.1 503 ");
    expect(text.toLowerCase()).toContain("retry-after: 1");
    connection.hangUp();
    finish();
    expect((await holding).status).toBe(200);
    expect(bodies.taken).toBe(0);
  });

  test("count what has come, not what a caller says is still to come", async () => {
    const bodies = new Budget(100_000);
    const { port, url } = await serve({ bodies });
    const slow = await connect(port);
    slow.write(`${head(port, "Content-Length: 90000")}${"x".repeat(30_000)}`);
    await until("some has come", () => bodies.taken === 30_000);
    expect((await post(url, sized(70_000))).status).toBe(200);
    slow.hangUp();
    await until("all is given back", () => bodies.taken === 0);
  });

  test("end chunks that become too many with 503", async () => {
    const bodies = new Budget(100_000);
    const { port } = await serve({ bodies });
    const [one, other] = [await connect(port), await connect(port)];
    one.write(`${head(port, "Content-Length: 90000")}${"x".repeat(60_000)}`);
    await until("some has come", () => bodies.taken === 60_000);
    other.write(`${head(port, "Transfer-Encoding: chunked")}c350\r\n${"x".repeat(50_000)}\r\n`);
    expect(await statusOf(other)).toBe(503);
    expect(bodies.taken).toBe(60_000);
    for (const connection of [one, other]) connection.hangUp();
  });

  test("are given back by bodies that are refused or break off", async () => {
    const { port, url, limits } = await serve({ bodyBytesMax: 50_000 });
    expect((await post(url, sized(50_001))).status).toBe(413);
    const connection = await connect(port);
    connection.write(`${head(port, "Transfer-Encoding: chunked")}ea60\r\n${"x".repeat(60_000)}\r\n`);
    expect(await statusOf(connection)).toBe(413);
    connection.hangUp();
    for (const line of ["Content-Length: 40000", "Content-Length: 400"]) {
      const broken = await connect(port);
      broken.write(`${head(port, line)}abc`);
      await until("it is being read", () => limits.bodies.taken > 0);
      broken.hangUp();
      await until("all is given back", () => limits.bodies.taken === 0);
    }
  });
});

test("calls over all connections are as many as allowed; one more is overloaded, a batch as a whole", async () => {
  const calls = new Budget(3);
  const { url, held, finish } = await serve({ calls });
  const holding = [1, 2].map(() => post(url, call("hold")));
  await until("two calls run", () => held.length === 2);
  expect(await (await post(url, call("echo"))).json()).toMatchObject({ result: {} });
  const batch = JSON.stringify([request("echo", {}, 1), request("echo", {}, 2)]);
  const refused = { error: { code: 1006, data: { type: "overloaded", retryAfterSeconds: 1 } } };
  expect(await (await post(url, batch)).json()).toMatchObject([refused, refused]);
  finish();
  await Promise.all(holding);
  expect(await (await post(url, batch)).json()).toMatchObject([{ result: {} }, { result: {} }]);
  expect(calls.taken).toBe(0);
});

describe("connections", () => {
  test("that are idle are closed, while a call on another takes its time", async () => {
    // The shortest that Bun counts in.
    const { port, held, finish } = await serve({ keepAliveSeconds: 4 });
    const long = await connect(port);
    long.write(withLength(port, call("hold")));
    await until("the call runs", () => held.length === 1);
    const idle = await connect(port);
    idle.write(withLength(port, call("echo")));
    expect(await idle.closed).toContain('"result"');
    const refused = await connect(port);
    refused.write(withLength(port, call("echo")).replace("/rpc", "/none"));
    expect(await refused.closed).toStartWith("HTTP/1.1 404 ");
    finish();
    expect(await long.until(/"result"/)).toContain("done");
    long.hangUp();
  }, 60_000);

  test("that had a short time get the long one again with their next request", async () => {
    const { port, held, finish } = await serve({ keepAliveSeconds: 4 });
    const connection = await connect(port);
    connection.write(withLength(port, call("echo")));
    await connection.until(/"result"/);
    connection.write(withLength(port, call("hold")));
    await until("the call runs", () => held.length === 1);
    // One after the other: Bun counts in steps, and ends in the same step what began in it.
    for (let count = 0; count < 2; count++) {
      const idle = await connect(port);
      idle.write(withLength(port, call("echo")));
      await idle.closed;
    }
    finish();
    expect(await connection.until(/"done"/)).toContain("done");
    connection.hangUp();
  }, 60_000);

  test("whose request stops half-way are closed, in the head as in the body", async () => {
    const { port } = await serve({}, { requestSeconds: 4 });
    const inHead = await connect(port);
    inHead.write("POST /rpc HTTP/1.1\r\nHost: loc");
    const inBody = await connect(port);
    inBody.write(head(port, "Content-Length: 10"));
    expect(await inBody.closed).not.toContain("result");
    // Bun's own time for a first head, which nothing changes.
    expect(await inHead.closed).toBe("");
  }, 60_000);

  test("that sent their end behind a request are answered or dropped, and serve nothing twice", async () => {
    const { port, held, finish, limits } = await serve();
    const quick = await connect(port);
    quick.write(withLength(port, call("echo", { a: 1 })));
    quick.end();
    expect(["", '{"jsonrpc":"2.0","result":{"a":1},"id":1}']).toContain((await quick.closed).split("\r\n\r\n").at(-1)!);
    const slow = await connect(port);
    slow.write(withLength(port, call("hold")));
    await until("the call runs", () => held.length === 1);
    slow.end();
    expect(await slow.closed).toBe("");
    finish();
    await until("all is given back", () => limits.calls.taken === 0 && limits.bodies.taken === 0);
  });

  test("beyond the bound: idle ones are closed, each answer ends its own, and what runs goes on", async () => {
    const { port, held, finish } = await serve({ keepAliveSeconds: 240 }, { connectionsMax: 4 });
    const begin = async (method: string) => {
      const connection = await connect(port);
      connection.write(withLength(port, call(method)));
      return connection;
    };
    const echoed = async () => {
      const connection = await begin("echo");
      const text = await connection.until(/"result"/);
      connection.hangUp();
      return text.toLowerCase();
    };
    expect(await echoed()).not.toContain("connection: close");
    warned.length = 0;
    const idle = await begin("echo");
    const running = await Promise.all(Array.from({ length: 6 }, () => begin("hold")));
    await until("the calls run", () => held.length === 6);
    expect(await idle.closed).toContain('"result"');
    expect(await echoed()).toContain("connection: close");
    finish();
    for (const connection of running) {
      expect(await connection.until(/"done"/)).toContain("HTTP/1.1 200");
      connection.hangUp();
    }
    await until("answers leave their connections open", async () => !(await echoed()).includes("connection: close"));
    expect(warned).toEqual(["too many connections: idle ones are closed"]);
  }, 60_000);
});
