import { describe, expect, test } from "bun:test";
import { LeaseLost, PermanentError, RetryLater, Worker } from "../../src/client/index.ts";
import { until } from "../support/until.ts";
import { StubService } from "./stub-service.ts";
import { gate, StubWorkers, TRANSPORTS, untilAborted } from "./support.ts";

const unavailable = { code: 1007, data: { type: "unavailable", retryAfterSeconds: 0.001 } };
const invalid = { code: -32602, data: { type: "invalid_params", issues: [] } };

describe.each(TRANSPORTS)("over %s", (over) => {
  const stub = new StubWorkers(over);

  test("tasks go to the handlers of their names, and what these return is the result", async () => {
    const mail = stub.service.tasks.add("mail", { to: "ada" });
    const other = stub.service.tasks.add("other");
    stub.start({ handlers: { mail: (task, { attempt }) => ({ sent: task.payload, attempt }) } });
    const event = await stub.heard.one("completed");
    expect(event.task.id).toBe(mail.id);
    expect(mail).toMatchObject({ state: "completed", result: { sent: { to: "ada" }, attempt: 1 } });
    expect(stub.service.of("task.claim")[0]!.params.names).toEqual(["mail"]);
    expect(other.state).toBe("pending");
  });

  test("a catch-all handler takes every name, a named one beside it first", async () => {
    const tasks = [stub.service.tasks.add("mail"), stub.service.tasks.add(null), stub.service.tasks.add("toString")];
    stub.start({ handlers: { mail: () => "named" }, handle: () => "any" });
    await until("all completed", () => stub.heard.of("completed").length === 3);
    expect(tasks.map(({ result }) => result)).toEqual(["named", "any", "any"]);
    expect(stub.service.of("task.claim")[0]!.params.names).toBeUndefined();
  });

  test("it asks for as many tasks as it has free slots, never running more than concurrency", async () => {
    for (let at = 0; at < 7; at++) stub.service.tasks.add("n");
    const gates = Array.from({ length: 7 }, () => gate());
    let begun = 0;
    const worker = stub.start({ concurrency: 3, prefetch: 0, handle: () => gates[begun++]!.promise });
    await until("three begin", () => begun === 3);
    expect(worker.running).toBe(3);
    expect(stub.service.of("task.claim").map(({ params }) => params.limit)).toEqual([3]);
    gates[0]!.resolve();
    await until("a fourth begins", () => begun === 4);
    expect(stub.service.of("task.claim").at(-1)!.params.limit).toBe(1);
    expect(worker.running).toBe(3);
    for (const each of gates) each.resolve();
    await until("all completed", () => stub.heard.of("completed").length === 7);
  });

  test("a handler that throws fails the attempt with message and code", async () => {
    const plain = stub.service.tasks.add("plain");
    const coded = stub.service.tasks.add("coded");
    const typed = stub.service.tasks.add("typed");
    const text = stub.service.tasks.add("text");
    stub.start({
      handlers: {
        plain: () => Promise.reject(new Error("no luck")),
        coded: () => {
          throw Object.assign(new Error("gone"), { code: "ENOENT" });
        },
        typed: () => JSON.parse("{"),
        text: () => Promise.reject("just text\0\uD800"),
      },
    });
    await until("all failed", () => stub.heard.of("failed").length === 4);
    expect(plain.error).toEqual({ message: "no luck", code: null });
    expect(coded.error).toEqual({ message: "gone", code: "ENOENT" });
    expect(typed.error).toMatchObject({ code: "SyntaxError" });
    expect(text.error).toEqual({ message: "just text\uFFFD\uFFFD", code: null });
    expect(stub.items("task.failMany").map(({ retry }) => retry)).toEqual([true, true, true, true]);
  });

  test("PermanentError fails for good, RetryLater hands back with its delay", async () => {
    stub.service.tasks.add("never");
    stub.service.tasks.add("later");
    stub.start({
      handlers: {
        never: () => Promise.reject(new PermanentError("no such address", { code: "bounced" })),
        later: () => Promise.reject(new RetryLater(90)),
      },
    });
    expect((await stub.heard.one("failed")).state).toBe("failed");
    expect(stub.items("task.failMany")[0]).toMatchObject({ retry: false, error: { code: "bounced" } });
    expect((await stub.heard.one("released")).reason).toBe("retry_later");
    expect(stub.service.of("task.release")[0]!.params.delaySeconds).toBe(90);
  });

  test("a result that cannot be kept fails for good: the work is done and would end the same way", async () => {
    stub.service.tasks.add("n");
    stub.start({ handle: () => ({ ratio: Number.NaN }) });
    await stub.heard.one("failed");
    expect(stub.items("task.failMany")[0]).toMatchObject({ retry: false, error: { code: "result_refused" } });
  });

  test("leases are renewed while handlers run, all in one call", async () => {
    stub.service.tasks.leaseSeconds = 1;
    stub.service.tasks.add("a");
    stub.service.tasks.add("b");
    const gates = [gate(), gate()];
    let begun = 0;
    stub.start({ handle: () => gates[begun++]!.promise });
    await until("two renewals", () => stub.service.of("task.extend").length >= 2);
    for (const { params } of stub.service.of("task.extend")) expect(params.receipts).toHaveLength(2);
    gates[0]!.resolve();
    await stub.heard.one("completed");
    const before = stub.service.of("task.extend").length;
    await until("renewals of the other alone", () => stub.service.of("task.extend").length > before + 1);
    expect(stub.service.of("task.extend").at(-1)!.params.receipts).toHaveLength(1);
    gates[1]!.resolve();
    await until("both completed", () => stub.heard.of("completed").length === 2);
    expect(stub.heard.of("lease_lost")).toEqual([]);
  });

  test("an own lease is asked for and renewed by, and the queue is not asked", async () => {
    stub.service.tasks.leaseSeconds = 3600;
    stub.service.tasks.add("n");
    const end = gate();
    stub.start({ leaseSeconds: 1, handle: () => end.promise });
    await until("a renewal", () => stub.service.of("task.extend").length >= 1);
    expect(stub.service.of("task.claim")[0]!.params.leaseSeconds).toBe(1);
    expect(stub.service.of("task.extend")[0]!.params.leaseSeconds).toBe(1);
    expect(stub.service.of("queue.get")).toEqual([]);
    end.resolve();
  });

  test.each(["cancelled", "claimed"] as const)("a task that is %s meanwhile aborts its handler", async (state) => {
    stub.service.tasks.leaseSeconds = 1;
    const task = stub.service.tasks.add("n");
    stub.start({ handle: untilAborted });
    await stub.heard.one("started");
    stub.service.tasks.takeAway(task, state);
    const lost = await stub.heard.one("lease_lost");
    expect(lost).toMatchObject({ state, during: "extend" });
    const { outcome } = await stub.heard.one("discarded");
    const reason = "error" in outcome ? outcome.error : undefined;
    expect(reason).toBeInstanceOf(LeaseLost);
    expect((reason as LeaseLost).state).toBe(state);
    expect(stub.service.of("task.failMany")).toEqual([]);
  });

  test("a handler that looks at its signal only after the loss sees it", async () => {
    const task = stub.service.tasks.add("n");
    const look = gate();
    const seen = gate<AbortSignal>();
    stub.service.tasks.leaseSeconds = 1;
    stub.start({
      handle: async (_task, context) => {
        await look.promise;
        seen.resolve(context.signal);
      },
    });
    await stub.heard.one("started");
    stub.service.tasks.takeAway(task, "cancelled");
    await stub.heard.one("lease_lost");
    look.resolve();
    const signal = await seen.promise;
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toBeInstanceOf(LeaseLost);
  });

  test("a completion that comes too late is told, with its result", async () => {
    const task = stub.service.tasks.add("n");
    const end = gate<string>();
    stub.start({ handle: () => end.promise });
    await stub.heard.one("started");
    stub.service.tasks.takeAway(task, "claimed");
    end.resolve("much work");
    expect(await stub.heard.one("lease_lost")).toMatchObject({ state: "claimed", during: "complete" });
    expect((await stub.heard.one("discarded")).outcome).toEqual({ result: "much work" });
    expect(stub.heard.of("completed")).toEqual([]);
  });

  test("a lease that cannot be renewed in time is taken for lost by the monotonic clock", async () => {
    stub.service.tasks.leaseSeconds = 1;
    stub.service.tasks.add("n");
    stub.service.plan = ({ method }) => (method === "task.extend" ? "silence" : undefined);
    stub.start({ handle: untilAborted });
    expect(await stub.heard.one("lease_lost")).toMatchObject({ state: "expired", during: "clock" });
    await stub.heard.one("discarded");
    expect(stub.heard.of("trouble").map(({ during }) => during)).toContain("extend");
  });

  test("a result that comes after the lease ran out by our clock is still offered: the stub.service decides", async () => {
    stub.service.tasks.leaseSeconds = 1;
    const task = stub.service.tasks.add("n");
    stub.service.plan = ({ method }) => (method === "task.extend" ? "silence" : undefined);
    stub.start({
      handle: (_task, { signal }) =>
        new Promise((resolve) => signal.addEventListener("abort", () => resolve("stubborn"))),
    });
    await stub.heard.one("completed");
    expect(task).toMatchObject({ state: "completed", result: "stubborn" });
  });

  test("a completion is repeated until it is answered, and accepted once", async () => {
    const task = stub.service.tasks.add("n");
    stub.service.plan = ({ method }, nth) =>
      method !== "task.completeMany" || nth > 4 ? undefined : nth % 2 === 1 ? "lost after" : unavailable;
    stub.start({ handle: () => null });
    await stub.heard.one("completed");
    expect(stub.service.of("task.completeMany")).toHaveLength(5);
    expect(task.completions).toBe(1);
  });

  test("a failure is repeated under one requestId", async () => {
    stub.service.tasks.add("n");
    stub.service.plan = ({ method }, nth) => (method === "task.failMany" && nth <= 3 ? "lost after" : undefined);
    stub.start({ handle: () => Promise.reject(new Error("x")) });
    await stub.heard.one("failed");
    const ids = stub.service.of("task.failMany").map(({ params }) => params.requestId);
    expect(ids).toHaveLength(4);
    expect(new Set(ids).size).toBe(1);
  });

  test("an outcome that nobody hears while the lease lives is told as unreported", async () => {
    stub.service.tasks.leaseSeconds = 1;
    stub.service.tasks.add("n");
    stub.service.plan = ({ method }) =>
      method === "task.completeMany" || method === "task.extend" ? "lost before" : undefined;
    stub.start({ handle: () => "done" });
    expect(await stub.heard.one("unreported")).toMatchObject({ outcome: { result: "done" }, during: "complete" });
  });

  test("an outcome that the stub.service refuses for good is told as unreported", async () => {
    stub.service.tasks.add("n");
    stub.service.plan = ({ method }) =>
      method === "task.completeMany" ? { code: 1009, data: { type: "forbidden", scope: "task:work" } } : undefined;
    stub.start({ handle: () => "done" });
    expect(await stub.heard.one("unreported")).toMatchObject({ error: { type: "forbidden" } });
  });

  test("progress arrives, the latest of a flood included, and never throws", async () => {
    const task = stub.service.tasks.add("n");
    stub.service.plan = ({ method }, nth) => (method === "task.progress" && nth === 1 ? invalid : undefined);
    stub.start({
      handle: async (_task, { progress }) => {
        await progress(1);
        const reports = Array.from({ length: 50 }, (_, at) => progress(at + 1, `step ${at + 1}`));
        await Promise.all(reports);
      },
    });
    await stub.heard.one("completed");
    expect(task.progress).toEqual({ percent: 50, note: "step 50" });
    expect(stub.service.of("task.progress").length).toBeLessThanOrEqual(3);
    expect(stub.heard.of("trouble").map(({ during }) => during)).toEqual(["progress"]);
  });

  test("progress on a lost task aborts its handler", async () => {
    const task = stub.service.tasks.add("n");
    stub.start({
      handle: async (given, { progress, signal }) => {
        stub.service.tasks.takeAway(task, "cancelled");
        await progress(10);
        expect(given.id).toBe(task.id);
        signal.throwIfAborted();
      },
    });
    expect(await stub.heard.one("lease_lost")).toMatchObject({ state: "cancelled", during: "progress" });
    await stub.heard.one("discarded");
  });

  test("an unreachable stub.service is waited for", async () => {
    await stub.service.close();
    stub.start({ handle: () => "done" });
    await until("two failed claims", () => stub.heard.of("trouble").length >= 2);
    expect(stub.heard.of("trouble")[0]).toMatchObject({ during: "claim" });
    const task = stub.service.tasks.add("n");
    await stub.service.listen();
    await until("the task completed after the stub.service came", () => task.state === "completed");
  });

  test("a claim is not recorded unless it is asked for", async () => {
    stub.service.plan = ({ method }, nth) => (method === "task.claim" && nth === 1 ? "lost after" : undefined);
    const task = stub.service.tasks.add("n");
    stub.start({ repeatableClaims: true, handle: () => null });
    await until("the task of the lost answer is done", () => task.state === "completed");
    expect(stub.service.of("task.claim")[0]!.params.requestId).toBe(stub.service.of("task.claim")[1]!.params.requestId);
    expect(task.attempt).toBe(1);
    const plain = new StubService();
    await plain.listen();
    const worker = new Worker({ url: plain.url, queue: "q", handle: () => null }).start();
    await until("a claim", () => plain.of("task.claim").length === 1);
    expect(plain.of("task.claim")[0]!.params.requestId).toBeUndefined();
    await worker.stop();
    await plain.close();
  });

  test("a listener that throws harms nothing", async () => {
    const task = stub.service.tasks.add("n");
    const complain = console.error;
    console.error = () => undefined;
    stub.start({
      handle: () => null,
      onEvent: () => {
        throw new Error("listener");
      },
    });
    await until("completed all the same", () => task.state === "completed");
    console.error = complain;
  });
});
