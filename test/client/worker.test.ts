import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  createClient,
  type Handler,
  LeaseLost,
  PermanentError,
  RetryLater,
  Worker,
  type WorkerOptions,
  WorkerStopping,
} from "../../src/client/index.ts";
import { until } from "../support/until.ts";
import { StubService } from "./stub-service.ts";
import { gate, Heard } from "./support.ts";

let service: StubService;
let heard: Heard;
let workers: Worker[];

beforeEach(async () => {
  service = await new StubService().listen();
  heard = new Heard();
  workers = [];
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop({ graceSeconds: 0 })));
  await service.close();
});

function start(options: Partial<WorkerOptions>): Worker {
  const client = createClient({ url: service.url, retry: { baseSeconds: 0.001, maxSeconds: 0.01 } });
  const worker = new Worker({ client, queue: "q", onEvent: heard.listen, ...options });
  workers.push(worker);
  return worker.start();
}

/** Ends when its signal is aborted, as a well-behaved handler does. */
const untilAborted: Handler = (_task, { signal }) =>
  new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

test("tasks go to the handlers of their names, and what these return is the result", async () => {
  const mail = service.tasks.add("mail", { to: "ada" });
  const other = service.tasks.add("other");
  start({ handlers: { mail: (task, { attempt }) => ({ sent: task.payload, attempt }) } });
  const event = await heard.one("completed");
  expect(event.task.id).toBe(mail.id);
  expect(mail).toMatchObject({ state: "completed", result: { sent: { to: "ada" }, attempt: 1 } });
  expect(service.of("task.claim")[0]!.params.names).toEqual(["mail"]);
  expect(other.state).toBe("pending");
});

test("a catch-all handler takes every name, a named one beside it first", async () => {
  const tasks = [service.tasks.add("mail"), service.tasks.add(null), service.tasks.add("toString")];
  start({ handlers: { mail: () => "named" }, handle: () => "any" });
  await until("all completed", () => heard.of("completed").length === 3);
  expect(tasks.map(({ result }) => result)).toEqual(["named", "any", "any"]);
  expect(service.of("task.claim")[0]!.params.names).toBeUndefined();
});

test("it asks for as many tasks as it has free slots, never running more than concurrency", async () => {
  for (let at = 0; at < 7; at++) service.tasks.add("n");
  const gates = Array.from({ length: 7 }, () => gate());
  let begun = 0;
  const worker = start({ concurrency: 3, handle: () => gates[begun++]!.promise });
  await until("three begin", () => begun === 3);
  expect(worker.running).toBe(3);
  expect(service.of("task.claim").map(({ params }) => params.limit)).toEqual([3]);
  gates[0]!.resolve();
  await until("a fourth begins", () => begun === 4);
  expect(service.of("task.claim").at(-1)!.params.limit).toBe(1);
  expect(worker.running).toBe(3);
  for (const each of gates) each.resolve();
  await until("all completed", () => heard.of("completed").length === 7);
});

test("a handler that throws fails the attempt with message and code", async () => {
  const plain = service.tasks.add("plain");
  const coded = service.tasks.add("coded");
  const typed = service.tasks.add("typed");
  const text = service.tasks.add("text");
  start({
    handlers: {
      plain: () => Promise.reject(new Error("no luck")),
      coded: () => {
        throw Object.assign(new Error("gone"), { code: "ENOENT" });
      },
      typed: () => JSON.parse("{"),
      text: () => Promise.reject("just text\0\uD800"),
    },
  });
  await until("all failed", () => heard.of("failed").length === 4);
  expect(plain.error).toEqual({ message: "no luck", code: null });
  expect(coded.error).toEqual({ message: "gone", code: "ENOENT" });
  expect(typed.error).toMatchObject({ code: "SyntaxError" });
  expect(text.error).toEqual({ message: "just text\uFFFD\uFFFD", code: null });
  expect(service.of("task.fail").map(({ params }) => params.retry)).toEqual([true, true, true, true]);
});

test("PermanentError fails for good, RetryLater hands back with its delay", async () => {
  service.tasks.add("never");
  service.tasks.add("later");
  start({
    handlers: {
      never: () => Promise.reject(new PermanentError("no such address", { code: "bounced" })),
      later: () => Promise.reject(new RetryLater(90)),
    },
  });
  expect((await heard.one("failed")).state).toBe("failed");
  expect(service.of("task.fail")[0]!.params).toMatchObject({ retry: false, error: { code: "bounced" } });
  expect((await heard.one("released")).reason).toBe("retry_later");
  expect(service.of("task.release")[0]!.params.delaySeconds).toBe(90);
});

