/** Bytes of large answers over all connections: who does not read them keeps others from asking, not the service's memory. */
import { afterEach, describe, expect, test } from "bun:test";
import { z } from "zod";
import { SharedBudget } from "../../src/lib/budget.ts";
import { createHttpHandler } from "../../src/rpc/http.ts";
import { createMetrics } from "../../src/rpc/metrics.ts";
import { RpcSockets } from "../../src/rpc/websocket.ts";
import { type HttpServer, serveHttp } from "../../src/runtime/index.ts";
import { OPEN_DOOR } from "../support/open-door.ts";
import { until } from "../support/until.ts";
import { connectPaused, type PausedConnection } from "./raw-http.ts";
import { openRaw, text } from "./raw-websocket.ts";
import { connectionLimits, httpLimits, request, socketLimits, stubMethod, stubService } from "./stub-service.ts";

const MIB = 1024 * 1024;
/** More than the kernel takes of an answer that nobody reads. */
const BYTES = 16 * MIB;

const log = { error: () => {}, warn: () => {} };
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const sized = z.strictObject({ bytes: z.number() });

/** A service whose answers are as large as they are asked to be. */
async function serve(most: number) {
  const held: (() => void)[] = [];
  let ran = 0;
  const run = ({ bytes }: z.output<typeof sized>) => {
    ran++;
    return "x".repeat(bytes);
  };
  const hold = async (params: z.output<typeof sized>) => {
    await new Promise<void>((resolve) => held.push(resolve));
    return run(params);
  };
  const methods = [
    stubMethod("read", sized, run),
    stubMethod("readLate", sized, hold),
    stubMethod("change", sized, run, { changing: true }),
  ];
  const answers = new SharedBudget(most, 1);
  const limits = httpLimits({ answers });
  const { dispatch } = stubService(methods, { checkResults: false });
  const common = { dispatch, log, limits, stopping: new AbortController().signal, rates: null };
  const handle = createHttpHandler({
    ...common,
    sockets: new RpcSockets({ ...common, socketsMax: 10, callsMax: 100, bytesMax: MIB }),
    ...OPEN_DOOR,
    hosts: [],
    origins: [],
    publicUrl: null,
    ready: async () => true,
    metrics: createMetrics(log),
    openrpc: {},
  });
  const connections = connectionLimits;
  const server: HttpServer = await serveHttp({
    host: "127.0.0.1",
    port: 0,
    handle,
    log,
    connections,
    sockets: socketLimits,
  });
  ends.push(() => server.stop(0));
  const pause = async (method: string, bytes: number): Promise<PausedConnection> => {
    const connection = await connectPaused(server.port);
    ends.unshift(connection.hangUp);
    const body = call(method, bytes);
    const lines = ["POST /rpc HTTP/1.1", `Host: localhost:${server.port}`, "Content-Type: application/json"];
    connection.write([...lines, `Content-Length: ${body.length}`, "", body].join("\r\n"));
    return connection;
  };
  const openSocket = async () => {
    const socket = await openRaw(server.port);
    ends.unshift(socket.hangUp);
    return socket;
  };
  return {
    ...server,
    openSocket,
    answers,
    limits,
    held,
    pause,
    ran: () => ran,
    finish: () => held.splice(0).map((end) => end()),
  };
}

const call = (method: string, bytes: number) => JSON.stringify(request(method, { bytes }));
const post = (url: string, body: string) =>
  fetch(`${url}/rpc`, { method: "POST", body, headers: { "content-type": "application/json" } });
const overloaded = { error: { code: 1006, data: { type: "overloaded", retryAfterSeconds: 1 } } };

/** What an answer to `call` is longer than the result asked for. */
const AROUND = '{"jsonrpc":"2.0","result":"","id":1}'.length;

test("a large answer arrives whole and is given back when it is out", async () => {
  const { url, answers } = await serve(64 * MIB);
  const { result } = (await (await post(url, call("read", BYTES))).json()) as { result: string };
  expect(result).toBe("x".repeat(BYTES));
  await until("it is given back", () => answers.taken === 0);
});

