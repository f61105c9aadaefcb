import { randomUUID } from "node:crypto";
import type { Config } from "./config.ts";
import { slonikTarget } from "./db/drivers.ts";
import { startEmbedded } from "./db/embedded.ts";
import { createListener, type Listener } from "./db/listen.ts";
import { type MigrateOptions, migrate, pendingMigrations } from "./db/migrate.ts";
import { type Database, openDatabase } from "./db/pool.ts";
import { settleTls } from "./db/tls-probe.ts";
import { parseDatabaseUrl } from "./db/url.ts";
import { tasksByState } from "./domain/admin/queries.ts";
import { createEngine, type RunningEngine } from "./engine/create.ts";
import { TOPICS } from "./engine/hints.ts";
import { createEntrance } from "./entrance.ts";
import { Budget } from "./lib/budget.ts";
import type { Logger } from "./lib/log.ts";
import type { NewPerson } from "./people/accounts.ts";
import type { People } from "./people/people.ts";
import { createDispatcher } from "./rpc/dispatch.ts";
import { createHttpHandler } from "./rpc/http.ts";
import type { SharedLimits } from "./rpc/limits.ts";
import { LongPolls } from "./rpc/long-polls.ts";
import type { Method } from "./rpc/method.ts";
import { METHODS } from "./rpc/methods/index.ts";
import { createMetrics } from "./rpc/metrics.ts";
import { describeService } from "./rpc/openrpc.ts";
import { createRates } from "./rpc/rates.ts";
import { RpcSockets } from "./rpc/websocket.ts";
import { serveHttp } from "./runtime/index.ts";
import { refuseForgetful, refusePlainText, warnOfOpenDoor } from "./unsafe.ts";
import { upkeepJobs } from "./upkeep/jobs.ts";
import { type Job, startUpkeep } from "./upkeep/loop.ts";
import { ensurePartitions } from "./upkeep/partitions.ts";
import { VERSION } from "./version.ts";

/** Calls that may wait for a database connection before further ones are refused as overloaded. */
const GATHER_MAX = 5_000;
/** Shares of POOL_SIZE: the engine's statements, and everything else. */
const HOT_SHARE = 0.7;
/** Beside POOL_SIZE, for people: one may hash within a transaction while others are asked who they are. */
const PEOPLE_CONNECTIONS = 3;
/** Longer than the longest poll (60 s) and the commit behind it: nothing moves on a connection for that long. */
const ANSWER_SECONDS_MAX = 90;
/** A WebSocket whose other side is gone, and with it the claims that wait there, is noticed after so long. */
const SILENT_SECONDS_MAX = 90;

export const MIGRATIONS_DIR = new URL("../db/migrations", import.meta.url).pathname;

/** Undoes, newest first, what starting has done so far. */
class Undoing {
  readonly #steps: (() => Promise<unknown>)[] = [];
  add(step: () => Promise<unknown>): void {
    this.#steps.unshift(step);
  }
  async run(log: Logger): Promise<void> {
    for (const step of this.#steps) {
      try {
        await step();
      } catch (error) {
        log.error("a part did not stop cleanly", { error });
      }
    }
  }
}

/** The database the configuration names, or the embedded one, started. */
export interface UsedDatabase extends MigrateOptions {
  /** Brings the embedded server back if it was killed. */
  revive(): Promise<void>;
  stop(): Promise<void>;
}

export async function useDatabase(config: Config, log: Logger): Promise<UsedDatabase> {
  await refusePlainText(config, log);
  const common = { migrationsDir: MIGRATIONS_DIR, log };
  if (config.databaseUrl !== null)
    return {
      ...common,
      url: config.databaseUrl,
      directUrl: config.listenDatabaseUrl,
      revive: async () => {},
      stop: async () => {},
    };
  const embedded = await startEmbedded({ dataDir: config.dataDir, log });
  return { ...common, url: embedded.url, revive: () => embedded.revive(), stop: () => embedded.stop() };
}

