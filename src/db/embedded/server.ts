import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import type { Logger } from "../../lib/log.ts";
import { type Cluster, NAME } from "./cluster.ts";
import { EmbeddedError, errorCode } from "./error.ts";
import { disownPidFile, type Postmaster, readPostmaster, servesCluster } from "./postmaster.ts";
import { run } from "./run.ts";

/** Settings of the server, as in postgresql.conf. */
export type Settings = Readonly<Record<string, string>>;

/** Recovery after a crash reads back up to max_wal_size of log; on a slow disk that takes minutes, not seconds. */
const START_TIMEOUT_SECONDS = 300;
const STOP_TIMEOUT_SECONDS = 60;
const CONNECT_TIMEOUT_MS = 10_000;
const POLL_MS = 100;
const RETRY_MS = 500;
const PORT_ATTEMPTS = 5;

/** The rest comes from postgresql.conf in the cluster's folder, where whoever runs the service may tune it. */
const FIXED: Settings = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  // The queue's statements are short; compiling one costs more than it can win.
  jit: "off",
  timezone: "UTC",
  log_timezone: "UTC",
};

/** The server of this cluster that already runs (left by a crashed service, or shared with another), ready to be used. */
export async function findServer(cluster: Cluster, log: Logger): Promise<Postmaster | null> {
  const deadline = performance.now() + START_TIMEOUT_SECONDS * 1000;
  let waited = false;
  while (performance.now() < deadline) {
    const found = await readPostmaster(cluster.folder);
    if (found === null || !(await servesCluster(found.pid, cluster.folder, cluster.identity))) {
      if (found !== null) log.info("the last PostgreSQL ended without stopping", { pid: found.pid });
      await disownPidFile(cluster.folder);
      return null;
    }
    if (found.ready && (await answers(cluster, found.port))) return found;
    // It is starting, recovering or stopping; either it will be ready, or its file will be gone.
    if (!waited) log.info("waiting for a PostgreSQL that is starting or stopping", { pid: found.pid });
    waited = true;
    await delay(POLL_MS);
  }
  throw new EmbeddedError(`A PostgreSQL runs on ${cluster.folder} and does not answer; see ${cluster.logFile}.`);
}

async function answers(cluster: Cluster, port: number): Promise<boolean> {
  try {
    await withClient(cluster, port, async () => {});
    return true;
  } catch (error) {
    if (error instanceof EmbeddedError) throw error;
    // It is there, and merely has all its connections taken.
    return errorCode(error) === "53300";
  }
}

/** Runs `work` on a connection of its own to the server's maintenance database. */
async function withClient<T>(cluster: Cluster, port: number, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const { password } = cluster;
  const target = { host: "127.0.0.1", port, user: NAME, password, database: "postgres", ssl: false };
  const client = new pg.Client({ ...target, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // A server that goes down between two statements is reported here as well; the statement itself fails too.
  client.on("error", () => {});
  try {
    await client.connect();
    return await work(client);
  } catch (cause) {
    if (errorCode(cause) !== "28P01") throw cause;
    throw new EmbeddedError(`The password kept beside ${cluster.folder} is not that of its database.`, { cause });
  } finally {
    await client.end().catch(() => {});
  }
}

/** Starts the server on `port`, or on a free one, and waits until it takes connections. */
export async function startServer(cluster: Cluster, settings: Settings, port?: number): Promise<Postmaster> {
  const deadline = performance.now() + STOP_TIMEOUT_SECONDS * 1000;
  for (let attempt = 1; ; attempt += 1) {
    const failure = await launch(cluster, { ...FIXED, ...settings, port: String(port ?? (await freePort())) });
    if (failure === null) break;
    // Somebody else took the port in the moment between finding and binding it.
    const portTaken = failure.includes("Address already in use") && attempt < PORT_ATTEMPTS;
    // The old server was killed and its backends have not noticed yet.
    const oldLingers = failure.includes("is still in use") && performance.now() < deadline;
    if (!portTaken && !oldLingers)
      throw new EmbeddedError(`PostgreSQL does not start (see ${cluster.logFile}):\n${failure}`);
    await delay(RETRY_MS);
  }
  const started = await readPostmaster(cluster.folder);
  if (started === null) throw new EmbeddedError(`PostgreSQL ended right after its start; see ${cluster.logFile}.`);
  return started;
}

/** null: the server runs; else what pg_ctl and the server's log say. */
async function launch({ folder, logFile, binaries, identity }: Cluster, settings: Settings): Promise<string | null> {
  const logged = (await stat(logFile)).size;
  // pg_ctl makes the server leader of a session of its own, so that Ctrl-C on the service does not reach it.
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${shellQuoted(value)}`);
  const wait = ["--wait", `--timeout=${START_TIMEOUT_SECONDS}`];
  const args = ["start", `--pgdata=${folder}`, `--log=${logFile}`, ...wait, `--options=${options.join(" ")}`];
  const { code, output } = await run(identity.as({ file: binaries.pgCtl, args }));
  if (code === 0) return null;
  const said = (await readFile(logFile)).subarray(logged).toString();
  return `${output}\n${said}`.trim().split("\n").slice(-20).join("\n");
}

function shellQuoted(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** Stops the server, connections or not; what was committed is on the disk. False: it did not run any more. */
export async function stopServer({ folder, logFile, binaries, identity }: Cluster): Promise<boolean> {
  const running = await readPostmaster(folder);
  // pg_ctl signals whoever has the number in postmaster.pid; after a crash of the server that may be a stranger.
  if (running === null || !(await servesCluster(running.pid, folder, identity))) return false;
  const args = ["stop", `--pgdata=${folder}`, "--mode=fast", "--wait", `--timeout=${STOP_TIMEOUT_SECONDS}`];
  const { code, output } = await run(identity.as({ file: binaries.pgCtl, args }));
  if (code === 0 || (await readPostmaster(folder)) === null) return true;
  throw new EmbeddedError(`PostgreSQL does not stop: ${output}; see ${logFile}.`);
}

/** Makes the service's database if it is not there, and gives its URL. */
export async function openDatabase(cluster: Cluster, port: number): Promise<string> {
  await withClient(cluster, port, async (client) => {
    const { rowCount } = await client.query("select from pg_database where datname = $1", [NAME]);
    if (rowCount === 0) await client.query(`create database ${NAME}`);
  });
  return `postgresql://${NAME}:${cluster.password}@127.0.0.1:${port}/${NAME}?sslmode=disable`;
}
