/** What the service does with the messages of a connection, over a socket that can be looked at: limits, order, endings. */

import { expect, test } from "bun:test";
import { z } from "zod";
import { Budget } from "../../src/lib/budget.ts";
import type { Socket } from "../../src/lib/socket.ts";
import { RpcSockets, type SocketOptions } from "../../src/rpc/websocket.ts";
import { GUEST } from "../support/open-door.ts";
import { until } from "../support/until.ts";
import { echo, failure, httpLimits, request, stubMethod, stubService } from "./stub-service.ts";

/** As many bytes as may lie unread. */
const UNREAD_BYTES_MAX = 32 * 1024 * 1024;

/** A service whose calls of `hold` end when they are told to, or their caller is gone. */
function service(more: Partial<SocketOptions> = {}) {
  const held: (() => void)[] = [];
  let begun = 0;
  let ran = 0;
  const hold = stubMethod("hold", z.strictObject({}), async (_params, { signal }) => {
    begun++;
    await new Promise<void>((resolve) => {
      held.push(resolve);
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve());
    });
    return signal.aborted ? "let go" : "done";
  });
  const run = stubMethod("run", z.strictObject({}), () => ++ran);
  const stub = stubService([echo, hold, run]);
  const stopping = new AbortController();
  const sockets = new RpcSockets({
    dispatch: stub.dispatch,
    log: { error: (message, fields) => stub.logged.push({ message, fields }) },
    stopping: stopping.signal,
    rates: null,
    socketsMax: 2,
    callsMax: 3,
    bytesMax: 2 * UNREAD_BYTES_MAX,
    limits: httpLimits(),
    ...more,
  });
  return {
    ...stub,
    sockets,
    stopping,
    get begun() {
      return begun;
    },
    get ran() {
      return ran;
    },
    finish: () => held.splice(0).map((end) => end()),
    /** A connection, with the writes and endings it saw. `unread` is what its other side has not taken. */
    connect() {
      const seen = { writes: [] as unknown[][], endings: [] as [how: string, code: number][], unread: 0 };
      const socket: Socket = {
        get buffered() {
          return seen.unread;
        },
        send: (texts) => void seen.writes.push(texts.map((text) => JSON.parse(text))),
        end: (code) => void seen.endings.push(["end", code]),
        cut: (code) => void seen.endings.push(["cut", code]),
      };
      const events = sockets.openFor(GUEST, "127.0.0.1")(socket);
      return Object.assign(seen, {
        send: (message: unknown) => events.text(JSON.stringify(message)),
        events,
        answers: (count: number) =>
          until(`${count} answers are written`, () => seen.writes.flat().length >= count && seen.writes.flat()),
      });
    },
  };
}

const result = (value: unknown, id: unknown = 1) => ({ jsonrpc: "2.0", result: value, id });
const overloaded = (id: unknown = 1) => failure(1006, "overloaded", id);

test("answers of one turn are written together, those of the next by themselves", async () => {
  const { connect, finish } = service();
  const connection = connect();
  for (const id of [1, 2, 3]) connection.send(request("hold", {}, id));
  finish();
  await connection.answers(3);
  connection.send(request("echo", {}, 4));
  await connection.answers(4);
  expect(connection.writes).toEqual([[result("done", 1), result("done", 2), result("done", 3)], [result({}, 4)]]);
});

test("answers go to the connection that asked", async () => {
  const { connect } = service();
  const [one, other] = [connect(), connect()];
  one.send(request("echo", { to: "one" }));
  other.send(request("echo", { to: "other" }));
  expect(await one.answers(1)).toEqual([result({ to: "one" })]);
  expect(await other.answers(1)).toEqual([result({ to: "other" })]);
});

test("as many calls as are allowed run; what is beyond is not begun, until one has ended", async () => {
  const made = service();
  const { connect, finish, outcomes } = made;
  const connection = connect();
  for (const id of [1, 2, 3]) connection.send(request("hold", {}, id));
  connection.send(request("run", {}, 4));
  expect(await connection.answers(1)).toMatchObject([{ ...overloaded(4) }]);
  expect(connection.writes[0]![0]).toMatchObject({ error: { data: { retryAfterSeconds: 1 } } });
  expect(outcomes).toEqual([["run", "overloaded"]]);
  expect([made.begun, made.ran]).toEqual([3, 0]);
  finish();
  await connection.answers(4);
  connection.send(request("run", {}, 5));
  expect((await connection.answers(5)).at(-1)).toEqual(result(1, 5));
});

