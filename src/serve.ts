import type { Config } from "./config.ts";
import { createListener, type Listener } from "./db/listen.ts";
import { migrate } from "./db/migrate.ts";
import { settleTls } from "./db/tls-probe.ts";
import { parseDatabaseUrl } from "./db/url.ts";
import { createEngine, type RunningEngine } from "./engine/create.ts";
import { TOPICS } from "./engine/hints.ts";
import type { Logger } from "./lib/log.ts";
import { openPools, type UsedDatabase, useDatabase } from "./service/database.ts";
import { listen } from "./service/listen.ts";
import { openPeople } from "./service/people.ts";
import { Undoing } from "./service/undoing.ts";
import { refuseForgetful, tellOfFirstKey, tellOfHosts, warnOfOpenDoor } from "./service/unsafe.ts";
import { upkeepJobs } from "./upkeep/jobs.ts";
import { type Job, startUpkeep } from "./upkeep/loop.ts";
import { ensurePartitions } from "./upkeep/partitions.ts";
import { VERSION } from "./version.ts";

/** Calls that may wait for a database connection before further ones are refused as overloaded. */
const GATHER_MAX = 5_000;

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
  const { hot, cold, access } = await openPools(config, used, (database) => undoing.add(() => database.end()));
  await refuseForgetful(config, cold, log);
  await tellOfFirstKey(config, cold, log);
  const listener = createListener({ target: await settleTls(parseDatabaseUrl(used.directUrl ?? used.url)), log });
  undoing.add(() => listener.close());
  const running = await createEngine({
    hot,
    cold,
    access,
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

  const stopping = new AbortController();
  const server = await listen({ config, log, running, used, people, stopping: stopping.signal });
  undoing.add(async () => {
    stopping.abort();
    if (!(await server.stop(config.shutdownSeconds)))
      log.warn("calls were cut off", { afterSeconds: config.shutdownSeconds });
  });
  warnOfOpenDoor(config, log);
  tellOfHosts(config, log);
  log.info("listening", { url: server.url, version: VERSION });
  let stopped: Promise<void> | undefined;
  return {
    url: server.url,
    stop() {
      stopped ??= undoing.run(log).then(() => log.info("stopped"));
      return stopped;
    },
  };
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
