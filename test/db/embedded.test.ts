import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isRunning } from "../../src/db/embedded/presence.ts";
import { type EmbeddedPostgres, startEmbedded } from "../../src/db/embedded.ts";
import { createLogger } from "../../src/lib/log.ts";
import { withClient } from "../support/template.ts";
import { guard } from "../support/throwaway.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const SERVICE = `${import.meta.dir}/../support/embedded-service.ts`;
const log = createLogger({ level: "error" });

/** A cluster that was made and stopped, to be copied: making one is most of what these tests would wait for. */
const model = mkdtempSync(join(tmpdir(), "opensqs-embedded-model-"));
let dataDir: string;
let services: ChildProcessWithoutNullStreams[];
let others: ChildProcess[];
/** Ends what a test left running, also when the test run itself is killed. */
let release: () => void;

const releaseModel = guard(model);

beforeAll(async () => {
  await (await startIn(model)).stop();
});

afterAll(() => releaseModel());

beforeEach(() => {
  // One that only its owner can enter: for root, whose server is another user, the harder case.
  dataDir = mkdtempSync(join(tmpdir(), "opensqs-embedded-"));
  release = guard(dataDir);
  services = [];
  others = [];
});

afterEach(async () => {
  for (const child of [...services, ...others]) child.kill("SIGKILL");
  // Whatever a test has done, this finds its server, and as the only user stops it.
  if (existsSync(join(dataDir, "postgres", "postmaster.pid"))) await (await start()).stop();
  release();
});

/** Puts a cluster in place that has been used before; its files keep their owner. */
function useModel(): void {
  execFileSync("cp", ["-a", `${model}/.`, dataDir]);
}

function start(): Promise<EmbeddedPostgres> {
  return startIn(dataDir);
}

function startIn(folder: string): Promise<EmbeddedPostgres> {
  return startEmbedded({ dataDir: folder, log, settings: { fsync: "off" } });
}

/** A process of the server's user that is no server; PostgreSQL would take it for one. Gives its id. */
function stranger(): number {
  const { uid, gid } = statSync(join(dataDir, "postgres"));
  const child = spawn("sleep", ["60"], {
    cwd: "/",
    stdio: "ignore",
    ...(process.getuid?.() === 0 ? { uid, gid } : {}),
  });
  others.push(child);
  return child.pid!;
}

interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts a service as a process of its own, leader of its own process group as under a shell. */
async function startService(command = [process.execPath, SERVICE]): Promise<Running> {
  const child = spawn(command[0]!, [...command.slice(1), dataDir], { detached: true, stdio: "pipe" });
  services.push(child);
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  let output = "";
  let errors = "";
  child.stdout.on("data", (text) => {
    output += text;
  });
  child.stderr.on("data", (text) => {
    errors += text;
  });
  const line = await until("the service has a server", () => {
    if (child.exitCode !== null) throw new Error(`The service ended: ${errors}`);
    return output.includes("\n") && output;
  });
  const stop = async () => {
    child.stdin.end();
    await ended;
  };
  return { child, stop, ...(JSON.parse(line) as { url: string; pid: number }) };
}

async function kill(service: Running): Promise<void> {
  service.child.kill("SIGKILL");
  await until("the service is dead", () => service.child.signalCode !== null);
}

const one = async (url: string, query: string) =>
  (await withClient(url, (client) => client.query<{ value: unknown }>(query))).rows[0]?.value;

