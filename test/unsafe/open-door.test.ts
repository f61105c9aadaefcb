/** Listening where others reach the port: with AUTH, or with a word that says that everybody may do everything. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { testDatabase } from "../support/postgres.ts";
import { spawnService } from "../support/service.ts";

const database = testDatabase();
setDefaultTimeout(60_000);

const OPEN = "whoever reaches the service may do everything";

test.each(["0.0.0.0", "::", "127.1", "localhost."])("HOST=%s with AUTH=off does not start", async (HOST) => {
  // Before the database is asked for anything: this one is not there.
  const failed = spawnService({ DATABASE_URL: "postgres://u:p@127.0.0.1:1/d", HOST, AUTH: "off" });
  await expect(failed).rejects.toThrow(
    `AUTH=off with HOST=${HOST} lets everybody who reaches the service do everything: set AUTH=on, or ALLOW_INSECURE=yes.`,
  );
});

test.each([
  { HOST: "0.0.0.0", AUTH: "off", ALLOW_INSECURE: "yes" },
  { AUTH: "off", ALLOW_INSECURE: "yes", PUBLIC_URL: "https://queue.example.com" },
  { HOST: "0.0.0.0" },
  { HOST: "127.0.0.1", AUTH: "off" },
  { HOST: "localhost" },
  {},
] as Record<string, string>[])("%j starts", async (env) => {
  const service = await spawnService({ DATABASE_URL: database.url, LOG_LEVEL: "info", ...env });
  const { status } = await fetch(`${service.url}/healthz`);
  expect(await service.stop()).toBe(0);
  expect(status).toBe(200);
  expect(service.log().includes(OPEN)).toBe(env.ALLOW_INSECURE === "yes");
});

test("names beyond loopback make the log ask for AUTH", async () => {
  const logOf = async (ALLOWED_HOSTS: string) => {
    const service = await spawnService({ DATABASE_URL: database.url, LOG_LEVEL: "info", ALLOWED_HOSTS });
    await service.stop();
    return service.log();
  };
  expect(await logOf("queue.example.com")).toContain('"message":"AUTH is off: if ALLOWED_HOSTS is for a proxy');
  expect(await logOf("localhost:9000,[::1]:9000,127.0.0.1")).not.toContain("AUTH is off");
});
