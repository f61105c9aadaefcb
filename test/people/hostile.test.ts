/** What is sent to harm: always refused in a form of ours, never a fault, and nothing secret in a log. */
import { beforeAll, expect, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { createLogger } from "../../src/lib/log.ts";
import { type Service, startService } from "../../src/serve.ts";
import { testDatabase, withClient } from "../support/postgres.ts";
import { testConfig } from "../support/service.ts";
import { browser, PASSWORD, signedIn, wrong } from "./support.ts";

const database = testDatabase();
const lines: string[] = [];
let service: Service;
let someone: Awaited<ReturnType<typeof signedIn>>;

beforeAll(async () => {
  const config = testConfig(database.url, { AUTH: "on", SIGN_UP: "open", SIGN_IN_LIMIT: "100000", LOG_LEVEL: "debug" });
  service = await startService(config, createLogger({ level: "debug", write: (line) => lines.push(line) }));
  someone = await signedIn(service.url);
});
database.atEnd(() => service?.stop());

const CONTROLS = "a\u0000b\u001b[2J\u202e";
const email = "ada@example.com";
const LONG = "x".repeat(15_000);

test.each<[path: string, body: unknown]>([
  ["/sign-in/email", {}],
  ["/sign-in/email", []],
  ["/sign-in/email", null],
  ["/sign-in/email", "{"],
  ["/sign-in/email", '"text"'],
  ["/sign-in/email", new Blob([new Uint8Array([0x7b, 0xff, 0x7d])])],
  ["/sign-in/email", `${"[".repeat(8_000)}${"]".repeat(8_000)}`],
  ["/sign-in/email", { email: [email], password: PASSWORD }],
  ["/sign-in/email", { email, password: [PASSWORD] }],
  ["/sign-in/email", { email: { $ne: null }, password: { $ne: null } }],
  ["/sign-in/email", { email, password: null }],
  ["/sign-in/email", { email, password: 12345678 }],
  ["/sign-in/email", { email, password: LONG }],
  ["/sign-in/email", { email: `${LONG}@example.com`, password: PASSWORD }],
  ["/sign-in/email", { email: CONTROLS, password: PASSWORD }],
  ["/sign-in/email", { email: "a\u0000@example.com", password: PASSWORD }],
  ["/sign-in/email", { email: "a@example.com' or 1=1 --", password: PASSWORD }],
  ["/sign-in/email", { email, password: CONTROLS }],
  ["/sign-in/email", { email, password: "\ud800\udfff\ud800 lone" }],
  ["/sign-in/email", { email, password: PASSWORD, rememberMe: "yes" }],
  ["/sign-in/email", { email, password: PASSWORD, callbackURL: "https://evil.example" }],
  ["/sign-in/email", '{"email":"ada@example.com","password":"12345678","__proto__":{"admin":true}}'],
  ["/sign-in/email", '{"constructor":{"prototype":{"admin":true}},"email":"a@example.com","password":"12345678"}'],
  ["/sign-up/email", { name: CONTROLS, email, password: PASSWORD }],
  ["/sign-up/email", { name: "\u202eadA", email, password: PASSWORD }],
  ["/sign-up/email", { name: "\ud800", email, password: PASSWORD }],
  ["/sign-up/email", { name: " ", email, password: PASSWORD }],
  ["/sign-up/email", { name: "x".repeat(101), email, password: PASSWORD }],
  ["/sign-up/email", { name: ["a"], email, password: PASSWORD }],
  ["/sign-up/email", { name: "a", email: "no address", password: PASSWORD }],
  ["/sign-up/email", { name: "a", email, password: "short" }],
  ["/sign-up/email", { name: "a", email, password: "x".repeat(129) }],
  ["/sign-up/email", { name: "a", email, password: PASSWORD, image: "javascript:alert(1)" }],
  ["/sign-up/email", { name: "a", email, password: PASSWORD, emailVerified: true, id: "admin", role: "admin" }],
])("POST %s %j is refused", async (path, body) => {
  const { status, body: answer } = await browser(service.url).post(path, body);
  expect(status).toBeGreaterThanOrEqual(400);
  expect(status).toBeLessThan(500);
  expect(answer.code).toMatch(/^[A-Z_]+$/);
  expect(JSON.stringify(answer)).not.toMatch(/select|insert|stack|node_modules|\/src\//i);
  expect(({} as { admin?: boolean }).admin).toBeUndefined();
});

test.each<[path: string, body: unknown]>([
  ["/update-user", { image: "https://evil.example/pixel.png" }],
  ["/update-user", { name: "a", image: "x" }],
  ["/update-user", { name: CONTROLS }],
  ["/update-user", { email: "other@example.com" }],
  ["/update-user", { emailVerified: true }],
  ["/change-password", { currentPassword: PASSWORD, newPassword: "short" }],
  ["/change-password", { currentPassword: PASSWORD, newPassword: LONG }],
  ["/change-password", { currentPassword: ["x"], newPassword: PASSWORD }],
  ["/revoke-session", { token: "a\u0000" }],
  ["/revoke-session", { token: { $ne: "" } }],
  ["/revoke-session", {}],
  ["/sign-out", { callbackURL: "https://evil.example" }],
])("signed in, POST %s %j is refused", async (path, body) => {
  const { page } = await signedIn(service.url);
  const { status, body: answer } = await page.post(path, body);
  expect(status).toBe(400);
  expect(answer.code).toMatch(/^[A-Z_]+$/);
  expect((await page.get("/get-session")).body.user).toMatchObject({ name: "Ada", image: null, emailVerified: false });
});

test("says which field is wrong", async () => {
  const { body } = await browser(service.url).post("/sign-in/email", { email: [email], password: PASSWORD, more: 1 });
  expect(body.code).toBe("VALIDATION_ERROR");
  expect(body.issues.map(({ path }: { path: string }) => path)).toContain("email");
});

test("a password of 128 characters is good, one of 129 is not; one of 8 is, one of 7 is not", async () => {
  for (const [length, status] of [
    [128, 200],
    [129, 400],
    [8, 200],
    [7, 400],
  ] as const) {
    const person = { name: "a", email: `length-${length}@example.com`, password: "ü".repeat(length) };
    const page = browser(service.url);
    expect((await page.post("/sign-up/email", person)).status).toBe(status);
    const { email, password } = person;
    expect((await page.post("/sign-in/email", { email, password })).status === 200).toBe(status === 200);
  }
});

test("a body of 16 KiB is read, one byte more is not", async () => {
  const padded = (bytes: number) => JSON.stringify(wrong).padEnd(bytes, " ");
  const page = browser(service.url);
  expect((await page.post("/sign-in/email", padded(16_384))).status).toBe(401);
  const { status, body } = await page.post("/sign-in/email", padded(16_385));
  expect(status).toBe(413);
  expect(body).toMatchObject({ code: "PAYLOAD_TOO_LARGE", limitBytes: 16_384 });
  const long = JSON.stringify({ ...wrong, password: "x".repeat(1_000_000) });
  expect((await page.post("/sign-in/email", long)).status).toBe(413);
  // As it arrives, where no length was told.
  const chunks = new ReadableStream({
    start(controller) {
      for (let sent = 0; sent < 100; sent++) controller.enqueue(new TextEncoder().encode(" ".repeat(1000)));
      controller.close();
    },
  });
  const headers = { "content-type": "application/json", origin: service.url };
  const streamed = await fetch(`${service.url}/api/auth/sign-in/email`, { method: "POST", headers, body: chunks });
  expect(streamed.status).toBe(413);
});

test("only JSON is taken", async () => {
  const page = browser(service.url);
  const text = JSON.stringify(wrong);
  for (const type of [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonx",
  ])
    expect((await page.post("/sign-in/email", text, { "content-type": type })).status).toBe(415);
  expect((await page.post("/sign-in/email", text, { "content-encoding": "gzip" })).status).toBe(415);
  expect((await page.post("/sign-in/email", text, { "content-type": "application/json; charset=utf-8" })).status).toBe(
    401,
  );
});

test.each([
  "",
  "/",
  "/ok",
  "/error",
  "/error?error=<script>alert(1)</script>",
  "/reference",
  "/delete-user",
  "/delete-user/callback",
  "/change-email",
  "/set-password",
  "/verify-password",
  "/verify-email",
  "/send-verification-email",
  "/request-password-reset",
  "/reset-password",
  "/reset-password/token",
  "/forget-password",
  "/sign-in/social",
  "/callback/google",
  "/link-social",
  "/unlink-account",
  "/list-accounts",
  "/account-info",
  "/refresh-token",
  "/get-access-token",
  "/update-session",
  "/sign-in",
  "/sign-in/email/",
  "//sign-in/email",
  "/sign-in%2femail",
  "/SIGN-IN/EMAIL",
  "/../auth/ok",
  "/__proto__",
  "/constructor",
])("%s is closed", async (path) => {
  const { page } = someone;
  expect((await page.get(path)).status).toBe(404);
  expect((await page.post(path)).status).toBe(404);
  expect((await page.get("/get-session")).body).not.toBeNull();
});

test("an open path takes its own method only", async () => {
  const page = browser(service.url);
  const get = await page.get("/sign-in/email");
  expect([get.status, get.headers.get("allow")]).toEqual([405, "POST"]);
  expect((await page.post("/get-session")).status).toBe(405);
  for (const method of ["PUT", "DELETE", "PATCH", "OPTIONS"])
    expect((await fetch(`${service.url}/api/auth/sign-out`, { method })).status).toBe(405);
});

test("a name of another site is refused before anything is looked at", async () => {
  const page = browser(service.url);
  expect((await page.post("/sign-in/email", wrong, { host: "evil.example" })).status).toBe(403);
  expect((await page.post("/sign-in/email", wrong, { origin: "https://evil.example" })).status).toBe(403);
});

test("a header of any length is kept short in the database", async () => {
  const { email } = await signedIn(service.url);
  await browser(service.url).post("/sign-in/email", { email, password: PASSWORD }, { "user-agent": "a".repeat(5_000) });
  const { rows } = await withClient(database.url, (client) =>
    client.query(`select max(length("userAgent")) as most from session`),
  );
  expect(rows[0].most).toBeLessThanOrEqual(300);
});

test("many at once who sign in are let through one by one, and beyond a line of twenty refused for a moment", async () => {
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => browser(service.url).post("/sign-in/email", wrong)),
  );
  const refused = answers.filter(({ status }) => status === 503);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401, 503]));
  expect(answers.length - refused.length).toBeGreaterThanOrEqual(21);
  expect(refused[0]!.body.code).toBe("OVERLOADED");
  expect(Number(refused[0]!.headers.get("retry-after"))).toBeGreaterThan(0);
  // All places were given back.
  expect((await browser(service.url).post("/sign-in/email", wrong)).status).toBe(401);
});

