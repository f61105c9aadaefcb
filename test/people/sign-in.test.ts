/** People over real HTTP: signing up, in and out. */
import { expect, test } from "bun:test";
import { SECURITY_HEADERS } from "../../src/lib/http-headers.ts";
import { withClient } from "../support/postgres.ts";
import { rawRpc, startInstance, testService } from "../support/service.ts";
import { browser, PASSWORD, signedIn } from "./support.ts";

const ON = { AUTH: "on", SIGN_IN_LIMIT: "1000" };
const service = testService({ ...ON, SIGN_UP: "open" });

const rows = (text: string, values: unknown[] = []) =>
  withClient(service.databaseUrl, async (client) => (await client.query(text, values)).rows);

test("signs up, signs in, tells who is signed in, and signs out", async () => {
  const page = browser(service.url);
  const made = await page.post("/sign-up/email", { name: " Ada ", email: "Ada@Example.com", password: PASSWORD });
  expect(made.status).toBe(200);
  expect(made.body).toMatchObject({
    user: { name: "Ada", email: "ada@example.com", emailVerified: false },
  });
  expect((await page.get("/get-session")).body).toMatchObject({ user: { email: "ada@example.com" } });
  await page.post("/sign-out");

  const entered = await page.post("/sign-in/email", { email: "ADA@example.com", password: PASSWORD });
  expect(entered.status).toBe(200);
  const who = await page.get("/get-session");
  expect(who.body).toMatchObject({ user: { email: "ada@example.com", name: "Ada" } });
  expect(who.headers.get("cache-control")).toBe("no-store");
  for (const [name, value] of Object.entries(SECURITY_HEADERS))
    expect([name, who.headers.get(name)]).toEqual([name, value]);
  expect(who.headers.get("content-type")).toBe("application/json");

  const before = new Map(page.cookies);
  const sessions = () =>
    rows(`select s.id from session s join "user" u on u.id = s."userId" where u.email = 'ada@example.com'`);
  expect(await sessions()).toHaveLength(1);
  expect(await page.post("/sign-out")).toMatchObject({ status: 200, body: { success: true } });
  expect(page.cookies.size).toBe(0);
  expect(await sessions()).toEqual([]);
  // A cookie that somebody kept is worth nothing.
  const thief = browser(service.url);
  for (const [name, value] of before) thief.cookies.set(name, value);
  expect((await thief.get("/get-session")).body).toBeNull();
});

