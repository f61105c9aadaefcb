/** People on /rpc: what a session opens, in which projects, and for how long. */
import { beforeAll, expect, test } from "bun:test";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { type Browser, browser, signedIn } from "../people/support.ts";
import { type RpcError, refusal, startInstance, testService } from "../support/service.ts";
import { until } from "../support/until.ts";
import { startWireProxy } from "../support/wire-proxy.ts";

const ADMIN_KEY = "osqs_the_key_of_the_environment";
const ENV = { AUTH: "on", ADMIN_KEY, SIGN_UP: "open", SIGN_IN_LIMIT: "1000", WRONG_KEYS_PER_ADDRESS: "1000000" };
const service = testService(ENV);

interface Answered<M extends keyof Contract> {
  readonly status: number;
  readonly result?: Contract[M]["result"];
  readonly error?: RpcError;
}

async function send<M extends keyof Contract>(
  method: M,
  params: Contract[M]["params"],
  headers: Record<string, string>,
  url = service.url,
): Promise<Answered<M>> {
  const response = await fetch(`${url}/rpc`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  return { status: response.status, ...((await response.json()) as object) };
}

const cookieOf = ({ cookies }: Browser) => [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");

/** A call of a person, as a browser on one of our pages makes it. */
async function as<M extends keyof Contract>(page: Browser, method: M, params: Contract[M]["params"]) {
  const { result, error } = await send(method, params, { cookie: cookieOf(page), origin: service.url });
  if (error) throw error;
  return result as Contract[M]["result"];
}

async function admin<M extends keyof Contract>(method: M, params: Contract[M]["params"]) {
  const { result, error } = await send(method, params, { authorization: `Bearer ${ADMIN_KEY}` });
  if (error) throw error;
  return result as Contract[M]["result"];
}

async function memberOf(name: string, role: "viewer" | "member" | "admin") {
  const person = await signedIn(service.url);
  await admin("project.addMember", { name, userId: person.userId, role });
  return person;
}

beforeAll(async () => {
  await admin("project.create", { name: "acme" });
  await admin("project.create", { name: "other" });
});

test("a person who is a member of nothing finds nothing", async () => {
  const { page } = await signedIn(service.url);
  expect(await as(page, "project.list", {})).toEqual({ projects: [], nextCursor: null });
  for (const project of [undefined, "acme", "no such project"])
    expect(await refusal(as(page, "task.list", { ...(project !== undefined && { project }) }))).toEqual({
      type: "not_found",
      noun: "project",
      id: project ?? "default",
    });
});

test("viewers read, members also enqueue, work and change tasks, admins do the rest", async () => {
  const [viewer, member, chief] = await Promise.all([
    memberOf("acme", "viewer"),
    memberOf("acme", "member"),
    memberOf("acme", "admin"),
  ]);
  const may = async (of: typeof viewer, method: keyof Contract, params: object) => {
    const { error } = await send(method, { project: "acme", ...params } as never, {
      cookie: cookieOf(of.page),
      origin: service.url,
    });
    return error?.data.type !== "forbidden";
  };
  const who = async (method: keyof Contract, params: object) => {
    const allowed = await Promise.all([viewer, member, chief].map((one) => may(one, method, params)));
    return ["viewer", "member", "admin"].filter((_, at) => allowed[at]).join(" ");
  };
  const id = "019a0000-0000-7000-8000-000000000001";
  expect(await who("task.list", {})).toBe("viewer member admin");
  expect(await who("queue.list", {})).toBe("viewer member admin");
  expect(await who("schedule.list", {})).toBe("viewer member admin");
  expect(await who("task.enqueue", { queue: "mail" })).toBe("member admin");
  expect(await who("task.claim", { queue: "none" })).toBe("member admin");
  expect(await who("task.cancel", { id })).toBe("member admin");
  expect(await who("queue.pause", { name: "mail" })).toBe("admin");
  expect(await who("tag.create", { name: "a tag" })).toBe("admin");
  expect(await who("schedule.delete", { name: "none" })).toBe("admin");
  expect(await who("apiKey.list", {})).toBe("admin");
  // These name their project by `name`.
  const members = (page: Browser) => as(page, "project.members", { name: "acme" });
  expect(await refusal(members(viewer.page))).toEqual({ type: "forbidden", scope: "admin" });
  expect(await refusal(members(member.page))).toEqual({ type: "forbidden", scope: "admin" });
  const shown = await members(chief.page);
  expect(shown.members).toContainEqual({
    userId: viewer.userId,
    email: viewer.email,
    name: "Ada",
    role: "viewer",
    added: expect.any(String),
  });
});

test("an admin of one project is nobody in another, and nothing over all", async () => {
  const { page, userId } = await memberOf("acme", "admin");
  const unknown = { type: "not_found", noun: "project", id: "other" };
  expect(await refusal(as(page, "task.list", { project: "other" }))).toEqual(unknown);
  expect(await refusal(as(page, "project.get", { name: "other" }))).toEqual(unknown);
  expect(await refusal(as(page, "project.addMember", { name: "other", userId, role: "admin" }))).toEqual(unknown);
  expect(await refusal(as(page, "apiKey.create", { project: "other", name: "a", scopes: ["admin"] }))).toEqual(unknown);
  const forbidden = { type: "forbidden", scope: "admin" };
  expect(await refusal(as(page, "project.update", { name: "acme", newName: "other" }))).toEqual(forbidden);
  expect(await refusal(as(page, "admin.verify", { project: "acme" }))).toEqual(forbidden);
  expect((await as(page, "project.list", {})).projects.map(({ name }) => name)).toEqual(["acme"]);
  // Without a project they are in their only one; a key they make is of that one.
  const { key } = await as(page, "apiKey.create", { name: "theirs", scopes: ["admin"] });
  const { error } = await send("task.list", { project: "other" }, { authorization: `Bearer ${key}` });
  expect(error?.data).toEqual(unknown);
});

test("a person's tasks are that person's, and others can only be given to members", async () => {
  const [{ page, userId }, other, stranger] = await Promise.all([
    memberOf("acme", "member"),
    memberOf("acme", "viewer"),
    signedIn(service.url),
  ]);
  const { id } = await as(page, "task.enqueue", { queue: "owned", payload: { a: 1 } });
  expect((await as(page, "task.get", { id })).ownerId).toBe(userId);
  const flow = await as(page, "workflow.create", { queue: "owned", tasks: [{ key: "a" }] });
  expect((await as(page, "task.get", { id: flow.tasks.a as string })).ownerId).toBe(userId);
  const mine = { path: "ownerId", message: "is the person who calls, and need not be said" };
  expect(await refusal(as(page, "task.enqueue", { queue: "owned", ownerId: other.userId }))).toEqual({
    type: "invalid_params",
    issues: [mine],
  });
  const tasks = [{ ownerId: userId }, { ownerId: "somebody" }];
  expect(await refusal(as(page, "task.enqueueMany", { queue: "owned", tasks }))).toEqual({
    type: "invalid_params",
    issues: [{ ...mine, path: "tasks[1].ownerId" }],
  });
  expect((await as(page, "task.update", { id, ownerId: other.userId })).ownerId).toBe(other.userId);
  expect(await refusal(as(page, "task.update", { id, ownerId: stranger.userId }))).toMatchObject({
    issues: [{ path: "ownerId", message: "must be the id of a member of the project" }],
  });
  // To programs it is free text.
  expect((await admin("task.update", { project: "acme", id, ownerId: "team 7" })).ownerId).toBe("team 7");
});

test("a cookie is nothing without the origin of one of our pages", async () => {
  const { page } = await memberOf("acme", "viewer");
  const cookie = cookieOf(page);
  expect((await send("task.list", {}, { cookie, origin: service.url })).status).toBe(200);
  expect(await send("task.list", {}, { cookie })).toMatchObject({ status: 401, error: { code: 1008 } });
  expect((await send("task.list", {}, { cookie, origin: "https://evil.example" })).status).toBe(403);
  const forged = cookie.replace(/.(?=[^=]{10}$)/, (one) => (one === "A" ? "B" : "A"));
  expect((await send("task.list", {}, { cookie: forged, origin: service.url })).status).toBe(401);
});

test("signing out ends the session at once here, and soon on another instance", async () => {
  const other = await startInstance(service.databaseUrl, ENV);
  try {
    const { page } = await memberOf("acme", "viewer");
    const headers = { cookie: cookieOf(page), origin: service.url };
    const there = { ...headers, origin: other.url };
    expect((await send("task.list", {}, headers)).status).toBe(200);
    expect((await send("task.list", {}, there, other.url)).status).toBe(200);
    await page.post("/sign-out");
    expect((await send("task.list", {}, headers)).status).toBe(401);
    await until("the other instance turns the session away", async () => {
      return (await send("task.list", {}, there, other.url)).status === 401;
    });
  } finally {
    await other.stop();
  }
});

test("a role that changes, and a part that ends, count at once", async () => {
  const { page, userId } = await memberOf("acme", "member");
  await as(page, "task.enqueue", { queue: "mail" });
  await admin("project.addMember", { name: "acme", userId, role: "viewer" });
  expect(await refusal(as(page, "task.enqueue", { queue: "mail" }))).toEqual({
    type: "forbidden",
    scope: "task:enqueue",
  });
  await admin("project.removeMember", { name: "acme", userId });
  expect(await refusal(as(page, "task.list", { project: "acme" }))).toMatchObject({ noun: "project" });
  expect(await refusal(admin("project.removeMember", { name: "acme", userId }))).toEqual({
    type: "not_found",
    noun: "member",
    id: userId,
  });
});

test("a claim that waits ends when its person is a member no more, and takes nothing", async () => {
  const { page, userId } = await memberOf("acme", "member");
  const claim = as(page, "task.claim", { project: "acme", queue: "later", waitSeconds: 60 });
  await until("the claim waits", async () => (await admin("admin.health", {})).waitingClaims > 0);
  await admin("project.removeMember", { name: "acme", userId });
  expect(await claim).toEqual({ tasks: [] });
  const { id } = await admin("task.enqueue", { project: "acme", queue: "later" });
  expect((await admin("task.get", { project: "acme", id })).state).toBe("pending");
});

test("who is no person cannot be made a member", async () => {
  const params = { name: "acme", userId: "nobody", role: "admin" as const };
  expect(await refusal(admin("project.addMember", params))).toEqual({ type: "not_found", noun: "user", id: "nobody" });
  const pages = await admin("project.members", { name: "acme", limit: 1 });
  expect(pages.members).toHaveLength(1);
  const next = await admin("project.members", { name: "acme", limit: 1, cursor: pages.nextCursor! });
  expect(next.members[0]!.userId).not.toBe(pages.members[0]!.userId);
});

test("an admin of several projects manages each of them, and need not be in the default one", async () => {
  const { page, userId } = await signedIn(service.url);
  for (const name of ["first", "second"]) {
    await admin("project.create", { name });
    await admin("project.addMember", { name, userId, role: "admin" });
  }
  expect(await as(page, "project.update", { name: "first", description: "mine" })).toMatchObject({
    description: "mine",
  });
  expect(await as(page, "project.delete", { name: "second" })).toEqual({ name: "second" });
});

/** An instance of its own, and how many statements the database is asked to run meanwhile. */
async function counted(work: (url: string) => Promise<unknown>): Promise<number> {
  const { hostname, port } = new URL(service.databaseUrl);
  const proxy = await startWireProxy({ host: hostname, port: Number(port) });
  const through = new URL(service.databaseUrl);
  through.port = String(proxy.port);
  const other = await startInstance(through.href, ENV);
  try {
    const before = proxy.statements;
    await work(other.url);
    return proxy.statements - before;
  } finally {
    await other.stop();
    await proxy.close();
  }
}

const MANY = 200;

test("a session is looked up once, whatever other cookies come beside it", async () => {
  const { page } = await memberOf("acme", "viewer");
  const idle = await counted((url) => send("project.list", {}, { cookie: cookieOf(page), origin: url }, url));
  const busy = await counted(async (url) => {
    for (let at = 0; at < MANY; at++) {
      const cookie = `a=${at}; ${cookieOf(page)}; b=${at}`;
      expect((await send("rpc.discover" as never, {} as never, { cookie, origin: url }, url)).status).toBe(200);
    }
  });
  expect(busy).toBeLessThan(idle + MANY / 2);
});

test("strangers who sign out make nobody be looked up anew", async () => {
  const headers = { authorization: `Bearer ${await keyOf()}` };
  const statements = await counted(async (url) => {
    for (let at = 0; at < 90; at++) {
      const { status } = await browser(url).post("/sign-out");
      expect(status).toBe(200);
      expect((await send("rpc.discover" as never, {} as never, headers, url)).status).toBe(200);
    }
  });
  expect(statements).toBeLessThan(60);
});

const keyOf = async () => (await admin("apiKey.create", { project: "acme", name: "a key", scopes: ["task:read"] })).key;
