import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  type Client,
  createClient,
  type Handler,
  LeaseLost,
  type QueueStats,
  Worker,
  type WorkerOptions,
} from "../../src/client/index.ts";
import { startInstance, testService } from "../support/service.ts";
import { until } from "../support/until.ts";
import { gate, Heard, type Over, TRANSPORTS, untilAborted } from "./support.ts";

/** The worker and the service together; what only a failing service shows is in worker.test.ts. */
const service = testService();
let client: Client;
let heard: Heard;
let queue: string;
let workers: Worker[];
let transport: Over;

beforeEach(async () => {
  client = createClient({ url: service.url });
  heard = new Heard();
  workers = [];
  queue = `q-${crypto.randomUUID()}`;
  await client.queue.create({ name: queue, leaseSeconds: 1, backoff: { baseSeconds: 0, jitter: false } });
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop({ graceSeconds: 0 })));
});

function start(options: Partial<WorkerOptions>): Worker {
  const over = options.client ? {} : { transport };
  const worker = new Worker({ client, queue, waitSeconds: 5, onEvent: heard.listen, ...over, ...options });
  workers.push(worker);
  return worker.start();
}

const stats = async () => (await client.queue.stats({ name: queue })) as QueueStats;
const enqueue = async (name: string, more = {}) => (await client.task.enqueue({ queue, name, ...more })).id;