test("another connection has its own allowance", async () => {
  const { connect } = service();
  const [full, other] = [connect(), connect()];
  for (const id of [1, 2, 3]) full.send(request("hold", {}, id));
  other.send(request("run"));
  expect(await other.answers(1)).toEqual([result(1)]);
});

/** A call of `hold` or `run` in a message of exactly so many bytes, most of them in its id, whose é has two. */
const sized = (method: string, bytes: number) => {
  const bare = request(method, {}, "é");
  const left = bytes - Buffer.byteLength(JSON.stringify(bare));
  return { ...bare, id: `é${"x".repeat(left)}` };
};

test("messages of a connection that are unanswered have so many bytes at most", async () => {
  const made = service({ bytesMax: 400 });
  const connection = made.connect();
  connection.send(sized("hold", 200));
  connection.send(sized("run", 201));
  expect(await connection.answers(1)).toMatchObject([{ error: { data: { type: "overloaded" } } }]);
  connection.send(sized("run", 200));
  expect(await connection.answers(2)).toMatchObject([{}, { result: 1 }]);
  made.finish();
  await connection.answers(3);
  connection.send(sized("run", 250));
  expect((await connection.answers(4)).at(-1)).toMatchObject({ result: 2 });
});

test.each([
  ["calls", { calls: new Budget(2) }],
  ["bytes", { bodies: new Budget(400) }],
])("%s over all connections are bounded, and what was refused leaves nothing behind", async (_name, more) => {
  const limits = httpLimits(more);
  const made = service({ limits });
  const [one, other] = [made.connect(), made.connect()];
  for (let count = 0; count < 2; count++) one.send(sized("hold", 200));
  other.send(sized("run", 200));
  expect(await other.answers(1)).toMatchObject([{ error: { data: { type: "overloaded" } } }]);
  made.finish();
  await one.answers(2);
  expect([limits.calls.taken, limits.bodies.taken]).toEqual([0, 0]);
  other.send(sized("run", 200));
  expect((await other.answers(2)).at(-1)).toMatchObject({ result: 1 });
});

test("a batch counts its members, and is begun as a whole or not at all", async () => {
  const made = service();
  const connection = made.connect();
  const members = (count: number) => Array.from({ length: count }, (_, at) => request("run", {}, at));
  connection.send(request("hold", {}, "held"));
  connection.send(members(2));
  expect(await connection.answers(1)).toEqual([[result(1, 0), result(2, 1)]]);
  connection.send(members(3));
  expect((await connection.answers(2)).at(-1)).toMatchObject([overloaded(0), overloaded(1), overloaded(2)]);
  expect(made.ran).toBe(2);
});

test("a notification beyond the allowance is not begun, and not answered", async () => {
  const made = service();
  const connection = made.connect();
  for (const id of [1, 2, 3]) connection.send(request("hold", {}, id));
  connection.send({ jsonrpc: "2.0", method: "run", params: {} });
  connection.send([{ jsonrpc: "2.0", method: "run", params: {} }, request("run", {}, 4)]);
  expect(await connection.answers(1)).toMatchObject([[overloaded(4)]]);
  made.finish();
  await connection.answers(4);
  expect(made.ran).toBe(0);
});

test("notifications give their place back", async () => {
  const made = service();
  const connection = made.connect();
  for (let sent = 0; sent < 3; sent++) connection.send({ jsonrpc: "2.0", method: "hold", params: {} });
  made.finish();
  await until("all have ended", () => made.outcomes.length === 3);
  connection.send(request("run"));
  expect(await connection.answers(1)).toEqual([result(1)]);
});

test("when the connection closes its waiting calls learn it, those that begin to wait later too, and nobody else", async () => {
  const made = service();
  const [closed, other] = [made.connect(), made.connect()];
  for (const connection of [closed, other]) connection.send(request("hold"));
  await until("both wait", () => made.begun === 2);
  closed.events.closed();
  await until("one has ended", () => made.outcomes.length === 1);
  // A message that came with the end.
  closed.send(request("hold"));
  await until("the late one has ended", () => made.outcomes.length === 2);
  made.finish();
  expect(await other.answers(1)).toEqual([result("done")]);
});