export interface Service {
  readonly url: string;
  /** Takes no new calls, lets running ones end, and stops everything that was started. */
  stop(): Promise<void>;
}

/** Starts the service: database, migrations, engine, upkeep, and last the listening socket. */
export async function startService(config: Config, log: Logger): Promise<Service> {
  const undoing = new Undoing();
  try {
    return await start(config, log, undoing);
  } catch (error) {
    await undoing.run(log);
    throw error;
  }
}

async function start(config: Config, log: Logger, undoing: Undoing): Promise<Service> {
  const used = await useDatabase(config, log);
  undoing.add(() => used.stop());
  if (config.migrateOnStart) await migrate(used);
  const { hot, cold } = await openPools(config, used, undoing);
  await refuseForgetful(config, cold, log);
  const listener = createListener({
    target: await settleTls(parseDatabaseUrl(used.directUrl ?? used.url)),
    log,
  });
  undoing.add(() => listener.close());
  const running = await createEngine({
    hot,
    cold,
    log,
    version: VERSION,
    createQueues: config.autoCreateQueues,
    waitersMax: config.longPollMax,
    gatherMax: GATHER_MAX,
    sizes: config,
    listening: () => listener.isUp,
  });
  undoing.add(() => running.close());
  connectHints(running, listener);
  await ensurePartitions(running.context);
  const people = config.auth ? await openPeople(config, used, cold, log) : null;
  if (people) undoing.add(() => people.close());
  const upkeep = startUpkeep([...upkeepJobs(running.context), reviveJob(used)], log);
  undoing.add(() => upkeep.stop());
  return await listen(config, log, running, used, people, undoing);
}

async function openPools(
  config: Config,
  used: UsedDatabase,
  undoing: Undoing,
): Promise<{ hot: Database; cold: Database }> {
  const target = slonikTarget(await settleTls(parseDatabaseUrl(used.url)));
  const hotSize = Math.max(1, Math.round(config.poolSize * HOT_SHARE));
  const common = {
    ...target,
    connectTimeoutMs: config.connectTimeoutMs,
    statementTimeoutMs: config.statementTimeoutMs,
    idleTimeoutMs: config.idleTimeoutMs,
    acquireTimeoutMs: config.acquireTimeoutMs,
    rowChecks: config.rowChecks,
    durable: !config.allowUnsafeDatabase,
  };
  const hot = await openDatabase({ ...common, name: "hot", size: hotSize, indexOnly: true });
  undoing.add(() => hot.end());
  const cold = await openDatabase({
    ...common,
    name: "cold",
    size: Math.max(1, config.poolSize - hotSize),
    indexOnly: false,
  });
  undoing.add(() => cold.end());
  return { hot, cold };
}

/** People's own connections; what they need is loaded only where somebody signs in, for it takes memory and time. */
async function openPeople(config: Config, used: UsedDatabase, cold: Database, log: Logger): Promise<People> {
  const [{ createPeople }, { sharedSecret }] = await Promise.all([
    import("./people/people.ts"),
    import("./people/secret.ts"),
  ]);
  return createPeople({
    ...(await peopleOptions(config, used, log)),
    secret: config.authSecret ?? (await sharedSecret(cold)),
  });
}

async function peopleOptions(config: Config, used: UsedDatabase, log: Logger) {
  return {
    target: await settleTls(parseDatabaseUrl(used.url)),
    connections: PEOPLE_CONNECTIONS,
    connectTimeoutMs: config.connectTimeoutMs,
    statementTimeoutMs: config.statementTimeoutMs,
    idleTimeoutMs: config.idleTimeoutMs,
    signUp: config.signUp,
    publicUrl: config.publicUrl,
    attemptsPerMinute: config.signInLimit,
    log,
  };
}

