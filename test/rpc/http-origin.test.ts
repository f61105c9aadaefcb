import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHttpHandler } from "../../src/rpc/http.ts";
import { createMetrics } from "../../src/rpc/metrics.ts";
import { type HttpServer, serveHttp } from "../../src/runtime/index.ts";
import { OPEN_DOOR } from "../support/open-door.ts";
import { connect, raw } from "./raw-http.ts";
import { connectionLimits, httpLimits, noSockets, request, socketLimits } from "./stub-service.ts";

// The checks of Host and Origin over a socket, where no client repairs what is sent.

const log = { error: () => {}, warn: () => {} };
let ran = 0;
let server: HttpServer;
beforeAll(async () => {
  const handle = createHttpHandler({
    dispatch: async () => String(++ran),
    log,
    stopping: new AbortController().signal,
    limits: httpLimits(),
    sockets: noSockets,
    ...OPEN_DOOR,
    hosts: ["Queue.Example.com", "queue.example.com:8443"],
    origins: ["https://console.example.com"],
    publicUrl: "https://public.example.com",
    ready: async () => true,
    metrics: createMetrics(log),
    openrpc: {},
  });
  server = await serveHttp({
    host: "127.0.0.1",
    port: 0,
    handle,
    log,
    connections: connectionLimits,
    sockets: socketLimits,
  });
});
afterAll(() => server.stop(0));

const call = JSON.stringify(request("run"));

const status = async (path: string, lines: string[]) =>
  (await raw(server.port, [`GET ${path} HTTP/1.1`, ...lines.map((line) => line.replaceAll("PORT", `${server.port}`))]))
    .status;