test("a binary message is answered with 1003", () => {
  const connection = service().connect();
  connection.events.binary();
  expect(connection.endings).toEqual([["end", 1003]]);
});

test.each([
  [UNREAD_BYTES_MAX, [[result({ a: "b" })]], []],
  [UNREAD_BYTES_MAX + 1, [], [["cut", 1013]]],
])("with %i bytes unread", async (unread, writes, endings) => {
  const made = service();
  const connection = made.connect();
  connection.unread = unread;
  connection.send(request("echo", { a: "b" }));
  await until("something is done", () => connection.writes.length + connection.endings.length > 0);
  expect([connection.writes, connection.endings]).toEqual([writes, endings as [string, number][]]);
});

test("a connection that is cut for not reading lets its waiting calls go", async () => {
  const made = service();
  const connection = made.connect();
  connection.send(request("hold"));
  connection.unread = UNREAD_BYTES_MAX + 1;
  connection.send(request("run"));
  await until("both have ended", () => made.outcomes.length === 2);
  expect(connection.endings[0]).toEqual(["cut", 1013]);
});

test("what the answers of one turn come to is bounded too, but for a single one", async () => {
  const big = request("echo", { a: "x".repeat(UNREAD_BYTES_MAX + 1) });
  const alone = service().connect();
  alone.send(big);
  expect(await alone.answers(1)).toMatchObject([{ id: 1, result: {} }]);
  const together = service().connect();
  together.send(big);
  together.send(request("run", {}, 2));
  await until("it is cut", () => together.endings.length > 0);
  expect([together.writes, together.endings]).toEqual([[], [["cut", 1013]]]);
});

test("what fails inside closes with 1011, is logged, and told to nobody", async () => {
  const failure = new Error("secret");
  const { connect, logged } = service({ dispatch: () => Promise.reject(failure) });
  const connection = connect();
  connection.send(request("run"));
  await until("it ends", () => connection.endings.length > 0);
  expect(connection.endings).toEqual([["end", 1011]]);
  expect(connection.writes).toEqual([]);
  expect(logged).toMatchObject([{ fields: { error: failure } }]);
});

test("connections are counted, from the first word to the last", () => {
  const { sockets, connect } = service();
  expect([sockets.count, sockets.hasRoom]).toEqual([0, true]);
  const one = connect();
  expect([sockets.count, sockets.hasRoom]).toEqual([1, true]);
  connect();
  expect([sockets.count, sockets.hasRoom]).toEqual([2, false]);
  // Two handshakes may be under way when there is room for one.
  const third = connect();
  expect(third.endings).toEqual([["end", 1013]]);
  third.events.closed();
  one.events.closed();
  expect([sockets.count, sockets.hasRoom]).toEqual([1, true]);
});

test("stopping: who is idle is closed, the others when their last call is answered, and none is taken", async () => {
  const made = service({ socketsMax: 5 });
  const [idle, busy] = [made.connect(), made.connect()];
  busy.send(request("hold", {}, 1));
  busy.send(request("echo", {}, 2));
  await until("it waits", () => made.begun === 1);
  made.stopping.abort();
  expect([idle.endings, busy.endings]).toEqual([[["end", 1001]], []]);
  expect(made.sockets.hasRoom).toBe(false);
  expect(made.connect().endings).toEqual([["end", 1013]]);
  busy.send(request("run", {}, 3));
  busy.send({ jsonrpc: "2.0", method: "run", params: {} });
  expect(await busy.answers(3)).toEqual(
    expect.arrayContaining([result("let go", 1), result({}, 2), expect.objectContaining({ id: 3 })]),
  );
  await until("it is closed", () => busy.endings.length > 0);
  expect(busy.endings[0]).toEqual(["end", 1001]);
  expect(made.ran).toBe(0);
});

test("stopping: a last call that has no answer ends the connection too", async () => {
  const made = service();
  const connection = made.connect();
  connection.send({ jsonrpc: "2.0", method: "hold", params: {} });
  await until("it waits", () => made.begun === 1);
  made.stopping.abort();
  await until("it is closed", () => connection.endings.length > 0);
  expect([connection.writes, connection.endings]).toEqual([[], [["end", 1001]]]);
});
