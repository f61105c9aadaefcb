/** Secrets stay where they are: not in a log, an error, an answer, a metric, a list of processes or a child's environment. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import pg from "pg";
import { clientConfig } from "../../src/db/drivers.ts";
import { parseDatabaseUrl } from "../../src/db/url.ts";
import { rawRpc, type SpawnedService, spawnService } from "../support/service.ts";
import { makeTemplate } from "../support/template.ts";
import { startThrowaway, type ThrowawayServer } from "../support/throwaway.ts";
import { until } from "../support/until.ts";
import { type ProcessWatch, watchProcesses } from "./process-watch.ts";

setDefaultTimeout(120_000);

const random = () => crypto.randomUUID().replaceAll("-", "");
const onLinux = process.platform === "linux";

/** Each is looked for as it is; the password also in the forms that a URL gives it. */
const PASSWORD = `Pw/${random()}%`;
const OWN = {
  ADMIN_KEY: `admin-${random()}`,
  AUTH_SECRET: `secret-${random()}-${random()}`,
  OPENSQS_KEY: `osqs_own-${random()}`,
};
const SENT = { bearer: `osqs_sent-${random()}`, query: `osqs_query-${random()}`, basic: `basic-${random()}` };
const MARKER = `MARKER=${random()}`;
const DATABASE = { "database password": PASSWORD.slice(3, 35) };
const ENV = { ...OWN, MARKER: MARKER.slice(7), LOG_LEVEL: "debug" };
/** By name; of the password, the part that no encoding changes. */
const SECRETS: Record<string, string> = { ...OWN, ...SENT, ...DATABASE };

/** Which of the secrets stand in a text. */
const secretsIn = (text: string, more: Record<string, string> = {}) =>
  Object.entries({ ...SECRETS, ...more }).flatMap(([name, secret]) => (text.includes(secret) ? [name] : []));

let watch: ProcessWatch;
beforeEach(() => {
  if (onLinux) watch = watchProcesses(SECRETS, MARKER);
});
afterEach(() => {
  if (onLinux) watch.stop();
});

