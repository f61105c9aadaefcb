/** How often one address may try, and what a service can bear. */
import { describe, expect, test } from "bun:test";
import { parseDatabaseUrl } from "../../src/db/url.ts";
import { createLogger } from "../../src/lib/log.ts";
import { AddressLimit } from "../../src/people/address-limit.ts";
import { Gate } from "../../src/people/gate.ts";
import type { People } from "../../src/people/people.ts";
import { startPooler } from "../support/pooler.ts";
import { testDatabase } from "../support/postgres.ts";
import { startInstance } from "../support/service.ts";
import { startWireProxy } from "../support/wire-proxy.ts";
import { browser, PASSWORD, peopleOf, wrong } from "./support.ts";

const database = testDatabase();

describe("attempts by one address", () => {
  test("are as many a minute as SIGN_IN_LIMIT says, whatever headers claim, and each kind has its own count", async () => {
    const service = await startInstance(database.url, { AUTH: "on", SIGN_IN_LIMIT: "3" });
    try {
      const page = browser(service.url);
      const statuses: number[] = [];
      for (let at = 0; at < 5; at++) {
        const claimed = `10.0.0.${at}`;
        const headers = {
          "x-forwarded-for": claimed,
          "x-real-ip": claimed,
          forwarded: `for=${claimed}`,
          "x-opensqs-address": claimed,
        };
        statuses.push((await page.post("/sign-in/email", wrong, headers)).status);
      }
      expect(statuses).toEqual([401, 401, 401, 429, 429]);
      const { body, headers } = await page.post("/sign-in/email", wrong);
      expect(body.code).toBe("RATE_LIMITED");
      expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
      expect(Number(headers.get("retry-after"))).toBeLessThanOrEqual(60);
      expect((await page.post("/sign-up/email", { name: "a", ...wrong })).status).toBe(400);
      expect((await page.get("/get-session")).status).toBe(200);
    } finally {
      await service.stop();
    }
  });

  test("count by address; IPv6 by its network of 64 bits; an unknown one is one for all", async () => {
    const people = peopleOf(database.url, { attemptsPerMinute: 1 });
    const attempt = async (address: string | null) => {
      const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(wrong) };
      return (await people.handle(new Request("http://localhost/api/auth/sign-in/email", init), address)).status;
    };
    try {
      expect([await attempt("192.0.2.1"), await attempt("192.0.2.2"), await attempt("192.0.2.1")]).toEqual([
        401, 401, 429,
      ]);
      expect(await attempt("::ffff:192.0.2.2")).toBe(429);
      expect([await attempt(null), await attempt(null)]).toEqual([401, 429]);
      expect([await attempt("2001:db8::1"), await attempt("2001:db8::2"), await attempt("2001:db8:0:1::1")]).toEqual([
        401, 429, 401,
      ]);
    } finally {
      await people.close();
    }
  });

  test("are forgotten when more come than are kept", async () => {
    const limit = new AddressLimit();
    const rule = { window: 3600, max: 1 };
    expect(await limit.consume("first", rule)).toEqual({ allowed: true, retryAfter: null });
    expect(await limit.consume("first", rule)).toMatchObject({ allowed: false });
    for (let at = 0; at < 9_999; at++) await limit.consume(String(at), rule);
    expect(await limit.consume("first", rule)).toMatchObject({ allowed: false });
    await limit.consume("one more", rule);
    expect(await limit.consume("first", rule)).toMatchObject({ allowed: true });
  });
});

test("the gate lets pass in order, refuses who comes to a full line, and takes a place back once", async () => {
  const gate = new Gate(1, 1);
  const first = await gate.enter();
  const second = gate.enter();
  expect(await gate.enter()).toBeNull();
  first!();
  first!();
  const leave = await second;
  const third = gate.enter();
  expect(await gate.enter()).toBeNull();
  leave!();
  (await third)!();
  expect(await gate.enter()).not.toBeNull();
});

describe("the database", () => {
  test("may be behind a pooler, and one connection is enough for a sign-up: none is taken within a transaction", async () => {
    const pooler = await startPooler(parseDatabaseUrl(database.url));
    const people = peopleOf(database.url, { connections: 1 }, pooler.port);
    try {
      const page = direct(people);
      const email = "pooled@example.com";
      const person = { name: "a", email, password: PASSWORD };
      expect((await page.post("/sign-up/email", person)).status).toBe(200);
      expect((await page.post("/sign-in/email", { email, password: PASSWORD })).status).toBe(200);
      expect(await people.session(people.sessionCookie(page.headers())!)).toMatchObject({ email, name: "a" });
      expect(pooler.refused).toEqual([]);
      expect(pooler.statementNames).toEqual(new Set());
      expect(pooler.statements.filter((text) => /^(set|listen|discard|prepare)\b/i.test(text))).toEqual([]);
    } finally {
      await people.close();
      await pooler.close();
    }
  });

  test("that cannot be asked is told as such, never as 'signed out' or 'nobody'", async () => {
    const proxy = await startWireProxy(parseDatabaseUrl(database.url));
    const lines: string[] = [];
    const log = createLogger({ level: "debug", write: (line) => lines.push(line) });
    const people = peopleOf(database.url, { statementTimeoutMs: 300, connectTimeoutMs: 300, log }, proxy.port);
    try {
      const page = direct(people);
      const email = "cut@example.com";
      await page.post("/sign-up/email", { name: "a", email, password: PASSWORD });
      await page.post("/sign-in/email", { email, password: PASSWORD });
      const headers = page.headers();
      expect(await people.session(people.sessionCookie(headers)!)).toMatchObject({ email });
      proxy.silent = true;
      for (const [path, body] of [
        ["/sign-in/email", { email, password: PASSWORD }],
        ["/sign-out", {}],
        ["/list-sessions", null],
        ["/get-session", null],
        ["/update-user", { name: "b" }],
        ["/sign-up/email", { name: "a", email: "other@example.com", password: PASSWORD }],
      ] as const) {
        const response = await (body === null ? page.get(path) : page.post(path, body));
        expect({ path, status: response.status }).toEqual({ path, status: 503 });
        expect(((await response.json()) as { code: string }).code).toBe("UNAVAILABLE");
        expect(response.headers.getSetCookie()).toEqual([]);
      }
      await expect(people.session(people.sessionCookie(headers)!)).rejects.toMatchObject({ type: "unavailable" });
      proxy.silent = false;
      expect(await people.session(people.sessionCookie(headers)!)).toMatchObject({ email, name: "a" });
      expect(lines.filter((line) => JSON.parse(line).level === "error")).toEqual([]);
    } finally {
      await people.close();
      await proxy.close();
    }
  });
});

/** A browser in front of `people` itself. */
function direct(people: People) {
  let cookie = "";
  const call = async (path: string, init: RequestInit) => {
    const response = await people.handle(
      new Request(`http://localhost/api/auth${path}`, {
        ...init,
        headers: {
          origin: "http://localhost",
          "content-type": "application/json",
          ...(cookie === "" ? {} : { cookie }),
        },
      }),
      "192.0.2.9",
    );
    const set = response.headers.getSetCookie().find((one) => one.startsWith("opensqs.session_token="));
    if (set !== undefined) cookie = set.split(";")[0]!;
    return response;
  };
  return {
    headers: () => new Headers({ cookie }),
    get: (path: string) => call(path, {}),
    post: (path: string, body: unknown) => call(path, { method: "POST", body: JSON.stringify(body) }),
  };
}
