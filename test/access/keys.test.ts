/** API keys: kept as hashes, ended in time on every instance, and never more than they were made for. */
import { beforeAll, describe, expect, test } from "bun:test";
import type { Contract } from "../../src/rpc/methods/index.ts";
import type { Service } from "../../src/serve.ts";
import { connect } from "../rpc/raw-http.ts";
import { withClient } from "../support/postgres.ts";
import { post, refusal, rpc, startInstance } from "../support/service.ts";
import { rpcSocket } from "../support/socket.ts";
import { until } from "../support/until.ts";
import { startWireProxy } from "../support/wire-proxy.ts";
import { ADMIN_KEY, guardedService } from "./stage.ts";

const AUTH = { AUTH: "on", ADMIN_KEY };
const service = guardedService({ WRONG_KEYS_PER_ADDRESS: "100000" });
let second: Service;

beforeAll(async () => {
  second = await startInstance(service.databaseUrl, { ...AUTH, WRONG_KEYS_PER_ADDRESS: "100000" });
});
service.atEnd(() => second?.stop());

const at = <M extends keyof Contract>(url: string, method: M, params: Contract[M]["params"], key: string) =>
  rpc(url, method, params, { key });
/** What a key is answered: the type of the refusal, or null. */
const tried = async (url: string, key: string, project?: string) => {
  const { error } = (await (
    await post(url, { jsonrpc: "2.0", id: 1, method: "project.get", params: { name: project ?? "default" } }, { key })
  ).json()) as { error?: { data: { type: string } } };
  return error?.data.type ?? null;
};
/** The promise: on every instance within five seconds. */
const IN_TIME = { timeoutMs: 5_000 };
const everywhere = () => [service.url, second.url];

describe("a key", () => {
  test("is shown once, and is nowhere in the database", async () => {
    const { id, key } = await service.makeKey({ name: "shown once", requestId: "shown-once" });
    expect(key).toMatch(/^osqs_[\w-]{43}$/);
    expect(await tried(service.url, key)).toBeNull();
    const [listed] = (await service.call("apiKey.list", { limit: 1000 })).keys.filter((one) => one.id === id);
    expect(listed).toMatchObject({ name: "shown once", start: key.slice(0, 9), scopes: ["admin"], project: null });
    const secret = key.slice("osqs_".length);
    const text = await databaseText();
    expect(text).toContain(id);
    expect(text).not.toContain(secret);
    // Nor in another spelling of it.
    expect(text).not.toContain(Buffer.from(secret, "base64url").toString("hex"));
    expect(text).not.toContain(Buffer.from(key).toString("hex"));
  });

  test("made or rotated again with the same requestId is the same one, and is not shown", async () => {
    const params = { name: "repeated", scopes: ["task:read" as const], requestId: "repeated" };
    const first = await service.call("apiKey.create", params);
    expect(await service.call("apiKey.create", params)).toEqual({ ...first, key: null });
    const rotation = { id: first.id, overlapSeconds: 60, requestId: "rotated" };
    const rotated = await service.call("apiKey.rotate", rotation);
    expect(await service.call("apiKey.rotate", rotation)).toEqual({ ...rotated, key: null });
    const named = (await service.call("apiKey.list", { limit: 1000 })).keys.filter(({ name }) => name === "repeated");
    expect(named.map(({ id }) => id)).toEqual([first.id, rotated.id]);
    expect(await refusal(service.call("apiKey.create", { ...params, name: "other" }))).toMatchObject({
      type: "conflict",
    });
  });

  test("that has expired stops by itself", async () => {
    const { key } = await service.makeKey({ scopes: ["task:read"], expiresInSeconds: 1 });
    expect(await tried(service.url, key)).toBeNull();
    for (const url of everywhere())
      await until("the key has expired", async () => (await tried(url, key)) === "unauthenticated", {
        timeoutMs: 6_000,
      });
  });

  test("dies with its project", async () => {
    const project = await service.makeProject("short-lived");
    const key = await service.keyOf(project, ["admin"]);
    for (const url of everywhere()) expect(await tried(url, key, project)).toBeNull();
    await service.call("project.delete", { name: project });
    for (const url of everywhere())
      await until("the key is gone", async () => (await tried(url, key, project)) === "unauthenticated", IN_TIME);
    await service.makeProject(project);
    for (const url of everywhere()) expect(await tried(url, key, project)).toBe("unauthenticated");
    expect(await databaseText()).not.toContain('"short-lived-key"');
  });

  test("made for a project that has just gone is for none", async () => {
    await service.makeProject("gone");
    const key = await service.keyOf("gone", ["admin"]);
    expect(await tried(second.url, key, "gone")).toBeNull();
    await service.call("project.delete", { name: "gone" });
    // The other instance may not know yet: whichever it is, nothing is made, and nothing fails inside.
    const data = await refusal(at(second.url, "apiKey.create", { name: "late", scopes: ["task:read"] }, key));
    expect(["not_found", "unauthenticated"]).toContain(data.type);
    expect(await databaseText()).not.toContain('"late"');
  });
});