test("a result that cannot be kept fails for good: the work is done and would end the same way", async () => {
  service.tasks.add("n");
  start({ handle: () => ({ ratio: Number.NaN }) });
  await heard.one("failed");
  expect(service.of("task.fail")[0]!.params).toMatchObject({ retry: false, error: { code: "result_refused" } });
});

test("leases are renewed while handlers run, all in one call", async () => {
  service.tasks.leaseSeconds = 1;
  service.tasks.add("a");
  service.tasks.add("b");
  const gates = [gate(), gate()];
  let begun = 0;
  start({ handle: () => gates[begun++]!.promise });
  await until("two renewals", () => service.of("task.extend").length >= 2);
  for (const { params } of service.of("task.extend")) expect(params.receipts).toHaveLength(2);
  gates[0]!.resolve();
  await heard.one("completed");
  const before = service.of("task.extend").length;
  await until("renewals of the other alone", () => service.of("task.extend").length > before + 1);
  expect(service.of("task.extend").at(-1)!.params.receipts).toHaveLength(1);
  gates[1]!.resolve();
  await until("both completed", () => heard.of("completed").length === 2);
  expect(heard.of("lease_lost")).toEqual([]);
});

test("an own lease is asked for and renewed by, and the queue is not asked", async () => {
  service.tasks.leaseSeconds = 3600;
  service.tasks.add("n");
  const end = gate();
  start({ leaseSeconds: 1, handle: () => end.promise });
  await until("a renewal", () => service.of("task.extend").length >= 1);
  expect(service.of("task.claim")[0]!.params.leaseSeconds).toBe(1);
  expect(service.of("task.extend")[0]!.params.leaseSeconds).toBe(1);
  expect(service.of("queue.get")).toEqual([]);
  end.resolve();
});

test.each(["cancelled", "claimed"] as const)("a task that is %s meanwhile aborts its handler", async (state) => {
  service.tasks.leaseSeconds = 1;
  const task = service.tasks.add("n");
  start({ handle: untilAborted });
  await heard.one("started");
  service.tasks.takeAway(task, state);
  const lost = await heard.one("lease_lost");
  expect(lost).toMatchObject({ state, during: "extend" });
  const { outcome } = await heard.one("discarded");
  const reason = "error" in outcome ? outcome.error : undefined;
  expect(reason).toBeInstanceOf(LeaseLost);
  expect((reason as LeaseLost).state).toBe(state);
  expect(service.of("task.fail")).toEqual([]);
});

test("a completion that comes too late is told, with its result", async () => {
  const task = service.tasks.add("n");
  const end = gate<string>();
  start({ handle: () => end.promise });
  await heard.one("started");
  service.tasks.takeAway(task, "claimed");
  end.resolve("much work");
  expect(await heard.one("lease_lost")).toMatchObject({ state: "claimed", during: "complete" });
  expect((await heard.one("discarded")).outcome).toEqual({ result: "much work" });
  expect(heard.of("completed")).toEqual([]);
});

test("a lease that cannot be renewed in time is taken for lost by the monotonic clock", async () => {
  service.tasks.leaseSeconds = 1;
  service.tasks.add("n");
  service.plan = ({ method }) => (method === "task.extend" ? "silence" : undefined);
  start({ handle: untilAborted });
  expect(await heard.one("lease_lost")).toMatchObject({ state: "expired", during: "clock" });
  await heard.one("discarded");
  expect(heard.of("trouble").map(({ during }) => during)).toContain("extend");
});

test("a result that comes after the lease ran out by our clock is still offered: the service decides", async () => {
  service.tasks.leaseSeconds = 1;
  const task = service.tasks.add("n");
  service.plan = ({ method }) => (method === "task.extend" ? "silence" : undefined);
  start({
    handle: (_task, { signal }) =>
      new Promise((resolve) => signal.addEventListener("abort", () => resolve("stubborn"))),
  });
  await heard.one("completed");
  expect(task).toMatchObject({ state: "completed", result: "stubborn" });
});

