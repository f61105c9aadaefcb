/** People on Deno: the same accounts, the same cookies. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { testDatabase } from "../support/postgres.ts";
import { spawnService, startInstance } from "../support/service.ts";
import { browser, PASSWORD, signedIn, wrong } from "./support.ts";

setDefaultTimeout(60_000);

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const database = testDatabase();

test("signs up, in and out on Deno, and a session holds on Bun too", async () => {
  const { runInstall } = createRequire(import.meta.url)("deno/install_api.cjs") as { runInstall(): string };
  const env = { AUTH: "on", SIGN_UP: "open", SIGN_IN_LIMIT: "8" };
  const command = [runInstall(), "run", "--quiet", "--no-lock", "-A", MAIN, "serve"];
  const deno = await spawnService({ ...env, DATABASE_URL: database.url }, command);
  const bun = await startInstance(database.url, env);
  try {
    const { page, email } = await signedIn(deno.url);
    expect((await page.get("/get-session")).body.user.email).toBe(email);
    const there = browser(bun.url);
    for (const [name, value] of page.cookies) there.cookies.set(name, value);
    expect((await there.get("/get-session")).body.user.email).toBe(email);
    // What one runtime hashed, the other verifies.
    expect((await there.post("/sign-in/email", { email, password: PASSWORD })).status).toBe(200);
    expect((await page.post("/sign-out")).status).toBe(200);
    expect((await page.get("/get-session")).body).toBeNull();

    const stranger = browser(deno.url);
    expect((await stranger.post("/sign-in/email", { email: [], password: "a\u0000" })).body.code).toBe(
      "VALIDATION_ERROR",
    );
    expect((await stranger.post("/sign-in/email", `"${"x".repeat(16_384)}"`)).status).toBe(413);
    expect((await stranger.get("/ok")).status).toBe(404);
    const statuses = new Set<number>();
    for (let at = 0; at < 8; at++) statuses.add((await stranger.post("/sign-in/email", wrong)).status);
    expect(statuses).toEqual(new Set([401, 429]));
    expect(deno.log()).not.toContain(PASSWORD);
  } finally {
    await bun.stop();
    expect(await deno.stop()).toBe(0);
  }
});
