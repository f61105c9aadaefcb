import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveBinary } from "dbmate";
import pg from "pg";
import { createPool, sql } from "slonik";
import { z } from "zod";
import { clientConfig, dbmateUrl, slonikTarget, tlsOptions } from "../../src/db/drivers.ts";
import { settleTls } from "../../src/db/tls-probe.ts";
import { parseDatabaseUrl } from "../../src/db/url.ts";
import { hasOpenssl, makeCertificates } from "../support/certificates.ts";
import { startThrowaway, type ThrowawayServer } from "../support/throwaway.ts";

setDefaultTimeout(60_000);

const hostile = "p@ss:w/o?r d#%&=+é";
const encoded = encodeURIComponent(hostile);

describe("what each driver is given", () => {
  const url = `postgres://us%20er:${encoded}@[::1]:6000/d%2Fb?sslmode=require&channel_binding=require&options=-c%20a%3Db%2Bc`;
  const target = parseDatabaseUrl(url);

  test("Slonik: a DSN that its own parser reads back, and TLS by option", () => {
    const { dsn, ssl } = slonikTarget(target);
    expect(dsn).toBe(`postgresql://us%20er:${encoded}@%3A%3A1:6000/d%2Fb?options=-c%20a%3Db%2Bc`);
    expect(ssl).toEqual({ rejectUnauthorized: false });
  });

  test("pg: the plain parts", () => {
    expect(clientConfig(target)).toEqual({
      host: "::1",
      port: 6000,
      user: "us er",
      password: hostile,
      database: "d/b",
      options: "-c a=b+c",
      keepAlive: true,
      ssl: { rejectUnauthorized: false },
    });
    // Not left out: pg would then look for PGSSLMODE in the environment.
    expect(clientConfig(parseDatabaseUrl("postgres://u@localhost/d")).ssl).toBe(false);
  });

  test("dbmate: only parameters that lib/pq knows, and the mode always said", () => {
    const query = new URL(dbmateUrl(target).replace("@:", "@x:")).searchParams;
    expect([...query.keys()].sort()).toEqual(["connect_timeout", "host", "options", "sslmode"]);
    expect(query.get("sslmode")).toBe("require");
    expect(dbmateUrl(parseDatabaseUrl("postgres://u@localhost/d"))).toContain("sslmode=disable");
  });

  test.each([
    ["sslmode=disable", undefined],
    ["sslmode=require", { rejectUnauthorized: false }],
    ["sslmode=no-verify&sslrootcert=/ca.pem", { rejectUnauthorized: false }],
    ["sslmode=verify-full", { rejectUnauthorized: true }],
    ["sslrootcert=system", { rejectUnauthorized: true }],
  ])("%s", (query, expected) => {
    expect(tlsOptions(parseDatabaseUrl(`postgres://u@h/d?${query}`))).toEqual(expected as never);
  });

  test("a certificate that cannot be read is named", () => {
    const missing = parseDatabaseUrl("postgres://u:s3cret@h/d?sslmode=verify-ca&sslrootcert=/nowhere/ca.pem");
    expect(() => tlsOptions(missing)).toThrow("sslrootcert: /nowhere/ca.pem cannot be read");
  });
});

describe.skipIf(!hasOpenssl)("all three drivers on a real server with TLS", () => {
  const folder = mkdtempSync(join(tmpdir(), "opensqs-tls-"));
  let server: ThrowawayServer;
  let port: number;

  beforeAll(async () => {
    makeCertificates(folder);
    // The server may be another user than this process.
    for (const path of [folder, join(folder, "server.crt"), join(folder, "ca.crt")]) chmodSync(path, 0o777);
    server = await startThrowaway({ unix_socket_directories: folder, listen_addresses: "localhost" });
    const owner = statSync(join(server.dataDir, "postgres"));
    chownSync(join(folder, "server.key"), owner.uid, owner.gid);
    port = parseDatabaseUrl(server.url).port;
    const client = new pg.Client(clientConfig(parseDatabaseUrl(server.url)));
    await client.connect();
    await client.query(`alter system set ssl_cert_file = '${folder}/server.crt'`);
    await client.query(`alter system set ssl_key_file = '${folder}/server.key'`);
    await client.query("alter system set ssl = on");
    await client.query("select pg_reload_conf()");
    await client.query(`create role "us er" login password '${hostile}'`);
    await client.end();
  });

  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const STATE = "select coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as ssl";

  async function byPg(url: string): Promise<boolean> {
    const client = new pg.Client(clientConfig(await settleTls(parseDatabaseUrl(url))));
    client.on("error", () => {});
    try {
      await client.connect();
      return (await client.query<{ ssl: boolean }>(STATE)).rows[0]!.ssl;
    } finally {
      await client.end();
    }
  }

  async function bySlonik(url: string): Promise<boolean> {
    const { dsn, ssl } = slonikTarget(await settleTls(parseDatabaseUrl(url)));
    const pool = await createPool(dsn, { ...(ssl ? { ssl } : {}), connectionRetryLimit: 0 });
    try {
      return await pool.oneFirst(
        sql.type(z.object({ ssl: z.boolean() }))`
          select coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as ssl`,
      );
    } finally {
      await pool.end();
    }
  }

  async function byDbmate(url: string): Promise<boolean> {
    const env = { URL: dbmateUrl(await settleTls(parseDatabaseUrl(url))) };
    const { status, stderr } = spawnSync(resolveBinary(), ["--env", "URL", "--env-file", "", "-d", folder, "status"], {
      env,
    });
    if (status !== 0) throw new Error(stderr.toString());
    return true;
  }

  const at = (place: string, query: string) => `postgres://us%20er:${encoded}@${place}/opensqs${query}`;

  test.each([
    ["localhost", "", false],
    ["localhost", "?sslmode=disable", false],
    ["localhost", "?sslmode=allow", true],
    ["localhost", "?sslmode=prefer", true],
    ["localhost", "?sslmode=require&channel_binding=require", true],
    ["127.0.0.1", "?sslmode=require", true],
    ["127.0.0.1", "?sslmode=require&sslrootcert=CA", true],
    ["127.0.0.1", "?sslmode=no-verify&sslrootcert=CA", true],
    ["127.0.0.1", "?sslmode=verify-ca&sslrootcert=CA", true],
    ["localhost", "?sslmode=verify-full&sslrootcert=CA", true],
    ["localhost", "?application_name=a%20b&options=-c%20search_path%3Dpg_catalog", false],
    ["SOCKET", "", false],
  ])("%s%s connects", async (host, query, secure) => {
    const place = `${host.replace("SOCKET", encodeURIComponent(folder))}:${port}`;
    const url = at(place, query.replace("CA", join(folder, "ca.crt")));
    expect(await byPg(url)).toBe(secure);
    expect(await bySlonik(url)).toBe(secure);
    expect(await byDbmate(url)).toBe(true);
  });

  test.each([
    // Signed by an authority that nobody knows; by ours, but for another name.
    ["127.0.0.1", "?sslmode=verify-ca"],
    ["localhost", "?sslmode=verify-full"],
    ["127.0.0.1", "?sslmode=verify-full&sslrootcert=CA"],
  ])("%s%s is refused by each", async (host, query) => {
    const url = at(`${host}:${port}`, query.replace("CA", join(folder, "ca.crt")));
    for (const connect of [byPg, bySlonik, byDbmate]) await expect(connect(url)).rejects.toThrow(/certificate/);
  });
});