test("a completion is repeated until it is answered, and accepted once", async () => {
  const task = service.tasks.add("n");
  service.plan = ({ method }, nth) =>
    method !== "task.complete" || nth > 4 ? undefined : nth % 2 === 1 ? "lost after" : { status: 503 };
  start({ handle: () => null });
  await heard.one("completed");
  expect(service.of("task.complete")).toHaveLength(5);
  expect(task.completions).toBe(1);
});

test("a failure is repeated under one requestId", async () => {
  service.tasks.add("n");
  service.plan = ({ method }, nth) => (method === "task.fail" && nth <= 3 ? "lost after" : undefined);
  start({ handle: () => Promise.reject(new Error("x")) });
  await heard.one("failed");
  const ids = service.of("task.fail").map(({ params }) => params.requestId);
  expect(ids).toHaveLength(4);
  expect(new Set(ids).size).toBe(1);
});

test("an outcome that nobody hears while the lease lives is told as unreported", async () => {
  service.tasks.leaseSeconds = 1;
  service.tasks.add("n");
  service.plan = ({ method }) => (method === "task.complete" || method === "task.extend" ? "lost before" : undefined);
  start({ handle: () => "done" });
  expect(await heard.one("unreported")).toMatchObject({ outcome: { result: "done" }, during: "complete" });
});

test("an outcome that the service refuses for good is told as unreported", async () => {
  service.tasks.add("n");
  service.plan = ({ method }) =>
    method === "task.complete" ? { code: 1009, data: { type: "forbidden", scope: "task:work" } } : undefined;
  start({ handle: () => "done" });
  expect(await heard.one("unreported")).toMatchObject({ error: { type: "forbidden" } });
});

test("progress arrives, the latest of a flood included, and never throws", async () => {
  const task = service.tasks.add("n");
  service.plan = ({ method }, nth) => (method === "task.progress" && nth === 1 ? { status: 400 } : undefined);
  start({
    handle: async (_task, { progress }) => {
      await progress(1);
      const reports = Array.from({ length: 50 }, (_, at) => progress(at + 1, `step ${at + 1}`));
      await Promise.all(reports);
    },
  });
  await heard.one("completed");
  expect(task.progress).toEqual({ percent: 50, note: "step 50" });
  expect(service.of("task.progress").length).toBeLessThanOrEqual(3);
  expect(heard.of("trouble").map(({ during }) => during)).toEqual(["progress"]);
});

test("progress on a lost task aborts its handler", async () => {
  const task = service.tasks.add("n");
  start({
    handle: async (given, { progress, signal }) => {
      service.tasks.takeAway(task, "cancelled");
      await progress(10);
      expect(given.id).toBe(task.id);
      signal.throwIfAborted();
    },
  });
  expect(await heard.one("lease_lost")).toMatchObject({ state: "cancelled", during: "progress" });
  await heard.one("discarded");
});

test("an unreachable service is waited for", async () => {
  await service.close();
  start({ handle: () => "done" });
  await until("two failed claims", () => heard.of("trouble").length >= 2);
  expect(heard.of("trouble")[0]).toMatchObject({ during: "claim" });
  const task = service.tasks.add("n");
  await service.listen();
  await until("the task completed after the service came", () => task.state === "completed");
});

test("a claim is not recorded unless it is asked for", async () => {
  service.plan = ({ method }, nth) => (method === "task.claim" && nth === 1 ? "lost after" : undefined);
  const task = service.tasks.add("n");
  start({ repeatableClaims: true, handle: () => null });
  await until("the task of the lost answer is done", () => task.state === "completed");
  expect(service.of("task.claim")[0]!.params.requestId).toBe(service.of("task.claim")[1]!.params.requestId);
  expect(task.attempt).toBe(1);
  const plain = new StubService();
  await plain.listen();
  const worker = new Worker({ url: plain.url, queue: "q", handle: () => null }).start();
  await until("a claim", () => plain.of("task.claim").length === 1);
  expect(plain.of("task.claim")[0]!.params.requestId).toBeUndefined();
  await worker.stop();
  await plain.close();
});

test("stop() waits for the answer of a claim it has just sent, and hands its tasks back", async () => {
  const task = service.tasks.add("n");
  const arrived = gate();
  const answer = gate();
  const slow = createClient({
    url: service.url,
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      if (!String(init.body).includes('"task.claim"')) return response;
      arrived.resolve();
      await answer.promise;
      init.signal?.throwIfAborted();
      return response;
    },
  });
  const worker = start({ client: slow, handle: () => "must not run" });
  await arrived.promise;
  const stopped = worker.stop();
  answer.resolve();
  await stopped;
  expect(task.state).toBe("released");
  expect(heard.of("started")).toEqual([]);
});

