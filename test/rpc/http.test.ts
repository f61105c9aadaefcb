import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { z } from "zod";
import type { Dispatch } from "../../src/rpc/dispatch.ts";
import { createHttpHandler, type HttpOptions } from "../../src/rpc/http.ts";
import { createMetrics } from "../../src/rpc/metrics.ts";
import { type HttpServer, serveHttp } from "../../src/runtime/index.ts";
import { OPEN_DOOR } from "../support/open-door.ts";
import { connect, raw } from "./raw-http.ts";
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

const logged: { message: string; fields: Record<string, unknown> }[] = [];
const note = (message: string, fields: Record<string, unknown>) => void logged.push({ message, fields });
const log = { error: note, warn: note };
const { bodyBytesMax: BODY_BYTES_MAX } = connectionLimits;
let isReady: () => Promise<boolean> = async () => true;
let ran = 0;
const service = stubService([
  echo,
  stubMethod("run", z.strictObject({}), () => ++ran),
  stubMethod("principal", z.strictObject({}), (_params, call) => call.principal.id),
]);
const options: HttpOptions = {
  dispatch: service.dispatch,
  log,
  stopping: new AbortController().signal,
  limits: httpLimits(),
  sockets: noSockets,
  ...OPEN_DOOR,
  hosts: [],
  origins: [],
  publicUrl: null,
  ready: () => isReady(),
  metrics: createMetrics(log),
  openrpc: { openrpc: "1.3.2" },
};

let server: HttpServer;
beforeAll(async () => {
  server = await serveHttp({
    host: "127.0.0.1",
    port: 0,
    handle: createHttpHandler(options),
    log,
    connections: connectionLimits,
    sockets: socketLimits,
  });
});
afterAll(() => server.stop(0));

const post = (body: BodyInit, headers: Record<string, string> = {}) =>
  fetch(`${server.url}/rpc`, { method: "POST", body, headers: { "content-type": "application/json", ...headers } });
const call = JSON.stringify(request("run"));

describe("POST /rpc", () => {
  test("answers 200 with headers that keep caches and sniffers away", async () => {
    const response = await post(JSON.stringify(request("echo", { a: "é" })));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await response.text()).toBe('{"jsonrpc":"2.0","result":{"a":"é"},"id":1}');
  });

  test.each([["nonsense"], ["[]"], [""], ['{"jsonrpc":"2.0","id":1,"method":"absent"}']])(
    "answers 200 to %j too: errors are JSON-RPC's",
    async (body) => {
      const response = await post(body);
      expect(response.status).toBe(200);
      expect(await response.json()).toHaveProperty("error");
    },
  );

  test("answers 204 and nothing more when there is nothing to answer", async () => {
    const before = ran;
    const response = await post('{"jsonrpc":"2.0","method":"run"}');
    expect(response.status).toBe(204);
    expect(await response.text()).toBe("");
    expect(ran).toBe(before + 1);
  });

  test("says who calls", async () => {
    expect(await (await post(JSON.stringify(request("principal")))).json()).toMatchObject({ result: "anyone" });
  });
});

describe("content type", () => {
  test.each([
    "application/json",
    "Application/JSON",
    "application/json;charset=utf-8",
    "application/json; charset=UTF-8",
    'application/json ; charset="utf-8"',
  ])("%s is taken", async (type) => {
    expect((await post(call, { "content-type": type })).status).toBe(200);
  });

  test.each([
    "text/plain",
    "application/jsonp",
    "application/json-rpc",
    "application/json; charset=latin1",
    "application/json; charset=utf-8; charset=utf-7",
    "application/json; version=1",
    "application/json, text/plain",
    "text/plain; application/json",
    "application/x-www-form-urlencoded",
  ])("%s is 415, and nothing is done", async (type) => {
    const before = ran;
    expect((await post(call, { "content-type": type })).status).toBe(415);
    expect(ran).toBe(before);
  });

  test("none is 415", async () => {
    const head = ["POST /rpc HTTP/1.1", `Host: localhost:${server.port}`, `Content-Length: ${call.length}`];
    expect((await raw(server.port, head, call)).status).toBe(415);
  });

  test("a compressed body is 415", async () => {
    expect((await post(Bun.gzipSync(call), { "content-encoding": "gzip" })).status).toBe(415);
  });
});