describe("revoked", () => {
  test("it stops on every instance in time", async () => {
    const { id, key } = await service.makeKey({ scopes: ["task:read"] });
    for (const url of everywhere()) expect(await tried(url, key)).toBeNull();
    const first = await service.call("apiKey.revoke", { id });
    await Promise.all(
      // In use all the time, so that it is not merely forgotten.
      everywhere().map((url) =>
        until("it opens nothing", async () => (await tried(url, key)) === "unauthenticated", IN_TIME),
      ),
    );
    // For good, and once.
    expect(await service.call("apiKey.revoke", { id })).toEqual(first);
    expect(await refusal(service.call("apiKey.rotate", { id }))).toEqual({ type: "wrong_state", state: "revoked" });
  });

  test("what waits with it ends, and gets no task that comes after", async () => {
    const { id, key } = await service.makeKey({ project: "default", scopes: ["task:work", "task:read"] });
    const keyOf = { queue: "revoked-waits", waitSeconds: 60 };
    const overHttp = everywhere().map((url) => at(url, "task.claim", keyOf, key));
    const sockets = await Promise.all(everywhere().map((url) => rpcSocket(url, key)));
    const { id: task } = await service.call("task.enqueue", { queue: "watched", delaySeconds: 3600 });
    const waits = sockets.map((socket) => socket.call("task.wait", { id: task, waitSeconds: 60 }).catch(() => "cut"));
    const claims = sockets.map((socket) => socket.call("task.claim", keyOf).catch(() => "cut"));
    await waitingClaims(2);
    await service.call("apiKey.revoke", { id });
    const codes = await within(Promise.all(sockets.map(({ closed }) => closed)));
    expect(codes.map(({ code }) => code)).toEqual([1008, 1008]);
    expect(await within(Promise.all([...waits, ...claims]))).toEqual(["cut", "cut", "cut", "cut"]);
    expect(await within(Promise.all(overHttp))).toEqual([{ tasks: [] }, { tasks: [] }]);
    await service.call("task.enqueue", { queue: "revoked-waits", name: "late" });
    expect((await service.call("task.claim", { queue: "revoked-waits" })).tasks.map(({ attempt }) => attempt)).toEqual([
      1,
    ]);
    for (const url of everywhere()) expect(rpcSocket(url, key)).rejects.toThrow();
  });

  test("a body that is long in coming is not carried out with it", async () => {
    const { id, key } = await service.makeKey({ project: "default", scopes: ["task:enqueue"] });
    const { port } = new URL(service.url);
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "task.enqueue", params: { queue: "slow-body" } });
    const connection = await connect(Number(port));
    const head = [
      "POST /rpc HTTP/1.1",
      `Host: localhost:${port}`,
      "Content-Type: application/json",
      "Connection: close",
    ];
    const lines = [...head, `Authorization: Bearer ${key}`, `Content-Length: ${body.length}`, "", ""];
    connection.write(lines.join("\r\n") + body.slice(0, 20));
    // Others with the same key learn of its end, and nothing is remembered of it then.
    await until("it has been believed for a while", agedBy(1_500));
    await service.call("apiKey.revoke", { id });
    await until("it opens nothing", async () => (await tried(service.url, key)) === "unauthenticated", IN_TIME);
    connection.write(body.slice(20));
    expect(await connection.closed).toStartWith("HTTP/1.1 401 ");
    expect((await service.call("queue.list", { limit: 1000 })).queues.map(({ name }) => name)).not.toContain(
      "slow-body",
    );
  });
});