test("passwords, hashes, tokens and the secret are in no log line, and every line is one of ours", async () => {
  const { page, email } = await signedIn(service.url);
  await page.post("/change-password", { currentPassword: PASSWORD, newPassword: "a second password" });
  await page.post("/sign-in/email", { email, password: "a third password" });
  await page.post("/sign-in/email", { email: `${CONTROLS}@example.com`, password: PASSWORD });
  await page.post("/sign-up/email", { name: "a", email, password: "a fourth password" });
  const secrets = await withClient(database.url, async (client) => {
    const { rows } = await client.query<{ secret: string }>(
      "select token as secret from session union select password from account union select secret from auth_secret",
    );
    return rows.map(({ secret }) => secret);
  });
  expect(secrets.length).toBeGreaterThan(3);
  const text = lines.join("\n");
  expect(lines.length).toBeGreaterThan(0);
  for (const secret of [...secrets, PASSWORD, "a second password", "a third password", "a fourth password"])
    expect(text).not.toContain(secret);
  expect(text).not.toContain(email);
  expect(lines.some((line) => line.includes('"part":"people"'))).toBe(true);
  for (const line of lines) expect(JSON.parse(line)).toMatchObject({ message: expect.any(String) });
  // Nothing that a caller does is grave; what is careless about the test's service is said at the start.
  const grave = lines.filter((line) => ["error", "warn"].includes(JSON.parse(line).level));
  expect(grave.filter((line) => !/may lose acknowledged tasks|no key yet/.test(line))).toEqual([]);
});

test("connections that promise a body and send none keep nobody from signing in", async () => {
  const { port } = new URL(service.url);
  const idle = await Promise.all(
    Array.from({ length: 300 }, async () => {
      const socket = connect(Number(port), "127.0.0.1");
      await once(socket, "connect");
      const head = [
        "POST /api/auth/sign-in/email HTTP/1.1",
        `Host: localhost:${port}`,
        "Content-Type: application/json",
      ];
      socket.write([...head, "Content-Length: 16384", "", ""].join("\r\n"));
      return socket;
    }),
  );
  try {
    const page = browser(service.url);
    // So many answers of the service later it has read all heads.
    for (let at = 0; at < 50; at++) await page.get("/get-session");
    expect((await page.post("/sign-in/email", wrong)).body.code).toBe("INVALID_EMAIL_OR_PASSWORD");
  } finally {
    for (const socket of idle) socket.destroy();
  }
});