describe("a new cluster", () => {
  test("is closed to everybody but the owner of its password, and set up as documented", async () => {
    const server = await start();
    const setting = (name: string) => one(server.url, `select current_setting('${name}') as value`);
    expect(statSync(join(dataDir, "password")).mode & 0o777).toBe(0o600);
    expect(statSync(join(dataDir, "postgres")).mode & 0o777).toBe(0o700);
    expect(server.url).toContain(readFileSync(join(dataDir, "password"), "utf8").trim());
    expect(await setting("listen_addresses")).toBe("127.0.0.1");
    expect(await setting("unix_socket_directories")).toBe("");
    expect(await setting("jit")).toBe("off");
    expect(await setting("server_encoding")).toBe("UTF8");
    expect(await setting("server_version")).toStartWith("18.");
    expect(await one(server.url, "select current_database() as value")).toBe("opensqs");
    expect(await one(server.url, "select rolpassword as value from pg_authid where rolname = user")).toStartWith(
      "SCRAM-SHA-256$",
    );
    const database = "from pg_database where datname = 'opensqs'";
    expect(await one(server.url, `select datlocprovider::text || datlocale as value ${database}`)).toBe("bC.UTF-8");
    await expect(one(server.url.replace(/:[^:@]+@/, ":wrong@"), "select 1 as value")).rejects.toThrow("password");
    expect(
      await one(server.url, "select bool_and(auth_method = 'scram-sha-256') as value from pg_hba_file_rules"),
    ).toBe(true);
    if (process.getuid?.() === 0) expect(statSync(join(dataDir, "postgres")).uid).not.toBe(0);
    await server.stop();
  });

  test("keeps its data between starts, and its server runs only as long as it is used", async () => {
    useModel();
    const first = await start();
    await withClient(first.url, (client) => client.query("create table kept as select 42 as value"));
    await first.stop();
    await first.stop();
    expect(isRunning(first.pid)).toBe(false);
    const second = await start();
    expect(second.pid).not.toBe(first.pid);
    expect(await one(second.url, "select value from kept")).toBe(42);
    await second.stop();
  });
});

describe("after a crash", () => {
  test("of the service, the next start takes the server over and its stop ends it", async () => {
    useModel();
    const crashed = await startService();
    await kill(crashed);
    expect(isRunning(crashed.pid)).toBe(true);
    const next = await start();
    expect({ pid: next.pid, url: next.url }).toEqual({ pid: crashed.pid, url: crashed.url });
    await next.stop();
    expect(isRunning(crashed.pid)).toBe(false);
  });

  test("of service and server, the next start begins anew with what was committed", async () => {
    useModel();
    const crashed = await startService();
    await withClient(crashed.url, (client) => client.query("create table kept as select 42 as value"));
    await kill(crashed);
    process.kill(crashed.pid, "SIGKILL");
    const next = await start();
    expect(next.pid).not.toBe(crashed.pid);
    expect(await one(next.url, "select value from kept")).toBe(42);
    await next.stop();
  });

  test.each([
    [
      "names a process that has nothing to do with it",
      () => `${stranger()}\n${dataDir}/postgres\n1\n5432\n\n\n\nready\n`,
    ],
    ["names nobody", () => `4194303\n${dataDir}/postgres\n1\n5432\n\n\n\nready\n`],
    ["is empty", () => ""],
  ])("of the machine, a postmaster.pid that %s does no harm", async (_, text) => {
    useModel();
    writeFileSync(join(dataDir, "postgres", "postmaster.pid"), text());
    const next = await start();
    expect(await one(next.url, "select 42 as value")).toBe(42);
    await next.stop();
    expect(others.every(({ exitCode, signalCode }) => exitCode === null && signalCode === null)).toBe(true);
  });

  test("of the server, stopping does not hit the process that has its number now", async () => {
    useModel();
    const server = await start();
    process.kill(server.pid, "SIGKILL");
    await until("the server is dead", () => !isRunning(server.pid));
    writeFileSync(
      join(dataDir, "postgres", "postmaster.pid"),
      `${stranger()}\n${dataDir}/postgres\n1\n5432\n\n\n\nready\n`,
    );
    await server.stop();
    // A signal that was sent would end it at once, so a later one cannot be what is seen first.
    expect(others[0]!.kill("SIGUSR1")).toBe(true);
    await until("the stranger has ended", () => others[0]!.signalCode !== null);
    expect(others[0]!.signalCode).toBe("SIGUSR1");
  });

  test("of the server alone, revive brings it back under the same URL", async () => {
    useModel();
    const server = await start();
    const { pid, url } = server;
    await server.revive();
    expect(server.pid).toBe(pid);
    process.kill(pid, "SIGKILL");
    await until("the server is dead", () => !isRunning(pid));
    await server.revive();
    expect(server.pid).not.toBe(pid);
    expect(server.url).toBe(url);
    expect(await one(url, "select 42 as value")).toBe(42);
    await server.stop();
    expect(isRunning(server.pid)).toBe(false);
  });

  test("in the middle of making the cluster, the next start makes it", async () => {
    const child = spawn(process.execPath, [SERVICE, dataDir], { detached: true, stdio: "pipe" });
    services.push(child);
    // Among the first of initdb's files, wherever it works.
    const begun = ["postgres.new", "postgres"].map((folder) => join(dataDir, folder, "PG_VERSION"));
    await until("initdb is at work", () => begun.some((file) => existsSync(file)), { everyMs: 1 });
    process.kill(-child.pid!, "SIGKILL");
    await until("the service is dead", () => child.signalCode !== null);
    const next = await start();
    expect(await one(next.url, "select 42 as value")).toBe(42);
    await next.stop();
  });
});