test("stop() cuts off a waiting claim and claims no more", async () => {
  const worker = start({ handle: () => null, waitSeconds: 60 });
  await until("a claim waits", () => service.of("task.claim").length === 1);
  await worker.stop();
  await until("the service sees the worker go", () => service.hungUp === 1);
  expect(service.of("task.claim")).toHaveLength(1);
  expect(() => worker.start()).toThrow();
});

test("stop() lets running handlers finish and report, renewing their leases meanwhile", async () => {
  service.tasks.leaseSeconds = 1;
  const task = service.tasks.add("n");
  const end = gate<string>();
  const worker = start({ handle: () => end.promise });
  await heard.one("started");
  const stopped = worker.stop({ graceSeconds: 60 });
  await until("renewals while stopping", () => service.of("task.extend").length >= 2);
  end.resolve("in time");
  await stopped;
  expect(task).toMatchObject({ state: "completed", result: "in time" });
});

test("handlers that outlast the grace are interrupted and their tasks released, whether they listen or not", async () => {
  const polite = service.tasks.add("polite");
  const deaf = service.tasks.add("deaf");
  const end = gate<string>();
  const reasons: unknown[] = [];
  const worker = start({
    handlers: {
      polite: (task, context) => {
        context.signal.addEventListener("abort", () => reasons.push(context.signal.reason));
        return untilAborted(task, context);
      },
      deaf: () => end.promise,
    },
  });
  await until("both run", () => heard.of("started").length === 2);
  await worker.stop({ graceSeconds: 0 });
  expect(reasons[0]).toBeInstanceOf(WorkerStopping);
  expect([polite.state, deaf.state]).toEqual(["released", "released"]);
  expect(service.of("task.fail")).toEqual([]);
  expect(heard.of("released").map(({ reason }) => reason)).toEqual(["stopping", "stopping"]);
  end.resolve("too late");
  expect(await heard.one("discarded")).toMatchObject({ task: { name: "deaf" }, outcome: { result: "too late" } });
});

test("what was claimed but not begun when the worker stops is released", async () => {
  const task = service.tasks.add("n");
  const asked = gate();
  let worker: Worker | undefined;
  let stopped: Promise<void> | undefined;
  // The queue is asked for its lease between the claim's answer and the handler's start: stop exactly there.
  service.plan = ({ method }) => {
    if (method === "queue.get") {
      stopped = worker?.stop();
      asked.resolve();
    }
    return undefined;
  };
  worker = start({ handle: () => "must not run" });
  await asked.promise;
  await stopped;
  expect(task.state).toBe("released");
  expect(heard.of("started")).toEqual([]);
});

test("stop() ends although the service is gone", async () => {
  service.tasks.leaseSeconds = 3600;
  service.tasks.add("n");
  const end = gate<string>();
  const worker = start({ handle: () => end.promise });
  await heard.one("started");
  await service.close();
  end.resolve("done");
  await worker.stop({ graceSeconds: 0.1 });
  expect(await heard.one("unreported")).toMatchObject({ outcome: { result: "done" } });
}, 30_000);

test("a listener that throws harms nothing", async () => {
  const task = service.tasks.add("n");
  const complain = console.error;
  console.error = () => undefined;
  start({
    handle: () => null,
    onEvent: () => {
      throw new Error("listener");
    },
  });
  await until("completed all the same", () => task.state === "completed");
  console.error = complain;
});

const wrong: [WorkerOptions, string][] = [
  [{ queues: ["a"], queue: "a", handle: () => null }, "queue or queues"],
  [{ queues: [], handle: () => null }, "1 to 20 queues"],
  [{ queue: "a" }, "give handlers"],
  [{ queue: "a", handle: () => null, concurrency: 0 }, "concurrency"],
  [{ queue: "a", handle: () => null, waitSeconds: 0 }, "waitSeconds"],
  [{ queue: "a", handle: () => null, leaseSeconds: 0.5 }, "leaseSeconds"],
];

test.each(wrong)("options that cannot work are refused: %#", (options, message) => {
  expect(() => new Worker(options)).toThrow(message);
});