describe("rotated", () => {
  test("both work while they overlap, and then the new one alone", async () => {
    const made = await service.makeKey({ project: "default", scopes: ["task:read"], queues: ["mail-*"] });
    const next = await service.call("apiKey.rotate", { id: made.id, overlapSeconds: 1 });
    expect(next.previous.id).toBe(made.id);
    for (const key of [made.key, next.key!]) expect(await tried(service.url, key)).toBeNull();
    for (const url of everywhere()) {
      await until("the old one ends", async () => (await tried(url, made.key)) === "unauthenticated", {
        timeoutMs: 6_000,
      });
      expect(await tried(url, next.key!)).toBeNull();
    }
    const { keys } = await service.call("apiKey.list", { project: "default", limit: 1000 });
    const [old, fresh] = [made.id, next.id].map((id) => keys.find((one) => one.id === id)!);
    expect(fresh).toMatchObject({ scopes: old!.scopes, queues: old!.queues, project: old!.project, name: old!.name });
    expect(await refusal(service.call("apiKey.rotate", { id: made.id }))).toEqual({
      type: "wrong_state",
      state: "expired",
    });
  });

  test("without overlap the old one ends at once", async () => {
    const made = await service.makeKey({ scopes: ["task:read"] });
    expect(await tried(second.url, made.key)).toBeNull();
    const next = await service.call("apiKey.rotate", { id: made.id });
    // The instance that was asked knows at once; the others in time.
    expect(await tried(service.url, made.key)).toBe("unauthenticated");
    await until("the old one ends", async () => (await tried(second.url, made.key)) === "unauthenticated", IN_TIME);
    expect(await tried(second.url, next.key!)).toBeNull();
  });

  test("it lives as long as the old one was made to live, and the old one no longer than it was", async () => {
    const made = await service.call("apiKey.create", { name: "short", scopes: ["task:read"], expiresInSeconds: 100 });
    const next = await service.call("apiKey.rotate", { id: made.id, overlapSeconds: 1_000 });
    expect(next.previous.expiresAt).toBe(made.expiresAt!);
    const lasts = Date.parse(next.expiresAt!) - Date.parse(made.expiresAt!);
    expect(lasts).toBeGreaterThanOrEqual(0);
    expect(lasts).toBeLessThan(60_000);
  });
});

describe("names that change hands", () => {
  // Either order on either instance, with a key that was looked up just before.
  test.each(["the same instance", "another instance"])("never let a key into another project: by %s", async (by) => {
    const [a, b, c] = ["a", "b", "c"].map((name) => `${name} of ${by}`) as [string, string, string];
    await service.makeProject(a);
    await service.makeProject(b);
    await service.call("task.enqueue", { project: b, queue: "of-b", name: "secret of b" });
    await service.call("project.update", { name: b, description: "secret of b" });
    const key = await service.keyOf(a, ["admin"]);
    const { url } = service;
    const renaming = by === "the same instance" ? service.url : second.url;
    expect(await tried(url, key, a)).toBeNull();
    await at(renaming, "project.update", { name: a, newName: c }, ADMIN_KEY);
    await at(renaming, "project.update", { name: b, newName: a }, ADMIN_KEY);
    // The name is the other project's now. As long as the key is believed to be of `a`, and after.
    const calls = [
      () => at(url, "project.get", { name: a }, key),
      () => at(url, "project.update", { name: a, description: "taken" }, key),
      () => at(url, "project.delete", { name: a, force: true }, key),
      () => at(url, "queue.list", { project: a }, key),
      () => at(url, "task.list", { project: a }, key),
      () => at(url, "task.list", {}, key),
      () => at(url, "apiKey.create", { project: a, name: "into b", scopes: ["admin"] }, key),
      () => at(url, "task.enqueue", { project: a, queue: "from-a" }, key),
    ];
    const answers: string[] = [];
    const round = async () => {
      for (const call of calls) answers.push(JSON.stringify(await call().catch((error) => error)));
    };
    await round();
    await until("the new name is known", async () => {
      await round();
      return (await tried(url, key, c)) === null;
    });
    await round();
    expect(answers.filter((text) => text.includes("secret of b"))).toEqual([]);
    const { projects } = await service.call("project.list", { limit: 1000 });
    expect(projects.find(({ name }) => name === a)?.description).toBe("secret of b");
    // By the instance that knows of the new names.
    const { queues } = await at(renaming, "queue.list", { project: a }, ADMIN_KEY);
    expect(queues.map(({ name }) => name)).toEqual(["of-b"]);
    expect((await at(renaming, "apiKey.list", { project: a }, ADMIN_KEY)).keys).toEqual([]);
  });
});

