import { afterEach, describe, expect, test } from "bun:test";
import { createListener, type Listener, type ListenerOptions } from "../../src/db/listen.ts";
import { parseDatabaseUrl } from "../../src/db/url.ts";
import { createLogger } from "../../src/lib/log.ts";
import { emptyDatabase, withClient } from "../support/postgres.ts";
import { until } from "../support/until.ts";
import { startWireProxy, type WireProxy } from "../support/wire-proxy.ts";

const db = emptyDatabase();
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

function listener(options: Partial<ListenerOptions> = {}): Listener & { lines: string[] } {
  const lines: string[] = [];
  const log = createLogger({ level: "info", write: (line) => lines.push(line) });
  const made = createListener({
    target: parseDatabaseUrl(db.url),
    log,
    times: { retryFirst: 10, retryLast: 50 },
    ...options,
  });
  open.push(made);
  return Object.assign(made, { lines });
}

async function proxied(state: Partial<WireProxy> = {}) {
  const target = parseDatabaseUrl(db.url);
  const proxy = Object.assign(await startWireProxy(target), state);
  open.push(proxy);
  // The proxy has to read what it passes on.
  return { proxy, target: { ...target, port: proxy.port, sslMode: "disable" as const } };
}

const isUp = (one: Listener) => until("the listener is up", () => one.isUp);
const listening = (channel: string) => `select from pg_stat_activity where query = 'listen "${channel}"'`;

describe("notifications", () => {
  test("reach every listener of the channel, on every connection, and nobody else", async () => {
    const [one, other] = [listener(), listener()];
    const got: string[] = [];
    one.listen("a", (payload) => got.push(`one a ${payload}`));
    one.listen("a", (payload) => got.push(`again a ${payload}`));
    other.listen("a", (payload) => got.push(`other a ${payload}`));
    other.listen("b", (payload) => got.push(`other b ${payload}`));
    await Promise.all([isUp(one), isUp(other)]);
    expect(await one.notify("a", 'quote " and é')).toBe(true);
    expect(await one.notify("b", "")).toBe(true);
    await until("all have it", () => got.length === 4);
    expect(got.sort()).toEqual(['again a quote " and é', 'one a quote " and é', 'other a quote " and é', "other b "]);
  });

  test("a channel's name may hold anything", async () => {
    const one = listener();
    await isUp(one);
    const got: string[] = [];
    one.listen('Queue "x"; drop', (payload) => got.push(payload));
    await one.notify('Queue "x"; drop', "1");
    await until("it came", () => got.length === 1);
  });

  test("stop when the last one of a channel has gone", async () => {
    const one = listener();
    await isUp(one);
    const got: string[] = [];
    const end = one.listen("c", (payload) => got.push(payload));
    const endOther = one.listen("c", (payload) => got.push(payload));
    end();
    end();
    await one.notify("c", "1");
    await until("the other still gets it", () => got.length === 1);
    endOther();
    one.listen("d", (payload) => got.push(payload));
    await one.notify("c", "2");
    await one.notify("d", "3");
    // On one connection notifications keep their order, so the second would be here before the third.
    await until("the later one came", () => got.includes("3"));
    expect(got).toEqual(["1", "3"]);
  });
});

describe("a lost connection", () => {
  test("comes back by itself with its channels, and says down and up", async () => {
    const one = listener();
    const states: boolean[] = [];
    const got: string[] = [];
    one.onStateChange((up) => states.push(up));
    one.listen("e", (payload) => got.push(payload));
    await until("it is up", () => states.length === 1);
    await withClient(db.url, (client) => client.query(`select pg_terminate_backend(pid) ${listening("e").slice(6)}`));
    await until("it is up again", () => states.length === 3);
    expect(states).toEqual([true, false, true]);
    await withClient(db.url, (client) => client.query("select pg_notify('e', 'back')"));
    await until("it listens again", () => got.includes("back"));
    expect(one.lines.map((line) => JSON.parse(line).level)).toEqual(["warn", "info"]);
  });

  test("is noticed although nothing is said", async () => {
    const { proxy, target } = await proxied();
    const one = listener({ target, times: { retryFirst: 10, retryLast: 50, heartbeat: 20, answer: 300 } });
    await isUp(one);
    proxy.silent = true;
    await until("it is down", () => !one.isUp);
    proxy.silent = false;
    await isUp(one);
  });
});

describe("without a usable connection", () => {
  test("it stays down quietly, keeps trying, and closes", async () => {
    const one = listener({ target: { ...parseDatabaseUrl(db.url), port: 1 } });
    await until("it has failed", () => one.lines.length > 0);
    expect(one.isUp).toBe(false);
    expect(await one.notify("f", "")).toBe(false);
    await one.close();
    expect(one.lines).toHaveLength(1);
    expect(one.lines[0]).not.toContain(parseDatabaseUrl(db.url).password!);
  });

  test("a pooler through which no notification comes counts as down", async () => {
    const { proxy, target } = await proxied({ dropNotifications: true });
    const one = listener({ target, times: { retryFirst: 10, retryLast: 50, answer: 200 } });
    // Two connections an attempt: one to listen, one to send.
    await until("it tries a second time", () => proxy.connections >= 3);
    expect(one.isUp).toBe(false);
    expect(one.lines[0]).toContain("notifications do not arrive");
    expect(one.lines).toHaveLength(1);
    proxy.dropNotifications = false;
    await isUp(one);
  });
});

test("close ends the connection for good, also while it is being made", async () => {
  const states: boolean[] = [];
  const one = listener();
  one.onStateChange((up) => states.push(up));
  await one.close();
  expect(one.isUp).toBe(false);
  const other = listener();
  other.listen("g", () => {});
  await isUp(other);
  await other.close();
  await until("the server has seen it go", async () => {
    return await withClient(db.url, async (client) => (await client.query(listening("g"))).rowCount === 0);
  });
  expect(states).toEqual([]);
});
