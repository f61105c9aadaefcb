import { expect, test } from "bun:test";
import { pack } from "../../src/client/frames.ts";
import { isRefusal } from "../../src/client/index.ts";
import type { Exchange } from "../../src/client/transport.ts";
import { until } from "../support/until.ts";
import { caught, gate, StubClients } from "./support.ts";

/** Calls made in one turn of the event loop share frames. */
const stub = new StubClients();

test("calls made in one turn go as batches of at most 100, and each gets its own answer", async () => {
  const caller = stub.client();
  await caller.queue.stats();
  const tasks = Array.from({ length: 230 }, (_, n) => stub.service.tasks.add("n", { n }));
  const found = await Promise.all(tasks.map(({ id }) => caller.task.get({ id })));
  expect(found.map(({ payload }) => payload)).toEqual(
    tasks.map(({ payload }) => payload) as (typeof found)[0]["payload"][],
  );
  expect(stub.service.batches).toEqual([100, 100, 30]);
  await caller.task.get({ id: tasks[0]!.id });
  expect(stub.service.batches).toHaveLength(3);
});

test("calls made before the connection is open share a batch too", async () => {
  const caller = stub.client();
  await Promise.all(Array.from({ length: 5 }, () => caller.task.enqueue({ queue: "q" })));
  expect(stub.service.batches).toEqual([5]);
});

test("a refusal of one is its caller's alone", async () => {
  const caller = stub.client();
  const task = stub.service.tasks.add("n");
  const [good, bad] = await Promise.all([
    caller.task.get({ id: task.id }),
    caught(caller.task.get({ id: crypto.randomUUID() })),
  ]);
  expect(good.id).toBe(task.id);
  expect(isRefusal(bad, "not_found")).toBe(true);
  expect(stub.service.batches).toEqual([2]);
});

test("what may take long holds no other call up: it goes by itself", async () => {
  const caller = stub.client();
  await caller.queue.stats();
  const late = gate();
  stub.service.plan = ({ method }) => (method === "queue.stats" ? { after: late.promise } : undefined);
  const waiting = caller.task.claim({ queue: "q", names: ["late"], waitSeconds: 60 });
  const slow = caller.queue.stats();
  await Promise.all([caller.task.enqueue({ queue: "q" }), caller.task.claim({ queue: "q" })]);
  expect(stub.service.batches).toEqual([2]);
  late.resolve();
  await slow;
  stub.service.tasks.add("late");
  expect((await waiting).tasks).toHaveLength(1);
});

test("what is aborted in the turn in which it was called is not sent", async () => {
  const caller = stub.client();
  await caller.queue.stats();
  const stop = new AbortController();
  const aborted = caught(caller.task.enqueue({ queue: "q" }, { signal: stop.signal }));
  const kept = caller.task.enqueue({ queue: "q" });
  stop.abort("enough");
  expect(await aborted).toBe("enough");
  await kept;
  expect(stub.service.of("task.enqueue")).toHaveLength(1);
});

test("a batch whose answer is lost is repeated, each call with its own requestId", async () => {
  const caller = stub.client();
  await caller.queue.stats();
  stub.service.plan = ({ method }, nth) => (method === "task.enqueue" && nth === 3 ? "lost after" : undefined);
  await Promise.all(Array.from({ length: 5 }, () => caller.task.enqueue({ queue: "q" })));
  await until("every task is there once", () => stub.service.tasks.all.length === 5);
  const ids = stub.service.of("task.enqueue").map(({ params }) => params.requestId);
  expect(ids.length).toBeGreaterThan(5);
  expect(new Set(ids).size).toBe(5);
});

const exchange = (text: string, depth = 3) => ({ text, depth }) as Exchange;

test("frames are packed in order, within the limits of bytes, members and nesting", () => {
  expect(pack([])).toEqual([]);
  expect(pack([exchange("1")])).toEqual(["1"]);
  expect(pack([exchange("1"), exchange("2"), exchange("3")])).toEqual(["[1,2,3]"]);
  // A batch is a level of its own.
  expect(pack([exchange("1"), exchange("2"), exchange("3", 64), exchange("4"), exchange("5")])).toEqual([
    "[1,2]",
    "3",
    "[4,5]",
  ]);
  const texts = [400, 150, 150, 150, 5, 5].map((length) => `"${"€".repeat(length - 2)}"`);
  const frames = pack(
    texts.map((text) => exchange(text)),
    1000,
  );
  expect(
    frames.flatMap((frame) => (frame.startsWith("[") ? JSON.parse(frame) : [JSON.parse(frame)]) as string[]),
  ).toEqual(texts.map((text) => JSON.parse(text) as string));
  for (const frame of frames.slice(1)) expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(1000);
  expect(frames.map((frame) => frame.startsWith("["))).toEqual([false, true, true]);
});