test("a password file that others could read is closed again", async () => {
  useModel();
  chmodSync(join(dataDir, "password"), 0o644);
  await (await start()).stop();
  expect(statSync(join(dataDir, "password")).mode & 0o777).toBe(0o600);
});

describe("several services", () => {
  test("that start at once on a new folder share one server, which the last one stops", async () => {
    const running = await Promise.all([startService(), startService(), startService()]);
    const [first, second, third] = running as [Running, Running, Running];
    expect(new Set(running.map(({ pid }) => pid)).size).toBe(1);
    await Promise.all([first.stop(), second.stop()]);
    expect(await one(third.url, "select 42 as value")).toBe(42);
    await third.stop();
    expect(isRunning(third.pid)).toBe(false);
  });

  test("a killed one is not counted", async () => {
    useModel();
    const [crashed, lasting] = [await startService(), await startService()];
    await kill(crashed);
    await lasting.stop();
    expect(isRunning(lasting.pid)).toBe(false);
  });

  test("Ctrl-C reaches the service and not the server", async () => {
    useModel();
    const service = await startService();
    process.kill(-service.child.pid!, "SIGINT");
    await until("the service has ended", () => service.child.signalCode !== null || service.child.exitCode !== null);
    expect(isRunning(service.pid)).toBe(true);
    expect(await one(service.url, "select 42 as value")).toBe(42);
  });

  test("on Deno works on the data made on Bun", async () => {
    useModel();
    const bun = await startService();
    const deno = `${import.meta.dir}/../../node_modules/.bin/deno`;
    const other = await startService([deno, "run", "--allow-all", SERVICE]);
    expect({ pid: other.pid, url: other.url }).toEqual({ pid: bun.pid, url: bun.url });
    await bun.stop();
    expect(await one(other.url, "select 42 as value")).toBe(42);
    await other.stop();
    expect(isRunning(other.pid)).toBe(false);
  });
});

describe("what cannot work is said plainly", () => {
  test("a folder that cannot be written", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "opensqs-embedded-")), "file");
    writeFileSync(file, "");
    await expect(startEmbedded({ dataDir: file, log })).rejects.toThrow(/DATA_DIR .* cannot be written .*DATABASE_URL/);
    rmSync(dirname(file), { recursive: true });
  });

  test("a path that PostgreSQL's programs would misread", async () => {
    await expect(startEmbedded({ dataDir: `${dataDir}/a"b`, log })).rejects.toThrow("DATA_DIR");
  });

  test("data of another major version", async () => {
    useModel();
    const version = join(dataDir, "postgres", "PG_VERSION");
    writeFileSync(version, "17\n");
    await expect(start()).rejects.toThrow("made by PostgreSQL 17");
    writeFileSync(version, "18\n");
  });

  test("a lost password", async () => {
    useModel();
    const path = join(dataDir, "password");
    const password = readFileSync(path, "utf8");
    rmSync(path);
    await expect(start()).rejects.toThrow("password");
    writeFileSync(path, "another\n");
    await expect(start()).rejects.toThrow("password");
    writeFileSync(path, password);
  });

  test("a server that refuses to start shows its log, and nothing is left running", async () => {
    useModel();
    const failing = startEmbedded({ dataDir, log, settings: { fsync: "off", shared_buffers: "nonsense" } });
    await expect(failing).rejects.toThrow(/shared_buffers/);
    expect(existsSync(join(dataDir, "postgres", "postmaster.pid"))).toBe(false);
    truncateSync(join(dataDir, "postgres.log"));
    expect(await one((await start()).url, "select 42 as value")).toBe(42);
  });
});
