/** The service under test, whatever the way to it. */
import { slonikTarget } from "../../src/db/drivers.ts";
import { openDatabase } from "../../src/db/pool.ts";
import { settleTls } from "../../src/db/tls-probe.ts";
import { parseDatabaseUrl } from "../../src/db/url.ts";
import { createEngine } from "../../src/engine/create.ts";
import { createLogger } from "../../src/lib/log.ts";
import { createDispatcher } from "../../src/rpc/dispatch.ts";
import type { Method } from "../../src/rpc/method.ts";
import { METHODS } from "../../src/rpc/methods/index.ts";
import { expireLate } from "../../src/upkeep/expire-leases.ts";
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

/**
 * The service without its sockets and without upkeep, so that nothing happens but what the test does: JSON in and out,
 * through the dispatcher, so envelope, schemas and errors are part of it.
 */
export async function inProcess(databaseUrl: string): Promise<ServiceUnderTest> {
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
  const call = { project: "default", signal: new AbortController().signal };
  return {
    async call({ method, params }) {
      return JSON.parse((await dispatch(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }), call))!);
    },
    async sweep() {
      while ((await expireLate(context)) > 0);
    },
    async close() {
      await close();
      await hot.end();
      await cold.end();
    },
  };
}
