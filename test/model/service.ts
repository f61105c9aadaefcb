/** The service under test, whatever the way to it. */

import { slonikTarget } from "../../src/db/drivers.ts";
import { openDatabase } from "../../src/db/pool.ts";
import { settleTls } from "../../src/db/tls-probe.ts";
import { parseDatabaseUrl } from "../../src/db/url.ts";
import { createEngine } from "../../src/engine/create.ts";
import { createLogger, type Logger } from "../../src/lib/log.ts";
import { createDispatcher, type Dispatch } from "../../src/rpc/dispatch.ts";
import { createHttpHandler } from "../../src/rpc/http.ts";
import type { Method } from "../../src/rpc/method.ts";
import { METHODS } from "../../src/rpc/methods/index.ts";
import { RpcSockets } from "../../src/rpc/websocket.ts";
import { serveHttp } from "../../src/runtime/index.ts";
import { expireLate } from "../../src/upkeep/expire-leases.ts";
import { connectionLimits, httpLimits, socketLimits } from "../rpc/stub-service.ts";
import { OPEN_DOOR } from "../support/open-door.ts";
import { rawRpc } from "../support/service.ts";
import { rawSocketRpc } from "../support/socket.ts";
import type { WireCall } from "./operations.ts";

export type Answer =
  | { readonly result: unknown }
  | { readonly error: { readonly code: number; readonly message: string; readonly data: unknown } };

export interface ServiceUnderTest {
  call(call: WireCall): Promise<Answer>;
  /** Returns once upkeep has taken back the leases that ran out. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

export const TRANSPORTS = { HTTP: rawRpc, WebSocket: rawSocketRpc } as const;
export type Transport = keyof typeof TRANSPORTS;

/**
 * The service without upkeep, so that nothing happens but what the test does: JSON in and out, by one of its transports,
 * so envelope, schemas, group commit and errors are part of it.
 */
export async function serviceUnderTest(databaseUrl: string, transport: Transport): Promise<ServiceUnderTest> {
  const log = createLogger({ level: "error" });
  const common = {
    ...slonikTarget(await settleTls(parseDatabaseUrl(databaseUrl))),
    connectTimeoutMs: 10_000,
    statementTimeoutMs: 30_000,
    idleTimeoutMs: 60_000,
    acquireTimeoutMs: 10_000,
    rowChecks: true,
  };
  const hot = await openDatabase({ ...common, name: "hot", size: 2, indexOnly: true });
  const cold = await openDatabase({ ...common, name: "cold", size: 2, indexOnly: false });
  const { engine, context, close } = await createEngine({
    hot,
    cold,
    log,
    version: "model",
    createQueues: true,
    waitersMax: 10,
    gatherMax: 10,
    listening: () => false,
  });
  const methods = METHODS as readonly unknown[] as readonly Method[];
  const dispatch = createDispatcher({ methods, engine, log, observe: () => () => {}, checkResults: true });
  const server = await serve(dispatch, log);
  return {
    async call({ method, params }) {
      return (await TRANSPORTS[transport](server.url, { jsonrpc: "2.0", id: 1, method, params })) as Answer;
    },
    async sweep() {
      while ((await expireLate(context)) > 0);
    },
    async close() {
      await server.stop();
      await close();
      await hot.end();
      await cold.end();
    },
  };
}

async function serve(dispatch: Dispatch, log: Logger): Promise<{ url: string; stop(): Promise<void> }> {
  const stopping = new AbortController();
  const common = { dispatch, log, stopping: stopping.signal, rates: null, limits: httpLimits() };
  const sockets = new RpcSockets({ ...common, socketsMax: 10, callsMax: 10, bytesMax: 2 ** 25 });
  const metrics = { contentType: "text/plain", text: async () => "" };
  const pages = { ready: async () => true, metrics, openrpc: {} };
  const server = await serveHttp({
    host: "127.0.0.1",
    port: 0,
    handle: createHttpHandler({ ...common, ...OPEN_DOOR, ...pages, sockets, hosts: [], origins: [], publicUrl: null }),
    log,
    connections: connectionLimits,
    sockets: socketLimits,
  });
  return {
    url: server.url,
    async stop() {
      stopping.abort();
      await server.stop(5);
    },
  };
}