/** Makes an account in the database that the configuration names, without a service; gives its id. */
export async function createUser(config: Config, log: Logger, person: NewPerson): Promise<string> {
  const used = await useDatabase(config, log);
  try {
    if (config.migrateOnStart) await migrate(used);
    const { createPeople } = await import("./people/people.ts");
    // It signs nothing in this process.
    const people = createPeople({ ...(await peopleOptions(config, used, log)), secret: randomUUID() + randomUUID() });
    try {
      return await people.createUser(person);
    } finally {
      await people.close();
    }
  } finally {
    await used.stop();
  }
}

function connectHints({ context }: RunningEngine, listener: Listener): void {
  for (const hints of [context.wakeups, context.waiters.ends, context.waiters.progress]) {
    for (const topic of TOPICS) listener.listen(hints.channels[topic], (payload) => hints.heard(topic, payload));
    listener.onStateChange((up) => up && hints.reconnected());
    hints.connect({
      notify: (topic, payload) => void listener.notify(hints.channels[topic], payload).catch(() => {}),
    });
  }
}

function reviveJob(used: UsedDatabase): Job {
  return {
    name: "embedded PostgreSQL",
    everyMs: 1_000,
    async run() {
      await used.revive();
      return false;
    },
  };
}

async function listen(
  config: Config,
  log: Logger,
  { engine, context }: RunningEngine,
  used: UsedDatabase,
  people: People | null,
  undoing: Undoing,
): Promise<Service> {
  const methods: readonly Method[] = METHODS as readonly unknown[] as readonly Method[];
  const { document, discover } = describeService(methods, VERSION);
  const metrics = createMetrics(log);
  metrics.addGauge({
    name: "opensqs_tasks",
    help: "Tasks by queue and state.",
    labelNames: ["project", "queue", "state"],
    collect: async () =>
      (await context.cold.run((db) => db.any(tasksByState()))).map(({ tasks, ...labels }) => ({
        labels,
        value: tasks,
      })),
  });
  const dispatch = createDispatcher({
    methods: [...methods, discover],
    engine,
    log,
    observe: metrics.observe,
    checkResults: config.rowChecks,
    ...(config.auth && { polls: new LongPolls(config.longPollsPerKey) }),
    limits: config,
  });
  const stopping = new AbortController();
  const rates = config.auth ? createRates(config.ratePerKey, config.ratePerAddress) : null;
  const common = { dispatch, log, stopping: stopping.signal, rates, body: config };
  const limits: SharedLimits = { bodies: new Budget(config.bodiesBytesMax), calls: new Budget(config.callsMax) };
  const sockets = new RpcSockets({
    ...common,
    limits,
    socketsMax: config.socketsMax,
    callsMax: config.socketCallsMax,
    bytesMax: config.socketBytesMax,
  });
  const { bodyBytesMax, bodyTimeoutMs, keepAliveSeconds, connectionsMax } = config;
  metrics.addGauge({
    name: "opensqs_sockets",
    help: "WebSocket connections that are open.",
    labelNames: [],
    collect: async () => [{ labels: {}, value: sockets.count }],
  });
  const handle = createHttpHandler({
    ...common,
    ...createEntrance(config, context, people, metrics),
    trustedProxies: config.trustedProxies,
    limits: { ...limits, bodyBytesMax, bodyTimeoutMs, keepAliveSeconds },
    sockets,
    hosts: config.allowedHosts,
    origins: config.allowedOrigins,
    publicUrl: config.publicUrl,
    ready: async () => (await pendingMigrations(used)).length === 0,
    metrics,
    openrpc: document,
  });
  const server = await serveHttp({
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
  warnOfOpenDoor(config, log);
  log.info("listening", { url: server.url, version: VERSION });
  let stopped: Promise<void> | undefined;
  undoing.add(async () => {
    stopping.abort();
    if (!(await server.stop(config.shutdownSeconds)))
      log.warn("calls were cut off", { afterSeconds: config.shutdownSeconds });
  });
  return {
    url: server.url,
    stop() {
      stopped ??= undoing.run(log).then(() => log.info("stopped"));
      return stopped;
    },
  };
}