/** Everything that a service answers to calls good and bad: statuses, headers and bodies. */
async function answersOf(url: string): Promise<string> {
  const answers: string[] = [];
  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${url}${path}`, init);
    answers.push(`${response.status} ${JSON.stringify([...response.headers])} ${await response.text()}`);
  };
  const call = (method: string, params: unknown, headers: Record<string, string> = {}, path = "/rpc") =>
    ask(path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    });
  for (const path of ["/healthz", "/readyz", "/metrics", "/openrpc.json", "/", "/nowhere"]) {
    await ask(path);
    await ask(`${path}?key=${SENT.query}`);
  }
  for (const authorization of [
    `Bearer ${SENT.bearer}`,
    `bearer  ${SENT.bearer}`,
    `Basic ${btoa(`user:${SENT.basic}`)}`,
    `Basic ${SENT.basic}`,
    `Bearer ${OWN.ADMIN_KEY}x`,
    `Bearer ${OWN.ADMIN_KEY}`,
  ]) {
    await call("admin.health", {}, { authorization });
    await call("task.enqueue", { queue: "mail" }, { authorization, cookie: `session=${SENT.bearer}` });
    await call("no.such.method", {}, { authorization });
    await ask("/metrics", { headers: { authorization } });
  }
  await call("task.enqueue", { queue: "mail" }, {}, `/rpc?api_key=${SENT.query}`);
  await call("rpc.discover", {});
  await call("admin.verify", {});
  await call("admin.health", { key: SENT.query });
  await ask("/rpc", { method: "POST", headers: { "content-type": "application/json" }, body: `{"${SENT.query}` });
  await ask(`/api/auth/session?token=${SENT.query}`);
  // A WebSocket's handshake, which browsers can give a key by the address only.
  await ask(`/rpc?key=${SENT.query}`, { headers: { upgrade: "websocket", connection: "upgrade" } });
  return answers.join("\n");
}

/** Runs the program to its end and gives all that it wrote. */
async function outputOf(args: readonly string[], env: Record<string, string>): Promise<string> {
  const main = new URL("../../src/main.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, ...ENV, PORT: "0", CONNECT_TIMEOUT_SECONDS: "2", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect(code).toBe(1);
  return output;
}

describe("a service with its own PostgreSQL", () => {
  let dataDir: string;
  let service: SpawnedService;
  let password: string;

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "opensqs-secrets-"));
    const early = onLinux ? watchProcesses(SECRETS, MARKER) : null;
    service = await spawnService({ ...ENV, DATABASE_URL: "", DATA_DIR: dataDir });
    early?.stop();
    // What made the cluster and the tables was seen, and had none of it.
    if (early) for (const name of ["postgres", "dbmate"]) expect([...early.programs]).toContain(name);
    expect(early?.found() ?? []).toEqual([]);
    password = readFileSync(join(dataDir, "password"), "utf8").trim();
  });
  afterAll(async () => {
    await service?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  test("answers, logs and shows none of them", async () => {
    expect(secretsIn(await answersOf(service.url), { "embedded password": password })).toEqual([]);
    expect(service.log()).toContain('"message":"listening"');
    expect(secretsIn(service.log(), { "embedded password": password })).toEqual([]);
    if (onLinux) expect(watch.found()).toEqual([]);
  });

  test("keeps its password in a file of its owner's, and nothing that others may read has it", () => {
    expect(statSync(join(dataDir, "password")).mode & 0o777).toBe(0o600);
    expect(statSync(join(dataDir, "postgres")).mode & 0o077).toBe(0);
    for (const name of readdirSync(dataDir, { recursive: true }) as string[]) {
      if (name.startsWith("postgres/") || name === "password") continue;
      const info = statSync(join(dataDir, name));
      if (info.isFile())
        expect([name, secretsIn(readFileSync(join(dataDir, name), "utf8"), { password })]).toEqual([name, []]);
    }
  });
});