describe("who may manage keys", () => {
  test("a key for some queues cannot have the scope admin", async () => {
    const made = service.makeKey({ scopes: ["admin"], queues: ["mail-*"] });
    expect(await refusal(made)).toMatchObject({ type: "invalid_params", issues: [{ path: "queues" }] });
  });

  test("a project's admin makes keys of that project alone", async () => {
    await service.makeProject("own");
    await service.makeProject("foreign");
    const key = await service.keyOf("own", ["admin"]);
    const { id: foreign } = await service.makeKey({ project: "foreign", scopes: ["task:read"] });
    const { id: all } = await service.makeKey({ scopes: ["admin"] });
    const elsewhere = at(service.url, "apiKey.create", { project: "foreign", name: "x", scopes: ["task:read"] }, key);
    expect(await refusal(elsewhere)).toEqual({ type: "not_found", noun: "project", id: "foreign" });
    const made = await service.makeKey({ scopes: ["admin"] }, key);
    const { keys } = await at(service.url, "apiKey.list", { limit: 1000 }, key);
    expect(keys.every(({ project }) => project === "own")).toBe(true);
    expect(keys.map(({ id }) => id)).toContain(made.id);
    for (const id of [foreign, all])
      for (const method of ["apiKey.revoke", "apiKey.rotate"] as const)
        expect(await refusal(at(service.url, method, { id }, key))).toEqual({ type: "not_found", noun: "key", id });
    // What it made is not from everywhere either.
    expect(await refusal(at(service.url, "project.create", { name: "more" }, made.key))).toMatchObject({
      type: "forbidden",
    });
    expect(await refusal(at(service.url, "task.list", { project: "foreign" }, made.key))).toMatchObject({
      type: "not_found",
    });
  });
});

test("where the database is away, a key is unavailable, not unauthenticated", async () => {
  const { hostname, port } = new URL(service.databaseUrl);
  const proxy = await startWireProxy({ host: hostname, port: Number(port) });
  const through = new URL(service.databaseUrl);
  through.host = `127.0.0.1:${proxy.port}`;
  const env = { ...AUTH, CONNECT_TIMEOUT_SECONDS: "1", ACQUIRE_TIMEOUT_SECONDS: "1", STATEMENT_TIMEOUT_SECONDS: "1" };
  const instance = await startInstance(through.toString(), env);
  try {
    const { key } = await service.makeKey({ scopes: ["task:read"] });
    expect(await tried(instance.url, key)).toBeNull();
    await proxy.close();
    const { key: other } = await service.makeKey({ scopes: ["task:read"] });
    for (const one of [key, other]) {
      const response = await post(
        instance.url,
        { jsonrpc: "2.0", id: 7, method: "tag.list", params: {} },
        { key: one },
      );
      expect(await response.json()).toMatchObject({ id: 7, error: { code: 1007, data: { type: "unavailable" } } });
      expect([200, 503]).toContain(response.status);
    }
    // What needs no look-up is found wanting as ever.
    expect(await tried(instance.url, "not-a-key-at-all")).toBe("unauthenticated");
  } finally {
    await instance.stop();
  }
}, 60_000);

