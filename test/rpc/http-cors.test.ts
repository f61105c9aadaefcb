/** What pages of other origins are told, and what every answer carries. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { z } from "zod";
import { createHttpHandler, type HttpOptions } from "../../src/rpc/http.ts";
import { createMetrics } from "../../src/rpc/metrics.ts";
import { type HttpServer, serveHttp } from "../../src/runtime/index.ts";
import { OPEN_DOOR } from "../support/open-door.ts";
import { raw } from "./raw-http.ts";
import {
  connectionLimits,
  httpLimits,
  noSockets,
  request,
  socketLimits,
  stubMethod,
  stubService,
} from "./stub-service.ts";

const LISTED = "https://console.example.com";
const log = { error: () => {}, warn: () => {} };
const { dispatch } = stubService([stubMethod("run", z.strictObject({}), () => "ran")]);
const options: HttpOptions = {
  dispatch,
  log,
  limits: httpLimits(),
  stopping: new AbortController().signal,
  sockets: noSockets,
  ...OPEN_DOOR,
  hosts: [],
  origins: [LISTED],
  publicUrl: "https://queue.example.com",
  ready: async () => true,
  metrics: createMetrics(log),
  openrpc: {},
};
const serve = (more: Partial<HttpOptions> = {}) =>
  serveHttp({
    host: "127.0.0.1",
    port: 0,
    handle: createHttpHandler({ ...options, ...more }),
    log,
    connections: connectionLimits,
    sockets: socketLimits,
  });

let server: HttpServer;
beforeAll(async () => {
  server = await serve();
});
afterAll(() => server.stop(0));

const call = JSON.stringify(request("run"));
const ask = (path: string, init: RequestInit = {}, headers: Record<string, string> = {}) =>
  fetch(`${server.url}${path}`, { ...init, headers });
const post = (headers: Record<string, string>, body = call) =>
  ask("/rpc", { method: "POST", body }, { "content-type": "application/json", ...headers });
const corsOf = ({ headers }: Response) => [...headers.keys()].filter((name) => name.startsWith("access-control-"));

describe("a page of a listed origin", () => {
  const preflightOf = (path: string, origin: string) =>
    ask(
      path,
      { method: "OPTIONS" },
      {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
      },
    );

  test("may send calls with a key or a cookie: the preflight says so", async () => {
    const response = await preflightOf("/rpc", LISTED);
    expect(response.status).toBe(204);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "access-control-allow-origin": LISTED,
      "access-control-allow-credentials": "true",
      "access-control-allow-methods": "POST",
      "access-control-allow-headers": "authorization, content-type",
      vary: "origin",
    });
  });

  test("may read answers, those that refuse it too", async () => {
    for (const response of [
      await post({ origin: LISTED }),
      await post({ origin: LISTED, "content-type": "text/plain" }),
      await ask("/healthz", {}, { origin: LISTED }),
      await ask("/none", {}, { origin: LISTED }),
    ]) {
      expect(response.headers.get("access-control-allow-origin")).toBe(LISTED);
      expect(response.headers.get("access-control-allow-credentials")).toBe("true");
      expect(response.headers.get("access-control-expose-headers")).toBe("retry-after");
      expect(response.headers.get("vary")).toBe("origin");
    }
  });

  test("is told what may be asked where", async () => {
    expect((await preflightOf("/healthz", LISTED)).headers.get("access-control-allow-methods")).toBe("GET, HEAD");
    expect((await preflightOf("/none", LISTED)).status).toBe(404);
    // Without what makes it a preflight, it is a method like others.
    expect((await ask("/rpc", { method: "OPTIONS" }, { origin: LISTED })).status).toBe(405);
  });

  test.each([
    "https://evil.example",
    "https://console.example.com.evil.example",
    "http://console.example.com",
    "https://console.example.com:8443",
    "null",
    "*",
  ])("nobody else is: %s", async (origin) => {
    for (const response of [await preflightOf("/rpc", origin), await post({ origin })]) {
      expect(response.status).toBe(403);
      expect(corsOf(response)).toEqual([]);
    }
  });

  test("our own origins need no leave, and programs neither", async () => {
    const own = { host: "queue.example.com", origin: "https://queue.example.com" };
    for (const response of [await post(own), await post({ origin: server.url }), await post({})]) {
      expect(response.status).toBe(200);
      expect(corsOf(response)).toEqual([]);
    }
    expect((await preflightOf("/rpc", server.url)).status).toBe(405);
  });
});

test("every answer says what nobody may do with it", async () => {
  const answers: [number, Response][] = [
    [200, await post({})],
    [204, await post({}, '{"jsonrpc":"2.0","method":"run"}')],
    [403, await post({ host: "evil.example" })],
    [404, await ask("/none")],
    [405, await ask("/rpc")],
    [413, await post({}, "x".repeat(connectionLimits.bodyBytesMax + 1))],
    [415, await post({ "content-type": "text/plain" })],
    [426, await ask("/rpc", {}, { upgrade: "websocket", connection: "upgrade", "sec-websocket-version": "8" })],
    ...(await Promise.all(
      ["/healthz", "/readyz", "/metrics", "/openrpc.json"].map(
        async (path): Promise<[number, Response]> => [200, await ask(path)],
      ),
    )),
  ];
  for (const [status, response] of answers) {
    expect(response.status).toBe(status);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "cache-control": "no-store",
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
    });
    for (const name of ["server", "x-powered-by", "via"]) expect(response.headers.has(name)).toBe(false);
  }
});

test("browsers are told to come by https, where the service is reached so", async () => {
  for (const response of [await post({}), await ask("/none"), await post({ host: "evil.example" })])
    expect(response.headers.get("strict-transport-security")).toBe("max-age=31536000");
  for (const publicUrl of [null, "http://queue.example.com"]) {
    const plain = await serve({ publicUrl });
    expect((await fetch(`${plain.url}/healthz`)).headers.has("strict-transport-security")).toBe(false);
    await plain.stop(0);
  }
});

test("TRACE gives nothing back, and CONNECT opens nothing: its connection ends", async () => {
  const host = `Host: localhost:${server.port}`;
  const { status, text } = await raw(server.port, ["TRACE /rpc HTTP/1.1", host, "Cookie: secret"]);
  expect(status).toBe(405);
  expect(text).toContain("allow: POST");
  expect(text).not.toContain("secret");
  const tunnel = await raw(server.port, ["CONNECT localhost:1 HTTP/1.1", host]);
  expect(tunnel.status).toBe(405);
  expect(tunnel.text.toLowerCase()).toContain("connection: close");
});