test("the cookie is out of reach of scripts and other sites, and lasts a week", async () => {
  const { page, email } = await signedIn(service.url);
  const { setCookies } = await page.post("/sign-in/email", { email, password: PASSWORD });
  expect(setCookies).toHaveLength(1);
  expect(setCookies[0]).toMatch(/^opensqs\.session_token=/);
  expect(setCookies[0]).toMatch(/; HttpOnly/i);
  expect(setCookies[0]).toMatch(/; SameSite=Lax/i);
  expect(setCookies[0]).toMatch(/; Path=\//i);
  expect(setCookies[0]).toMatch(/; Max-Age=604800/i);
  expect(setCookies[0]).not.toMatch(/Secure/i);
  const brief = await page.post("/sign-in/email", { email, password: PASSWORD, rememberMe: false });
  expect(brief.setCookies.find((cookie) => cookie.startsWith("opensqs.session_token="))).not.toMatch(/Max-Age/i);
});

test("where browsers come by https, the cookie goes over TLS only", async () => {
  const name = "queue.example.com";
  const other = await startInstance(service.databaseUrl, {
    ...ON,
    SIGN_UP: "open",
    PUBLIC_URL: `https://${name}`,
    ALLOWED_HOSTS: name,
  });
  try {
    const { email } = await signedIn(service.url);
    const headers = { host: name, origin: `https://${name}` };
    const page = browser(other.url);
    const { status, setCookies } = await page.post("/sign-in/email", { email, password: PASSWORD }, headers);
    expect(status).toBe(200);
    expect(setCookies[0]).toMatch(/^__Secure-opensqs\.session_token=.*; Secure/i);
  } finally {
    await other.stop();
  }
});

test("a wrong password and an unknown address are answered alike", async () => {
  const { email } = await signedIn(service.url);
  const page = browser(service.url);
  const answers = [
    await page.post("/sign-in/email", { email, password: "wrong horse battery" }),
    await page.post("/sign-in/email", { email: `not-${email}`, password: "wrong horse battery" }),
  ];
  for (const { status, body, setCookies } of answers) {
    expect(status).toBe(401);
    expect(body).toEqual({ code: "INVALID_EMAIL_OR_PASSWORD", message: "Invalid email or password" });
    expect(setCookies).toEqual([]);
  }
});

test("signing up for an account that is there already changes nothing about it, and lets nobody in", async () => {
  const { email } = await signedIn(service.url);
  const page = browser(service.url);
  const again = await page.post("/sign-up/email", { name: "B", email, password: "another password" });
  expect(again).toMatchObject({ status: 422, body: { code: "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL" }, setCookies: [] });
  expect(await rows('select name from "user" where email = $1', [email])).toEqual([{ name: "Ada" }]);
  expect((await page.post("/sign-in/email", { email, password: "another password" })).status).toBe(401);
});

test("sign-up is closed unless it was opened", async () => {
  const closed = await startInstance(service.databaseUrl, ON);
  try {
    const page = browser(closed.url);
    const email = "late@example.com";
    const { status, body } = await page.post("/sign-up/email", { name: "L", email, password: PASSWORD });
    expect({ status, code: body.code }).toEqual({ status: 400, code: "EMAIL_PASSWORD_SIGN_UP_DISABLED" });
    expect(await rows('select from "user" where email = $1', [email])).toEqual([]);
    // Who has an account gets in.
    await signedIn(service.url, "early@example.com");
    expect((await page.post("/sign-in/email", { email: "early@example.com", password: PASSWORD })).status).toBe(200);
  } finally {
    await closed.stop();
  }
});

test("two services on one database share the secret and the sessions", async () => {
  const other = await startInstance(service.databaseUrl, ON);
  try {
    const { page, email } = await signedIn(service.url);
    const there = browser(other.url);
    for (const [name, value] of page.cookies) there.cookies.set(name, value);
    expect((await there.get("/get-session")).body.user.email).toBe(email);
    await there.post("/sign-out");
    expect((await page.get("/get-session")).body).toBeNull();
    expect(await rows("select count(*)::int as secrets from auth_secret")).toEqual([{ secrets: 1 }]);
  } finally {
    await other.stop();
  }
});

test("a service with another secret takes no cookie of ours, and keeps its secret to itself", async () => {
  const other = await startInstance(service.databaseUrl, {
    ...ON,
    AUTH_SECRET: "another secret, of more than 32 characters",
  });
  try {
    const { page } = await signedIn(service.url);
    const there = browser(other.url);
    for (const [name, value] of page.cookies) there.cookies.set(name, value);
    expect((await there.get("/get-session")).body).toBeNull();
    expect(await rows("select count(*)::int as secrets from auth_secret where secret like 'another%'")).toEqual([
      { secrets: 0 },
    ]);
  } finally {
    await other.stop();
  }
});

test("a cookie is bound to its signature", async () => {
  const { page, token } = await signedIn(service.url);
  const [name, value] = [...page.cookies][0]!;
  for (const forged of [token, `${token}.`, `${token}.${"A".repeat(43)}=`, value.slice(0, -6), `${value.slice(1)}`]) {
    const thief = browser(service.url);
    thief.cookies.set(name, forged);
    expect((await thief.get("/get-session")).body).toBeNull();
  }
});

test("changes a name and a password, shows and ends sessions", async () => {
  const { page, email } = await signedIn(service.url);
  const elsewhere = browser(service.url);
  await elsewhere.post("/sign-in/email", { email, password: PASSWORD });
  expect((await page.post("/update-user", { name: "Ada L." })).status).toBe(200);
  expect((await page.get("/get-session")).body.user.name).toBe("Ada L.");

  const wrong = { currentPassword: "not the password", newPassword: "a second password" };
  expect((await page.post("/change-password", wrong)).status).toBe(400);
  const changed = await page.post("/change-password", {
    ...wrong,
    currentPassword: PASSWORD,
    revokeOtherSessions: true,
  });
  expect(changed.status).toBe(200);
  expect((await elsewhere.get("/get-session")).body).toBeNull();
  expect((await elsewhere.post("/sign-in/email", { email, password: PASSWORD })).status).toBe(401);
  const again = await elsewhere.post("/sign-in/email", { email, password: "a second password" });
  expect(again.status).toBe(200);

  expect((await page.get("/list-sessions")).body).toHaveLength(2);
  expect((await page.post("/revoke-session", { token: again.body.token })).status).toBe(200);
  expect((await elsewhere.get("/get-session")).body).toBeNull();
  // Somebody else's session is not ended by who knows its token.
  const { page: other, token } = await signedIn(service.url);
  await page.post("/revoke-session", { token });
  expect((await other.get("/get-session")).body).not.toBeNull();
  await page.post("/revoke-sessions");
  expect((await page.get("/get-session")).body).toBeNull();
});

test("a cookie from another origin, or from none, moves nothing", async () => {
  const { page } = await signedIn(service.url);
  expect((await page.post("/sign-out", {}, { origin: "https://evil.example" })).status).toBe(403);
  const cookie = [...page.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  const bare = await fetch(`${service.url}/api/auth/sign-out`, { method: "POST", headers: { cookie } });
  expect(bare.status).toBe(403);
  expect((await page.get("/get-session")).body).not.toBeNull();
});

test("without AUTH there is nothing below /api/auth, and nothing else changes", async () => {
  const off = await startInstance(service.databaseUrl, { AUTH: "off" });
  try {
    for (const path of ["/sign-in/email", "/get-session"]) {
      const response = await fetch(`${off.url}/api/auth${path}`, { method: "POST" });
      expect(response.status).toBe(404);
    }
    expect(await rawRpc(off.url, { jsonrpc: "2.0", id: 1, method: "queue.list", params: {} })).toHaveProperty("result");
  } finally {
    await off.stop();
  }
});