describe("a service with a database of its own", () => {
  let server: ThrowawayServer;
  let port: number;
  let database: string;

  beforeAll(async () => {
    server = await startThrowaway();
    port = parseDatabaseUrl(server.url).port;
    database = parseDatabaseUrl(await makeTemplate(server.url)).database;
    await execute([
      `create role app superuser login password '${PASSWORD}'`,
      "create role poor login",
      "create database empty",
    ]);
    await execute([`alter role poor password '${PASSWORD}'`]);
  });
  afterAll(() => server?.stop());

  async function execute(statements: readonly string[]): Promise<void> {
    const client = new pg.Client(clientConfig(parseDatabaseUrl(server.url)));
    await client.connect();
    try {
      for (const statement of statements) await client.query(statement);
    } finally {
      await client.end();
    }
  }

  const url = (more: { user?: string; place?: string; name?: string; query?: string } = {}) =>
    `postgres://${more.user ?? "app"}:${encodeURIComponent(PASSWORD)}@${more.place ?? `127.0.0.1:${port}`}/${more.name ?? database}${more.query ?? ""}`;

  test("answers, logs and shows none of them, and only dbmate is given the password", async () => {
    await execute(["drop database empty", "create database empty"]);
    const service = await spawnService({ ...ENV, DATABASE_URL: url({ name: "empty" }) });
    const answers = await answersOf(service.url).finally(() => service.stop());
    expect(await service.ended).toBe(0);
    expect(secretsIn(answers)).toEqual([]);
    expect(secretsIn(service.log())).toEqual([]);
    if (!onLinux) return;
    expect([...watch.programs]).toContain("dbmate");
    expect(watch.found()).toEqual([{ name: "dbmate", kind: "environment", secret: "database password" }]);
  });

  test("nor does it when the database is taken away, or comes to want another password", async () => {
    const service = await spawnService({ ...ENV, DATABASE_URL: url() });
    await execute(["alter role app password 'another'"]);
    try {
      await until("a call is refused", async () => {
        // Again: a connection that was on its way in knew the old password, and was not there to be ended.
        await execute(["select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'"]);
        const { error } = await rawRpc(service.url, {
          jsonrpc: "2.0",
          id: 1,
          method: "task.enqueue",
          params: { queue: "q" },
        });
        return error !== undefined;
      });
      // Which of the failures is written down first is chance: the cut connection, or the refused one.
      await until("the log says why", () =>
        /"level":"warn".*(password authentication failed|terminat)/.test(service.log()),
      );
      expect(secretsIn(await answersOf(service.url))).toEqual([]);
      expect(secretsIn(service.log())).toEqual([]);
    } finally {
      await execute([`alter role app password '${PASSWORD}'`]);
      await service.stop();
    }
    if (onLinux) expect(watch.found()).toEqual([]);
  });

  const FAILURES: [what: string, env: () => Record<string, string>, says: RegExp][] = [
    ["an unknown user", () => ({ DATABASE_URL: url({ user: "nobody" }) }), /password authentication failed/],
    ["a database that there is not", () => ({ DATABASE_URL: url({ name: "nowhere" }) }), /does not exist/],
    ["a port where nobody is", () => ({ DATABASE_URL: url({ place: "127.0.0.1:1" }) }), /ECONNREFUSED/],
    [
      "a host that there is not",
      () => ({ DATABASE_URL: url({ place: "no-such-host.invalid" }) }),
      /ENOTFOUND|EAI_AGAIN|getaddrinfo/,
    ],
    ["TLS that there is not", () => ({ DATABASE_URL: url({ query: "?sslmode=require" }) }), /does not support SSL/],
    [
      "plain text",
      () => ({ DATABASE_URL: url({ place: `0.0.0.0:${port}`, query: "?sslmode=prefer" }) }),
      /offers no TLS/,
    ],
    [
      "a certificate file",
      () => ({ DATABASE_URL: url({ query: "?sslmode=verify-ca&sslrootcert=/nowhere" }) }),
      /sslrootcert: /,
    ],
    ["a user who may not", () => ({ DATABASE_URL: url({ user: "poor", name: "empty" }) }), /permission denied/],
    ["an unknown parameter", () => ({ DATABASE_URL: url({ query: "?sslmod=require" }) }), /unknown parameter/],
    [
      "a slash in the password",
      () => ({ DATABASE_URL: `postgres://app:${PASSWORD}@127.0.0.1:${port}/x` }),
      /port must be|stands after/,
    ],
    ["another kind of URL", () => ({ DATABASE_URL: url().replace("postgres", "mysql") }), /must be a URL/],
    [
      "no place for the listener",
      () => ({ DATABASE_URL: url(), LISTEN_DATABASE_URL: url({ place: "127.0.0.1:1" }) }),
      /ECONNREFUSED/,
    ],
    [
      "keys that are too short",
      () => ({
        DATABASE_URL: url(),
        ADMIN_KEY: SENT.query.slice(0, 15),
        AUTH_SECRET: SENT.query.slice(0, 31),
        OPENSQS_KEY: `${SENT.query} ${SENT.query}`,
      }),
      /ADMIN_KEY must be/,
    ],
  ];

  test.each(FAILURES)("a start that fails over %s says so without them", async (_what, env, says) => {
    await execute([
      "drop database if exists empty",
      "create database empty",
      "revoke create on schema public from public",
    ]);
    for (const command of ["serve", "migrate"]) {
      const output = await outputOf([command], env());
      expect(output).toMatch(says);
      expect(secretsIn(output)).toEqual([]);
      expect(output).not.toContain(SENT.query.slice(0, 15));
    }
    // dbmate may have been tried, and no other program.
    if (onLinux) for (const { name, kind } of watch.found()) expect([name, kind]).toEqual(["dbmate", "environment"]);
  });
});
