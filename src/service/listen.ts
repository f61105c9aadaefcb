import type { Config } from "../config.ts";
import { pendingMigrations } from "../db/migrate.ts";
import { tasksByState } from "../domain/admin/queries.ts";
import type { RunningEngine } from "../engine/create.ts";
import { Budget, SharedBudget } from "../lib/budget.ts";
import type { Logger } from "../lib/log.ts";
import { shared } from "../lib/shared.ts";
import type { People } from "../people/people.ts";
import { trustedProxies } from "../rpc/address.ts";
import { createDispatcher } from "../rpc/dispatch.ts";
import { HeavyCalls } from "../rpc/heavy-calls.ts";
import { createHttpHandler } from "../rpc/http.ts";
import type { SharedLimits } from "../rpc/limits.ts";
import { LongPolls } from "../rpc/long-polls.ts";
import type { Method } from "../rpc/method.ts";
import { METHODS } from "../rpc/methods/index.ts";
import { createMetrics, type Metrics } from "../rpc/metrics.ts";
import { describeService } from "../rpc/openrpc.ts";
import { createRates } from "../rpc/rates.ts";
import { RpcSockets } from "../rpc/websocket.ts";
import { type HttpServer, serveHttp } from "../runtime/index.ts";
import { VERSION } from "../version.ts";
import { coldSize, type UsedDatabase } from "./database.ts";
import { createEntrance } from "./entrance.ts";

/** Longer than the longest poll (60 s) and the commit behind it: nothing moves on a connection for that long. */
const ANSWER_SECONDS_MAX = 90;
/** A WebSocket whose other side is gone, and with it the claims that wait there, is noticed after so long. */
const SILENT_SECONDS_MAX = 90;

/**
 * A look whether the service is ready takes a connection to the database of its own, and strangers may ask: so one look is for
 * all who ask while it lasts, and this much longer.
 */
const READY_KEPT_MS = 250;

/** Of the bytes of answers, what one caller may leave unread before its own reads are refused. */
const ANSWERS_SHARE = 0.5;
/** Heavy calls of one caller that may wait for those of its own that run. */
const HEAVY_WAITING_MAX = 100;

/** What listening needs of what has been started. */
export interface Started {
  readonly config: Config;
  readonly log: Logger;
  readonly running: RunningEngine;
  readonly used: UsedDatabase;
  /** Null where nobody signs in. */
  readonly people: People | null;
  /** Aborted when the service begins to stop. */
  readonly stopping: AbortSignal;
}

/** Opens the service to callers. */
export async function listen({ config, log, running, used, people, stopping }: Started): Promise<HttpServer> {
  const { engine, context } = running;
  const metrics = createMetrics(log);
  countTasks(metrics, running);
  const methods: readonly Method[] = METHODS as readonly unknown[] as readonly Method[];
  const { document, discover } = describeService(methods, VERSION);
  const dispatch = createDispatcher({
    methods: [...methods, discover],
    engine,
    log,
    observe: metrics.observe,
    checkResults: config.rowChecks,
    ...(config.auth && {
      polls: new LongPolls(config.longPollsPerKey),
      heavy: new HeavyCalls(Math.max(1, coldSize(config) - 1), HEAVY_WAITING_MAX),
    }),
    limits: config,
  });
  const rates = config.auth ? createRates(config.ratePerKey, config.ratePerAddress) : null;
  const common = { dispatch, log, stopping, rates, body: config };
  const limits: SharedLimits = {
    bodies: new Budget(config.bodiesBytesMax),
    calls: new Budget(config.callsMax),
    // Where everybody is let in, all are one.
    answers: new SharedBudget(config.answersBytesMax, config.auth ? ANSWERS_SHARE : 1),
  };
  const sockets = new RpcSockets({
    ...common,
    limits,
    socketsMax: config.socketsMax,
    ...(config.auth && { socketsPerKey: config.socketsPerKey }),
    callsMax: config.socketCallsMax,
    bytesMax: config.socketBytesMax,
  });
  countSockets(metrics, sockets);
  const { bodyBytesMax, bodyTimeoutMs, keepAliveSeconds, connectionsMax } = config;
  const handle = createHttpHandler({
    ...common,
    ...createEntrance(config, context, people, metrics),
    isTrusted: trustedProxies(config.trustedProxies),
    limits: { ...limits, bodyBytesMax, bodyTimeoutMs, keepAliveSeconds },
    sockets,
    hosts: config.allowedHosts,
    origins: config.allowedOrigins,
    publicUrl: config.publicUrl,
    ready: shared(READY_KEPT_MS, () => isReady(used, log)),
    metrics,
    openrpc: document,
  });
  return await serveHttp({
    host: config.host,
    port: config.port,
    handle,
    log,
    connections: {
      bodyBytesMax,
      connectionsMax,
      requestSeconds: Math.min(255, Math.ceil(bodyTimeoutMs / 1000) + ANSWER_SECONDS_MAX),
    },
    sockets: { messageBytesMax: bodyBytesMax, silentSecondsMax: SILENT_SECONDS_MAX },
  });
}

async function isReady(used: UsedDatabase, log: Logger): Promise<boolean> {
  try {
    return (await pendingMigrations(used)).length === 0;
  } catch (error) {
    log.error("Readiness could not be told.", { error });
    return false;
  }
}

function countTasks(metrics: Metrics, { context }: RunningEngine): void {
  metrics.addGauge({
    name: "opensqs_tasks",
    help: "Tasks by queue and state.",
    labelNames: ["project", "queue", "state"],
    async collect() {
      const rows = await context.cold.run((db) => db.any(tasksByState()));
      return rows.map(({ tasks, ...labels }) => ({ labels, value: tasks }));
    },
  });
}

function countSockets(metrics: Metrics, sockets: RpcSockets): void {
  metrics.addGauge({
    name: "opensqs_sockets",
    help: "WebSocket connections that are open.",
    labelNames: [],
    collect: async () => [{ labels: {}, value: sockets.count }],
  });
}