describe("answers that nobody reads", () => {
  test("keep calls that only read from beginning, until they are read", async () => {
    const { url, answers, pause, ran } = await serve(2 * BYTES + 2 * AROUND);
    const paused = await pause("read", BYTES);
    await until("its answer waits", () => answers.taken === BYTES + AROUND);
    expect((await post(url, call("read", 10))).status).toBe(200);
    const other = await pause("read", BYTES);
    await until("both wait", () => answers.taken === 2 * (BYTES + AROUND));
    const before = ran();
    const refused = await post(url, call("read", 10));
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(await refused.json()).toMatchObject(overloaded);
    expect(ran()).toBe(before);

    expect(await paused.read(BYTES)).toStartWith("HTTP/1.1 200 ");
    await until("one is given back", () => answers.taken === BYTES + AROUND);
    expect((await post(url, call("read", 10))).status).toBe(200);
    other.hangUp();
    await until("all is given back", () => answers.taken === 0);
  });

  test("leave room for one answer, and not for one that is larger by a byte", async () => {
    const { url, answers, pause } = await serve(BYTES + 2 * MIB);
    await pause("read", BYTES);
    await until("its answer waits", () => answers.taken > 0);
    const room = 2 * MIB - 2 * AROUND;
    expect((await post(url, call("read", room + 1))).status).toBe(503);
    expect((await post(url, call("read", room))).status).toBe(200);
    await until("that is given back", () => answers.taken === BYTES + AROUND);
  });

  test("do not keep a changing call's answer, which counts all the same", async () => {
    const { url, answers, pause, ran } = await serve(BYTES);
    const paused = await pause("change", BYTES);
    await until("its answer waits", () => answers.taken === BYTES + AROUND);
    const changed = (await (await post(url, call("change", 2 * MIB))).json()) as { result: string };
    expect(changed.result).toHaveLength(2 * MIB);
    const before = ran();
    const batch = JSON.stringify([request("read", { bytes: 1 }, 1), request("change", { bytes: 1 }, 2)]);
    const answer = await post(url, batch);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject([overloaded, { result: "x" }]);
    expect(ran()).toBe(before + 1);
    expect(await paused.read(BYTES)).toContain('"result"');
    await until("all is given back", () => answers.taken === 0);
  });

  test("count from when they are made: those that a batch waits with, too", async () => {
    const { url, answers, held, finish } = await serve(4 * MIB);
    const batch = [request("read", { bytes: 3.5 * MIB }, 1), request("readLate", { bytes: 1 }, 2)];
    const waiting = post(url, JSON.stringify(batch));
    await until("the second waits", () => held.length === 1 && answers.taken > 0);
    expect(await (await post(url, call("read", 1))).json()).toMatchObject(overloaded);
    finish();
    expect(await (await waiting).json()).toMatchObject([{ id: 1 }, { id: 2, result: "x" }]);
    await until("all is given back", () => answers.taken === 0);
  });

  test("are given back by callers who had gone before they were made", async () => {
    const { answers, limits, pause, held, finish } = await serve(4 * BYTES);
    const paused = await pause("readLate", BYTES);
    await until("the call runs", () => held.length === 1);
    paused.hangUp();
    finish();
    await until("the call is over", () => limits.calls.taken === 0);
    await until("all is given back", () => answers.taken === 0);
  });
});

describe("answers over a WebSocket", () => {
  test("count while they lie unread, and are given back as they are read", async () => {
    const { url, answers, openSocket } = await serve(BYTES + MIB);
    const [one, other, third] = [await openSocket(), await openSocket(), await openSocket()];
    for (const socket of [one, other]) socket.pause();
    one.write(text(request("read", { bytes: BYTES })));
    // Some of it is what the kernel has taken.
    await until("its answer waits", () => answers.taken > 0 && answers.taken < BYTES);
    other.write(text(request("change", { bytes: BYTES })));
    await until("there is no room", () => answers.taken > BYTES);
    expect(await (await post(url, call("read", 1))).json()).toMatchObject(overloaded);
    third.write(text(request("read", { bytes: 1 })));
    expect(await third.answer()).toMatchObject(overloaded);

    one.resume();
    expect(await one.answer()).toMatchObject({ id: 1 });
    await until("one is given back", () => answers.taken < BYTES);
    third.write(text(request("read", { bytes: 1 })));
    expect(await third.answer()).toMatchObject({ result: "x" });
    other.hangUp();
    await until("all is given back", () => answers.taken === 0);
  });
});