describe.each(TRANSPORTS)("over %s", (over) => {
  beforeEach(() => {
    transport = over;
  });

  test("a task is done, retried after a failure, and its progress seen", async () => {
    const id = await enqueue("sum", { payload: { numbers: [1, 2, 3] } });
    const half = gate();
    const seen = gate();
    start({
      handlers: {
        sum: async (task, { attempt, progress }) => {
          if (attempt === 1) throw Object.assign(new Error("not today"), { code: "busy" });
          await progress(50, "half-way");
          half.resolve();
          await seen.promise;
          return (task.payload.numbers as number[]).reduce((sum, each) => sum + each);
        },
      },
    });
    await half.promise;
    expect((await client.task.get({ id })).progress).toEqual({ percent: 50, note: "half-way" });
    seen.resolve();
    await heard.one("completed");
    const task = await client.task.get({ id });
    expect(task).toMatchObject({ state: "completed", result: 6, attempts: 2, worker: null });
    expect(task.errors).toMatchObject([{ attempt: 1, message: "not today", code: "busy", worker: workers[0]!.name }]);
  });

  test("a worker waits at the service and gets a task as it comes", async () => {
    start({ waitSeconds: 60, handle: () => "woken" });
    await until("the claim waits", async () => (await client.admin.health()).waitingClaims > 0);
    await enqueue("late");
    await heard.one("completed");
  });

  test("a task that takes longer than its lease is renewed and done once", async () => {
    const id = await enqueue("long");
    const end = gate();
    start({ handle: () => end.promise });
    await heard.one("started");
    const { leaseExpiresAt } = await client.task.get({ id });
    await until("the first lease has passed twice", async () => {
      const now = (await client.task.get({ id })).leaseExpiresAt;
      return Date.parse(now!) > Date.parse(leaseExpiresAt!) + 2000;
    });
    end.resolve();
    await heard.one("completed");
    expect(await client.task.get({ id })).toMatchObject({ state: "completed", attempts: 1, errors: [] });
  });

  test("cancelling a task aborts its handler", async () => {
    const id = await enqueue("n");
    start({ handle: untilAborted });
    await heard.one("started");
    await client.task.cancel({ id });
    expect(await heard.one("lease_lost")).toMatchObject({ state: "cancelled", during: "extend" });
    const { outcome } = await heard.one("discarded");
    expect("error" in outcome && outcome.error).toBeInstanceOf(LeaseLost);
    expect((await client.task.get({ id })).state).toBe("cancelled");
  });

  test("a worker whose task went to another cannot complete it", async () => {
    const id = await enqueue("n");
    const end = gate<string>();
    // A client that never renews: as if the process had stood still past its lease.
    const frozen = createClient({
      url: service.url,
      fetch: (url, init) =>
        String(init.body).includes('"task.extend"') ? Promise.reject(new TypeError("no network")) : fetch(url, init),
    });
    start({ client: frozen, concurrency: 1, handle: () => end.promise });
    await heard.one("started");
    await until("the lease ran out", async () => (await client.task.get({ id })).state === "pending");
    const { tasks } = await client.task.claim({ queue, waitSeconds: 5, leaseSeconds: 60 });
    end.resolve("too late");
    await until("the service refuses it", () => heard.of("lease_lost").find(({ during }) => during === "complete"));
    expect((await heard.one("discarded")).outcome).toEqual({ result: "too late" });
    await client.task.complete({ receipt: tasks[0]!.receipt, result: "in time" });
    expect(await client.task.get({ id })).toMatchObject({ result: "in time", attempts: 2 });
  });

  test("a stopping worker hands an unfinished task back, and the attempt does not count", async () => {
    const id = await enqueue("n");
    const worker = start({ handle: untilAborted });
    await heard.one("started");
    await worker.stop({ graceSeconds: 0 });
    expect(await client.task.get({ id })).toMatchObject({ state: "pending", attempts: 0, errors: [] });
  });

  test("many tasks, two workers: each is done once", async () => {
    const tasks = Array.from({ length: 300 }, (_, n) => ({ name: "n", payload: { n } }));
    await client.task.enqueueMany({ queue, tasks });
    const done: unknown[] = [];
    const handle: Handler = (task) => void done.push(task.payload.n);
    start({ handle, concurrency: 20, leaseSeconds: 30 });
    start({ handle, concurrency: 20, leaseSeconds: 30 });
    await until("all are completed", () => heard.of("completed").length === 300);
    expect(new Set(done).size).toBe(300);
    expect(done).toHaveLength(300);
    expect(await client.queue.stats({ name: queue })).toMatchObject({ completed: 300, pending: 0, claimed: 0 });
  });

  test("a worker goes on when its service is replaced", async () => {
    const first = await startInstance(service.databaseUrl);
    const { port } = new URL(first.url);
    start({ client: createClient({ url: first.url }), handle: () => "done" });
    await enqueue("before");
    await until("one completed", () => heard.of("completed").length === 1);
    await first.stop();
    await until("the worker noticed", () => heard.of("trouble").length > 0);
    const second = await startInstance(service.databaseUrl, { PORT: port });
    await enqueue("after");
    await until("two completed", () => heard.of("completed").length === 2);
    await workers[0]!.stop();
    await second.stop();
  });

  test("a stopped worker leaves no claim waiting at the service", async () => {
    const worker = start({ waitSeconds: 60, handle: () => null });
    await until("the claim waits", async () => (await client.admin.health()).waitingClaims > 0);
    await worker.stop();
    await until("none waits", async () => (await client.admin.health()).waitingClaims === 0);
  });

  test("tasks claimed ahead go to others when the worker stops, and the attempt does not count", async () => {
    await client.task.enqueueMany({ queue, tasks: Array.from({ length: 30 }, () => ({ name: "n" })) });
    const end = gate();
    let begun = 0;
    const handle = () => {
      begun++;
      return end.promise;
    };
    const worker = start({ concurrency: 1, prefetch: 20, leaseSeconds: 60, handle });
    await until("all it may are claimed", async () => (await stats()).claimed === 21);
    // The service says so before its answer has come: what is on the way to a worker that goes must wait for its lease to end.
    await until("they have come", () => begun === 1);
    const stopped = worker.stop({ graceSeconds: 60 });
    await until("all but one are back", async () => (await stats()).claimed === 1);
    end.resolve();
    await stopped;
    const { tasks } = await client.task.claim({ queue, limit: 100 });
    expect(tasks.map(({ attempt }) => attempt)).toEqual(Array.from({ length: 29 }, () => 1));
  });
});

test("a claim made repeatable answers the same tasks when it is repeated", async () => {
  await client.task.enqueueMany({ queue, tasks: [{ name: "a" }, { name: "b" }] });
  let answers = 0;
  // The first answer to each call gets lost on its way.
  const lossy = createClient({
    url: service.url,
    retry: { baseSeconds: 0.001 },
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      if (++answers % 2 === 1) throw new TypeError("connection reset");
      return response;
    },
  });
  const { tasks } = await lossy.task.claim({ queue }, { repeatable: true });
  expect(tasks.map(({ name }) => name)).toEqual(["a"]);
  expect(await client.queue.stats({ name: queue })).toMatchObject({ claimed: 1, pending: 1 });
  expect(await lossy.task.complete({ receipt: tasks[0]!.receipt })).toMatchObject({ state: "completed" });
  expect(await lossy.task.enqueue({ queue, name: "c" })).toMatchObject({ duplicate: false });
  expect(await client.queue.stats({ name: queue })).toMatchObject({ claimed: 0, pending: 2, completed: 1 });
});
