// A service without a database, started by runtime.test.ts on Bun and on Deno. It tells what happens to it on standard
// output, one JSON object a line, and takes a line on standard input as the sign to answer the calls of `slow`.

import process from "node:process";
import { z } from "zod";
import { createHttpHandler } from "../../src/rpc/http.ts";
import { createMetrics } from "../../src/rpc/metrics.ts";
import { describeService } from "../../src/rpc/openrpc.ts";
import { RpcSockets } from "../../src/rpc/websocket.ts";
import { argv, exit, onSignals, runtimeName, serveHttp } from "../../src/runtime/index.ts";
import { connectionLimits, echo, httpLimits, socketLimits, stubMethod, stubService } from "../rpc/stub-service.ts";
import { OPEN_DOOR } from "../support/open-door.ts";

const tell = (event: string, more: object = {}): void =>
  void process.stdout.write(`${JSON.stringify({ event, ...more })}\n`);
const log = {
  error: (message: string, fields: Record<string, unknown>) => tell("error", { message, text: String(fields.error) }),
  warn: (message: string, fields: Record<string, unknown>) => tell("warn", { message, ...fields }),
};
const nothing = z.strictObject({});
const stopping = new AbortController();
const go = new Promise((resolve) => process.stdin.once("data", resolve));

// Nobody is left to stop this process when the test's own has ended.
process.stdin.on("end", () => exit(1));

const methods = [
  echo,
  // A long poll as a waiting claim is one: it ends when its caller is gone or the service stops.
  stubMethod("hold", nothing, async (_params, { signal }) => {
    tell("holding");
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    tell("let go");
    return "let go";
  }),
  stubMethod("slow", nothing, async () => {
    tell("working");
    await go;
    return "done";
  }),
  stubMethod("endless", nothing, async () => {
    tell("working");
    await new Promise(() => {});
  }),
];
const { document, discover } = describeService(methods, "1.2.3");
const metrics = createMetrics(log);
const { dispatch } = stubService([...methods, discover], { log, observe: metrics.observe });
const common = { dispatch, log, stopping: stopping.signal, rates: null, limits: httpLimits() };
const handle = createHttpHandler({
  ...common,
  ...OPEN_DOOR,
  sockets: new RpcSockets({ ...common, socketsMax: 5, callsMax: 200, bytesMax: 32 * 1024 * 1024 }),
  metrics,
  hosts: [],
  origins: [],
  publicUrl: null,
  ready: async () => true,
  openrpc: document,
});

const server = await serveHttp({
  host: "127.0.0.1",
  port: 0,
  log,
  connections: connectionLimits,
  // The shortest silence that Bun can notice.
  sockets: { ...socketLimits, silentSecondsMax: 8 },
  handle(request, connection) {
    if (new URL(request.url).pathname === "/connection") return Promise.resolve(Response.json(connection));
    if (new URL(request.url).pathname === "/broken") return Promise.reject(new Error("secret"));
    return handle(request, connection);
  },
});
onSignals(async (signal) => {
  tell("stopping", { signal });
  stopping.abort();
  const finished = await server.stop(Number(argv()[0]));
  tell("stopped", { finished });
  exit(0);
});
tell("listening", { port: server.port, url: server.url, runtime: runtimeName });