test("a thousand keys at once are told apart", async () => {
  const made = await Promise.all(
    Array.from({ length: 1_000 }, (_, at) =>
      service.makeKey({ name: `many ${at}`, project: "default", scopes: [at % 2 ? "task:read" : "queue:read"] }),
    ),
  );
  const answers = await Promise.all(
    made.map(async ({ key }) => {
      const { error } = (await (
        await post(second.url, { jsonrpc: "2.0", id: 1, method: "task.count", params: {} }, { key })
      ).json()) as { error?: { data: { type: string } } };
      return error?.data.type ?? "ok";
    }),
  );
  expect(answers.map((answer, at) => answer === (at % 2 ? "ok" : "forbidden")).indexOf(false)).toBe(-1);
});

/** True once so much time has passed: where it is time itself that a promise is about. */
function agedBy(ms: number): () => boolean {
  const began = performance.now();
  return () => performance.now() - began > ms;
}

/** What is settled in the time that was promised; fails where it is not. */
async function within<T>(promise: Promise<T>): Promise<T> {
  let settled: { value: T } | undefined;
  promise.then(
    (value) => (settled = { value }),
    () => {},
  );
  return (await until("it is settled", () => settled, { timeoutMs: 6_000 })).value;
}

async function waitingClaims(count: number): Promise<void> {
  for (const url of everywhere())
    await until("the claims wait", async () => (await at(url, "admin.health", {}, ADMIN_KEY)).waitingClaims >= count);
}

/** All rows of all tables as text. */
async function databaseText(): Promise<string> {
  return await withClient(service.databaseUrl, async (client) => {
    const { rows: tables } = await client.query<{ name: string }>(
      `select c.relname as name from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
       and not c.relispartition`,
    );
    const texts: string[] = [];
    for (const { name } of tables) {
      const { rows } = await client.query<{ row: string }>(`select to_jsonb(t)::text as row from "${name}" t`);
      texts.push(...rows.map(({ row }) => row));
    }
    return texts.join("\n");
  });
}

test("a key that was rotated lives as long as it was made to, whatever the overlap made of the old one", async () => {
  const made = await service.call("apiKey.create", { name: "a year", scopes: ["task:read"], expiresInSeconds: 86_400 });
  const first = await service.call("apiKey.rotate", { id: made.id, overlapSeconds: 60 });
  const second = await service.call("apiKey.rotate", { id: made.id, overlapSeconds: 60 });
  const third = await service.call("apiKey.rotate", { id: second.id, overlapSeconds: 0 });
  const ends = [first, second, third].map(({ expiresAt }) => Date.parse(expiresAt!));
  for (const end of ends) expect(end).toBeGreaterThan(Date.parse(made.expiresAt!) - 1);
  const endless = await service.call("apiKey.create", { name: "for ever", scopes: ["task:read"] });
  await service.call("apiKey.rotate", { id: endless.id, overlapSeconds: 60 });
  expect((await service.call("apiKey.rotate", { id: endless.id, overlapSeconds: 60 })).expiresAt).toBeNull();
});

test("a narrow key of the whole service is made where that is said, and by nobody of one project", async () => {
  const { key } = await service.call("apiKey.create", { name: "metrics", scopes: ["queue:read"], everywhere: true });
  const metrics = (secret: string) =>
    fetch(`${service.url}/metrics`, { headers: { authorization: `Bearer ${secret}` } }).then(({ status }) => status);
  expect(await metrics(key!)).toBe(200);
  const { key: ofOne } = await service.call("apiKey.create", { name: "one", scopes: ["admin"], project: "default" });
  expect(await metrics(ofOne!)).toBe(403);
  const params = { name: "more", scopes: ["queue:read" as const], everywhere: true };
  expect(await refusal(service.call("apiKey.create", params, ofOne!))).toEqual({
    type: "forbidden",
    scope: "admin",
  });
  expect(await refusal(service.call("apiKey.create", { ...params, project: "default" }))).toEqual({
    type: "invalid_params",
    issues: [{ path: "everywhere", message: "does not go with a project" }],
  });
});