describe("size", () => {
  /** A call whose body has exactly so many bytes. */
  const sized = (bytes: number): string => {
    const empty = JSON.stringify(request("run", { a: "" }));
    return JSON.stringify(request("run", { a: "x".repeat(bytes - empty.length) }));
  };
  const inChunks = (text: string): ReadableStream =>
    new ReadableStream({
      start(controller) {
        for (let at = 0; at < text.length; at += 65_536) {
          controller.enqueue(new TextEncoder().encode(text.slice(at, at + 65_536)));
        }
        controller.close();
      },
    });

  test.each([
    ["with its length", (text: string) => text],
    ["in chunks", inChunks],
  ])("4 MiB are read, a byte more is 413: %s", async (_name, bodyOf) => {
    const most = await post(bodyOf(sized(BODY_BYTES_MAX)));
    expect(most.status).toBe(200);
    expect(await most.json()).toMatchObject({ error: { code: -32602 }, id: 1 });
    const more = await post(bodyOf(sized(BODY_BYTES_MAX + 1)));
    expect(more.status).toBe(413);
    expect(await more.json()).toMatchObject({ error: { status: 413 } });
  });

  const head = (...more: string[]): string =>
    ["POST /rpc HTTP/1.1", `Host: localhost:${server.port}`, "Content-Type: application/json", ...more, "", ""].join(
      "\r\n",
    );

  test("a declared length that is too large is 413 before anything else arrives", async () => {
    const connection = await connect(server.port);
    connection.write(head(`Content-Length: ${BODY_BYTES_MAX + 1}`));
    expect(await connection.until(/\r\n\r\n/)).toStartWith("HTTP/1.1 413");
    connection.hangUp();
  });

  test("chunks without an end are 413 when they become too much", async () => {
    const connection = await connect(server.port);
    connection.write(head("Transfer-Encoding: chunked"));
    const size = 1024 * 1024;
    for (let sent = 0; sent < 5; sent++) connection.write(`${size.toString(16)}\r\n${"x".repeat(size)}\r\n`);
    expect(await connection.until(/\r\n\r\n/)).toStartWith("HTTP/1.1 413");
    connection.hangUp();
  });

  test("a length that is a lie does nothing: the caller that hangs up early is not served", async () => {
    const before = ran;
    const connection = await connect(server.port);
    connection.write(head(`Content-Length: ${call.length + 1}`) + call);
    connection.end();
    // The server closes when it has seen that the body ends early.
    await connection.closed;
    expect(ran).toBe(before);
  });

  test.each([
    [["Content-Length: 3", "Transfer-Encoding: chunked"]],
    [["Content-Length: 3", "Content-Length: 4"]],
    [["Content-Length: 1, 2"]],
    [["Content-Length: -1"]],
  ])("lengths that make no sense are refused: %j", async (lengths) => {
    const before = ran;
    const connection = await connect(server.port);
    connection.write(`${head(...lengths)}2\r\n{}\r\n0\r\n\r\n`);
    expect(await connection.closed).toStartWith("HTTP/1.1 400");
    expect(ran).toBe(before);
  });
});

describe("methods and paths", () => {
  test.each(["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])("%s /rpc is 405 and names POST", async (method) => {
    const response = await fetch(`${server.url}/rpc`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST");
  });
  test.each(["POST", "DELETE"])("%s /healthz is 405 and names GET", async (method) => {
    const response = await fetch(`${server.url}/healthz`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("GET, HEAD");
  });
  test.each(["/", "/rpc/", "/RPC", "//rpc", "/rpc2", "/healthz/x", "/%72pc", "/../rpcx", "/toString", "/__proto__"])(
    "%s is 404",
    async (path) => {
      const { status, text } = await raw(server.port, [`POST ${path} HTTP/1.1`, `Host: localhost:${server.port}`]);
      expect(status).toBe(404);
      expect(text).toContain('{"error":{"status":404,');
    },
  );
  test.each(["*", "http://[", "rpc", "http://", "/\\..\\rpc%00", "/\u00ff"])(
    "the target %s does no harm",
    async (target) => {
      const before = logged.length;
      const { status } = await raw(server.port, [`GET ${target} HTTP/1.1`, `Host: localhost:${server.port}`]);
      expect([400, 404]).toContain(status);
      expect(logged.length).toBe(before);
    },
  );
  test("a query is looked over", async () => {
    expect((await fetch(`${server.url}/healthz?probe=1`)).status).toBe(200);
  });
});

describe("pages", () => {
  test("/healthz says that the process is alive", async () => {
    const response = await fetch(`${server.url}/healthz`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: "ok" });
    const head = await fetch(`${server.url}/healthz`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  test("/readyz says whether calls can be served", async () => {
    isReady = async () => true;
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    for (const notReady of [async () => false, () => Promise.reject(new Error("no database"))]) {
      isReady = notReady;
      const response = await fetch(`${server.url}/readyz`);
      expect(response.status).toBe(503);
      expect(response.headers.get("retry-after")).toBe("1");
      expect(await response.text()).not.toContain("no database");
    }
    isReady = async () => true;
  });

  test("/metrics speaks Prometheus' text format", async () => {
    const response = await fetch(`${server.url}/metrics`);
    expect(response.headers.get("content-type")).toStartWith("text/plain; version=0.0.4");
    expect(await response.text()).toContain("# TYPE opensqs_rpc_calls_total counter");
  });

  test("/openrpc.json is the document", async () => {
    expect(await (await fetch(`${server.url}/openrpc.json`)).json()).toEqual({ openrpc: "1.3.2" });
  });
});

test("what fails inside is 500 without a detail, and logged", async () => {
  const failure = new Error("secret");
  const handle = createHttpHandler({ ...options, dispatch: () => Promise.reject(failure) });
  const failing = await serveHttp({
    host: "127.0.0.1",
    port: 0,
    handle,
    log,
    connections: connectionLimits,
    sockets: socketLimits,
  });
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${failing.url}/rpc`, { method: "POST", body: call, headers });
  expect(response.status).toBe(500);
  expect(await response.json()).toEqual({ error: { status: 500, message: "Internal error." } });
  expect(logged.some(({ fields }) => fields.error === failure)).toBe(true);
  await failing.stop(0);
});

test("a call that has been answered leaves nothing on the signal that the service stops by", async () => {
  const stopping = new AbortController();
  let seen: AbortSignal | undefined;
  const dispatch: Dispatch = async (_body, { signal }) => {
    seen = signal;
    return null;
  };
  const handle = createHttpHandler({ ...options, dispatch, stopping: stopping.signal });
  const headers = { host: "localhost:1", "content-type": "application/json" };
  const answered = new Request("http://localhost:1/rpc", { method: "POST", body: call, headers });
  expect(
    (await handle(answered, { remoteAddress: null, localPort: 1, timeout: () => {}, upgrade: () => null })).status,
  ).toBe(204);
  stopping.abort();
  expect(seen?.aborted).toBe(false);
});
