import { join, resolve } from "node:path";
import type { Logger } from "../lib/log.ts";
import { type Cluster, makeDataDir, openCluster } from "./embedded/cluster.ts";
import type { Postmaster } from "./embedded/postmaster.ts";
import { appear, disappear, inTurn, isRunning, ownName, presentIn } from "./embedded/presence.ts";
import { findServer, openDatabase, type Settings, startServer, stopServer } from "./embedded/server.ts";

export { EmbeddedError } from "./embedded/error.ts";

export interface EmbeddedOptions {
  /** Made if it is not there; holds data, password and log. */
  readonly dataDir: string;
  readonly log: Logger;
  /** Beyond postgresql.conf; do not reach a server that already runs. */
  readonly settings?: Settings;
}

export interface EmbeddedPostgres {
  /** Of database opensqs, with the generated password. Loopback only. Stays the same when the server is revived. */
  readonly url: string;
  /** Of the server's first process. */
  readonly pid: number;
  /** Starts the server again, on the same port, if its first process was killed. Cheap while it runs. */
  revive(): Promise<void>;
  /** Leaves the server, and stops it if no other service uses it. May be called again. */
  stop(): Promise<void>;
}

/**
 * Gives a PostgreSQL 18 that runs on DATA_DIR/postgres: one that already does (shared with a service started before, or left
 * by one that crashed), or a new one. Services that start and stop at once take turns. Throws EmbeddedError.
 */
export async function startEmbedded({ dataDir, log, settings = {} }: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const root = resolve(dataDir);
  const users = join(root, "users");
  const name = ownName();
  const turn = <T>(work: () => Promise<T>) => inTurn(join(root, "turns"), work);
  await makeDataDir(root);

  const { cluster, url, ...first } = await turn(async () => {
    const opened = await openCluster(root, settings.fsync !== "off", log);
    await appear(users, name);
    try {
      const found = await findOrStart(opened, settings, log);
      return { cluster: opened, url: await openDatabase(opened, found.port), ...found };
    } catch (error) {
      await leave(opened, users, name, log).catch(() => {});
      throw error;
    }
  });
  let pid = first.pid;
  let left: Promise<void> | undefined;
  return {
    url,
    get pid() {
      return pid;
    },
    revive: async () => {
      if (isRunning(pid) || left) return;
      const revived = await turn(() => findOrStart(cluster, settings, log, first.port));
      pid = revived.pid;
    },
    stop: () => {
      left ??= turn(() => leave(cluster, users, name, log));
      return left;
    },
  };
}

async function findOrStart(cluster: Cluster, settings: Settings, log: Logger, port?: number): Promise<Postmaster> {
  const found = await findServer(cluster, log);
  const server = found ?? (await startServer(cluster, settings, port));
  log.info(found ? "using the PostgreSQL that runs" : "started PostgreSQL", { pid: server.pid, port: server.port });
  return server;
}

/** Within a turn only, so that nobody comes to count on the server between the look and the stop. */
async function leave(cluster: Cluster, users: string, name: string, log: Logger): Promise<void> {
  await disappear(users, name);
  if ((await presentIn(users)).length > 0) return;
  if (await stopServer(cluster)) log.info("stopped PostgreSQL");
}