test.each([
  [["Host: 127.0.0.1:PORT"]],
  [["Host: localhost:PORT"]],
  [["Host: LocalHost:PORT"]],
  [["Host: [::1]:PORT"]],
  [["Host: queue.example.com"]],
  [["Host: queue.example.com:8443"]],
  [["Host: localhost:PORT", "Origin: http://127.0.0.1:PORT"]],
  [["Host: localhost:PORT", "Origin: http://[::1]:PORT"]],
  [["Host: queue.example.com", "Origin: https://queue.example.com"]],
  [["Host: queue.example.com", "Origin: https://console.example.com"]],
  [["Host: public.example.com"]],
  [["Host: PUBLIC.example.com", "Origin: https://public.example.com"]],
  [["Host: localhost:PORT", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"]],
  [["Host: localhost:PORT", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: no-cors"]],
  [["Host: localhost:PORT", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"]],
  [["Host: localhost:PORT", "Origin: https://console.example.com", "Sec-Fetch-Site: cross-site"]],
])("%j is ours", async (lines) => {
  expect(await status("/healthz", lines)).toBe(200);
});

test.each([
  [["Host: localhost"]],
  [["Host: localhost:1"]],
  [["Host: 127.0.0.1"]],
  [["Host: evil.example:PORT"]],
  [["Host: localhost.:PORT"]],
  [["Host: localhost.evil.example:PORT"]],
  [["Host: evil.localhost:PORT"]],
  [["Host: 127.0.0.2:PORT"]],
  [["Host: queue.example.com:PORT"]],
  [["Host: localhost:PORT, evil.example"]],
  [["Host: localhost:PORT", "Origin: null"]],
  [["Host: localhost:PORT", "Origin: http://localhost"]],
  [["Host: localhost:PORT", "Origin: https://localhost:PORT"]],
  [["Host: localhost:PORT", "Origin: http://evil.example"]],
  [["Host: localhost:PORT", "Origin: http://localhost:PORT.evil.example"]],
  [["Host: localhost:PORT", "Origin: http://localhost:PORT http://evil.example"]],
  [["Host: localhost:PORT", "Origin: console.example.com"]],
  [["Host: localhost:PORT", "Origin:"]],
  [["Host:"]],
  [["Host: localhost:PORT", "Host: localhost:PORT"]],
  [["Host: evil.example", "Host: localhost:PORT"]],
  [["Host: localhost:0PORT"]],
  [["Host: localhost:"]],
  [["Host: user@localhost:PORT"]],
  [["Host: localhost:PORT@evil.example"]],
  [["Host: localhost:PORT/"]],
  [["Host: localhost:PORT#"]],
  [["Host: localhost:PORT evil.example"]],
  [["Host: http://localhost:PORT"]],
  [["Host: ::1:PORT"]],
  [["Host: [0:0:0:0:0:0:0:1]:PORT"]],
  [["Host: [::ffff:127.0.0.1]:PORT"]],
  [["Host: [::1%25lo]:PORT"]],
  [["Host: 127.1:PORT"]],
  [["Host: 2130706433:PORT"]],
  [["Host: 0.0.0.0:PORT"]],
  [["Host: 127.0.0.1.:PORT"]],
  [["Host: l\u00f6calhost:PORT"]],
  [["Host: public.example.com:PORT"]],
  [["Host: public.example.com."]],
  [["Host: public.example.com", "Origin: http://public.example.com"]],
  [["Host: public.example.com", "Origin: https://public.example.com:8443"]],
  [["Host: public.example.com", "Origin: https://public.example.com/"]],
  [["Host: localhost:PORT", "Origin: http://localhost:PORT", "Origin: http://evil.example"]],
  [["Host: localhost:PORT", "Origin: http://evil.example", "Origin: http://localhost:PORT"]],
  [["Host: localhost:PORT", "Origin: http://user@localhost:PORT"]],
  [["Host: localhost:PORT", "Origin: file://"]],
  [["Host: localhost:PORT", "Origin: chrome-extension://localhost:PORT"]],
  [["Host: localhost:PORT", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"]],
  [["Host: localhost:PORT", "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors"]],
  [["Host: localhost:PORT", "Sec-Fetch-Site: cross-site"]],
  [["Host: localhost:PORT", "Origin: http://evil.example", "Sec-Fetch-Site: same-origin"]],
])("%j is 403", async (lines) => {
  expect(await status("/healthz", lines)).toBe(403);
});

test("hold for calls, for pages and for paths that there are not", async () => {
  const before = ran;
  const head = ["POST /rpc HTTP/1.1", "Host: evil.example", "Content-Type: application/json"];
  expect((await raw(server.port, [...head, `Content-Length: ${call.length}`], call)).status).toBe(403);
  expect(ran).toBe(before);
  for (const path of ["/metrics", "/openrpc.json", "/readyz", "/none"]) {
    expect(await status(path, ["Host: evil.example"])).toBe(403);
  }
});

test("a form that a page elsewhere sends without an Origin is none of ours, not even by navigating", async () => {
  const before = ran;
  const lines = ["Content-Type: application/json", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"];
  const head = ["POST /rpc HTTP/1.1", `Host: localhost:${server.port}`, ...lines, `Content-Length: ${call.length}`];
  expect((await raw(server.port, head, call)).status).toBe(403);
  expect(ran).toBe(before);
});

test("a connection that brought what is not ours ends, with whatever stands behind it", async () => {
  const before = ran;
  const connection = await connect(server.port);
  const lines = [`Host: localhost:${server.port}`, "Content-Type: application/json", `Content-Length: ${call.length}`];
  const behind = `POST /rpc HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${call}`;
  connection.write(`GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n${behind}`);
  expect((await connection.closed).match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 403"]);
  expect(ran).toBe(before);
});

test("two Host lines do not pass, and none does not either", async () => {
  expect([400, 403]).toContain(await status("/healthz", ["Host: localhost:PORT", "Host: evil.example"]));
  expect([400, 403]).toContain(await status("/healthz", []));
  const old = await connect(server.port);
  old.write("GET /healthz HTTP/1.0\r\n\r\n");
  expect(await old.closed).toMatch(/^HTTP\/1\.[01] 403/);
});

test("a whole URL as target changes nothing: the Host line counts", async () => {
  const target = "GET http://evil.example/healthz HTTP/1.1";
  expect((await raw(server.port, [target, `Host: localhost:${server.port}`])).status).toBe(200);
  expect((await raw(server.port, [`GET ${server.url}/healthz HTTP/1.1`, "Host: evil.example"])).status).toBe(403);
});
