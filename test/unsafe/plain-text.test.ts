/** Connections to a database on another machine: not in plain text unless the URL says so by name, on every way there. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, chownSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer, connect as dial, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import pg from "pg";
import { clientConfig } from "../../src/db/drivers.ts";
import { parseDatabaseUrl } from "../../src/db/url.ts";
import { hasOpenssl, makeCertificates } from "../support/certificates.ts";
import { spawnService } from "../support/service.ts";
import { makeTemplate } from "../support/template.ts";
import { startThrowaway, type ThrowawayServer } from "../support/throwaway.ts";

setDefaultTimeout(120_000);

/** Reaches this machine, and counts as another one: only what is loopback by its text is taken for it. */
const ELSEWHERE = "0.0.0.0";
const PASSWORD = "s3cret-of-the-database";

/** PostgreSQL's SSLRequest, by which a client asks whether there is TLS. */
const QUESTION = "\x00\x00\x00\x08\x04\xd2\x16\x2f";

let plain: ThrowawayServer;
let plainPort: number;
/** Of a migrated database, by loopback. */
let localUrl: string;
let database: string;

async function addUser(server: ThrowawayServer): Promise<void> {
  await execute(server.url, [`create role app superuser login password '${PASSWORD}'`]);
}

async function execute(url: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client(clientConfig(parseDatabaseUrl(url)));
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

beforeAll(async () => {
  plain = await startThrowaway();
  plainPort = parseDatabaseUrl(plain.url).port;
  await addUser(plain);
  localUrl = await makeTemplate(plain.url);
  database = parseDatabaseUrl(localUrl).database;
});
afterAll(() => plain?.stop());

const at = (port: number, query: string) => `postgres://app:${PASSWORD}@${ELSEWHERE}:${port}/${database}${query}`;

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;

/** What the process says before it ends; fails if it listens. */
async function refusalOf(env: Record<string, string>, command = "serve"): Promise<string> {
  const started = spawnService({ LOG_LEVEL: "info", ...env }, [process.execPath, MAIN, command]);
  return await started.then(
    async (service) => {
      await service.stop();
      throw new Error(`The service started:\n${service.log()}`);
    },
    (error: Error) => error.message,
  );
}

/** Stands between the service and PostgreSQL and keeps what the service sends; may say itself that there is no TLS. */
async function startSpy(port: number, denyTls: boolean) {
  let sent = "";
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const database = dial({ host: "127.0.0.1", port });
    let first = true;
    for (const socket of [client, database]) sockets.add(socket.on("error", () => {}));
    client.on("close", () => database.destroy());
    database.on("close", () => client.destroy());
    database.pipe(client);
    client.on("data", (bytes) => {
      sent += bytes.toString("latin1");
      if (first && denyTls && bytes.length === 8) client.write("N");
      else database.write(bytes);
      first = false;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    sent: () => sent,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("a server without TLS, on another machine", () => {
  test.each(["prefer", "allow"])(
    "sslmode=%s is refused, with the variable and the way out, before anything is sent",
    async (mode) => {
      const spy = await startSpy(plainPort, false);
      try {
        const said = await refusalOf({ DATABASE_URL: at(spy.port, `?sslmode=${mode}`) });
        expect(said).toContain(
          `opensqs: DATABASE_URL: ${ELSEWHERE}:${spy.port}/${database} offers no TLS, so sslmode=${mode} would`,
        );
        expect(said).toContain("write sslmode=disable if");
        expect(said).not.toContain(PASSWORD);
        // The question whether there is TLS, and nothing else.
        expect(spy.sent()).toBe(QUESTION);
      } finally {
        await spy.close();
      }
    },
  );

  test.each(["", "?sslmode=require", "?sslmode=no-verify", "?sslmode=verify-ca", "?sslmode=verify-full"])(
    "%p gets no connection, and nothing but the question is sent",
    async (query) => {
      const spy = await startSpy(plainPort, false);
      try {
        const said = await refusalOf({ DATABASE_URL: at(spy.port, query) });
        expect(said).toMatch(/does not support SSL/);
        expect(spy.sent()).toContain(QUESTION);
        expect(spy.sent().replaceAll(QUESTION, "")).toBe("");
      } finally {
        await spy.close();
      }
    },
  );

  test("sslmode=disable is taken, and the log says what that means", async () => {
    const service = await spawnService({ DATABASE_URL: at(plainPort, "?sslmode=disable"), LOG_LEVEL: "info" });
    expect(await service.stop()).toBe(0);
    expect(service.log()).toContain("the connection to the database is not encrypted, as asked for");
  });

  test("LISTEN_DATABASE_URL is held to the same, and so is opensqs migrate", async () => {
    const prefer = at(plainPort, "?sslmode=prefer");
    const listening = { DATABASE_URL: localUrl, LISTEN_DATABASE_URL: prefer };
    expect(await refusalOf(listening)).toContain("opensqs: LISTEN_DATABASE_URL: ");
    expect(await refusalOf({ ...listening, MIGRATE_ON_START: "off" })).toContain("opensqs: LISTEN_DATABASE_URL: ");
    expect(await refusalOf({ DATABASE_URL: prefer }, "migrate")).toContain("opensqs: DATABASE_URL: ");
  });
});

test("on this machine plain text is what one gets without asking", async () => {
  for (const query of ["", "?sslmode=prefer"]) {
    const url = `postgres://app:${PASSWORD}@127.0.0.1:${plainPort}/${database}${query}`;
    const service = await spawnService({ DATABASE_URL: url, LOG_LEVEL: "info" });
    expect(await service.stop()).toBe(0);
    expect(service.log()).not.toMatch(/encrypted|certificate/);
  }
});

describe.skipIf(!hasOpenssl)("a server with TLS, on another machine", () => {
  const folder = mkdtempSync(join(tmpdir(), "opensqs-tls-"));
  let server: ThrowawayServer;
  let port: number;

  beforeAll(async () => {
    makeCertificates(folder);
    for (const path of [folder, join(folder, "server.crt"), join(folder, "ca.crt")]) chmodSync(path, 0o755);
    server = await startThrowaway();
    const owner = statSync(join(server.dataDir, "postgres"));
    chownSync(join(folder, "server.key"), owner.uid, owner.gid);
    port = parseDatabaseUrl(server.url).port;
    await addUser(server);
    await execute(server.url, [
      `create database ${database}`,
      `alter system set ssl_cert_file = '${folder}/server.crt'`,
      `alter system set ssl_key_file = '${folder}/server.key'`,
      "alter system set ssl = on",
      "select pg_reload_conf()",
    ]);
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each([
    ["", "the certificate of the database is not checked: sslmode=verify-full would keep impostors out"],
    [
      "?sslmode=require",
      "the certificate of the database is not checked: sslmode=verify-full would keep impostors out",
    ],
    ["?sslmode=prefer", "the certificate of the database is not checked: sslmode=verify-full would keep impostors out"],
    ["?sslmode=no-verify", "the certificate of the database is not checked, as asked for"],
    ["?sslmode=verify-ca&sslrootcert=CA", null],
  ])("%p is encrypted, and the log says what it leaves open", async (query, line) => {
    const spy = await startSpy(port, false);
    try {
      const url = at(spy.port, query.replace("CA", join(folder, "ca.crt")));
      const service = await spawnService({ DATABASE_URL: url, LOG_LEVEL: "info" });
      expect(await service.stop()).toBe(0);
      if (line === null) expect(service.log()).not.toMatch(/certificate/);
      else expect(service.log()).toContain(`"message":"${line}"`);
      // The names of tables would be in it.
      expect(spy.sent()).not.toMatch(/task_ready|select|user/);
    } finally {
      await spy.close();
    }
  });

  test.each(["?sslmode=prefer", "?sslmode=allow", "", "?sslmode=require"])(
    "%p with somebody between who denies it is refused",
    async (query) => {
      const spy = await startSpy(port, true);
      try {
        expect(await refusalOf({ DATABASE_URL: at(spy.port, query) })).toMatch(/offers no TLS|does not support SSL/);
        expect(spy.sent()).toContain(QUESTION);
        expect(spy.sent().replaceAll(QUESTION, "")).toBe("");
      } finally {
        await spy.close();
      }
    },
  );

  test.each(["?sslmode=verify-full&sslrootcert=CA", "?sslmode=verify-ca"])(
    "%p refuses a certificate that is not its own",
    async (query) => {
      const said = await refusalOf({ DATABASE_URL: at(port, query.replace("CA", join(folder, "ca.crt"))) });
      expect(said).toMatch(/certificate/i);
      expect(said).not.toContain(PASSWORD);
    },
  );
});
