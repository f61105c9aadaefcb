import { describe, expect, test } from "bun:test";
import { until } from "../support/until.ts";
import { gate, StubWorkers, TRANSPORTS } from "./support.ts";

const refused = { code: -32602, data: { type: "invalid_params", issues: [] } };

/** Outcomes go to the service in groups; what becomes of one must not become of the others. */
describe.each(TRANSPORTS)("over %s", (over) => {
  const stub = new StubWorkers(over);

  /** As many tasks as gates, all begun; opening a gate ends its task with what it is given. */
  async function begun(count: number) {
    const gates = Array.from({ length: count }, () => gate<unknown>());
    for (let at = 0; at < count; at++) stub.service.tasks.add("n", { at });
    stub.start({ concurrency: count, handle: (task) => gates[task.payload.at as number]!.promise });
    await until("all are begun", () => stub.heard.of("started").length === count);
    return gates;
  }

  test("a lone one goes at once, and what ends while it is under way goes as one", async () => {
    const gates = await begun(10);
    const first = gate();
    stub.service.plan = ({ method }, nth) =>
      method === "task.completeMany" && nth === 1 ? { after: first.promise } : undefined;
    gates[0]!.resolve("result 0");
    await until("the first is reported", () => stub.service.of("task.completeMany").length === 1);
    for (const [at, each] of gates.entries()) {
      each.resolve(`result ${at}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(stub.heard.of("completed")).toEqual([]);
    first.resolve();
    await until("all are completed", () => stub.heard.of("completed").length === 10);
    const groups = stub.service.of("task.completeMany").map(({ params }) => (params.items as unknown[]).length);
    expect(groups).toEqual([1, 9]);
    expect(stub.service.tasks.all.map(({ result }) => result)).toEqual(gates.map((_, at) => `result ${at}`));
  });

  test("one that the service refuses is found, and the others are completed", async () => {
    const gates = await begun(20);
    stub.service.plan = ({ method, params }) =>
      method === "task.completeMany" && JSON.stringify(params.items).includes("bad") ? refused : undefined;
    for (const [at, each] of gates.entries()) each.resolve(at === 13 ? "bad" : "good");
    await until("the others are completed", () => stub.heard.of("completed").length === 19);
    const failed = await stub.heard.one("failed");
    expect(failed.task.payload.at).toBe(13);
    expect(stub.items("task.failMany")).toMatchObject([{ retry: false, error: { code: "result_refused" } }]);
    expect(stub.service.tasks.all[13]).toMatchObject({ state: "failed" });
    expect(stub.service.tasks.all.map(({ completions }) => completions)).toEqual(
      gates.map((_, at) => (at === 13 ? 0 : 1)),
    );
  });

  test("one that JSON refuses is never sent with the others", async () => {
    const gates = await begun(5);
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    const results = [1, Number.NaN, 10n, cycle, "good"];
    for (const [at, each] of gates.entries()) each.resolve(results[at]);
    await until("three failed", () => stub.heard.of("failed").length === 3);
    await until("two are completed", () => stub.heard.of("completed").length === 2);
    expect(stub.service.of("task.completeMany")).toHaveLength(1);
    expect(stub.heard.of("failed").map(({ task }) => task.payload.at)).toEqual([1, 2, 3]);
  });

  test("one whose lease was lost changes nothing for the others", async () => {
    const gates = await begun(5);
    stub.service.tasks.takeAway(stub.service.tasks.all[1]!, "cancelled");
    for (const [at, each] of gates.entries()) each.resolve(at);
    await until("the others are completed", () => stub.heard.of("completed").length === 4);
    expect(await stub.heard.one("lease_lost")).toMatchObject({ state: "cancelled", during: "complete" });
    expect(await stub.heard.one("discarded")).toMatchObject({ task: { payload: { at: 1 } }, outcome: { result: 1 } });
  });

  test("one that is refused by itself for another reason is told as unreported, with the service's words", async () => {
    const gates = await begun(3);
    stub.service.tasks.forget(stub.service.tasks.all[1]!);
    for (const each of gates) each.resolve("done");
    await until("the others are completed", () => stub.heard.of("completed").length === 2);
    expect(await stub.heard.one("unreported")).toMatchObject({
      task: { payload: { at: 1 } },
      outcome: { result: "done" },
      during: "complete",
      error: { name: "RpcError", type: "not_found", method: "task.completeMany" },
    });
  });

  test("a group whose answer is lost is repeated as it was, failures under one requestId", async () => {
    const gates = await begun(6);
    stub.service.plan = ({ method }, nth) => (/Many$/.test(method) && nth <= 2 ? "lost after" : undefined);
    for (const [at, each] of gates.entries()) {
      if (at % 2 === 0) each.resolve(at);
      else each.reject(new Error(`no ${at}`));
    }
    await until("three are completed", () => stub.heard.of("completed").length === 3);
    await until("three failed", () => stub.heard.of("failed").length === 3);
    for (const method of ["task.completeMany", "task.failMany"]) {
      const sent = stub.service.of(method).map(({ params }) => JSON.stringify(params));
      expect(sent.length).toBeGreaterThanOrEqual(3);
      expect(new Set(sent).size).toBe(1);
    }
    expect(stub.service.of("task.failMany")[0]!.params.requestId).toBeString();
    expect(stub.service.of("task.completeMany")[0]!.params.requestId).toBeUndefined();
    expect(stub.service.tasks.all.map(({ completions }) => completions)).toEqual([1, 0, 1, 0, 1, 0]);
  });

  test("a failure is repeated under its requestId for as long as the lease is renewed", async () => {
    stub.service.tasks.leaseSeconds = 1;
    const troubles = () => stub.heard.of("trouble").filter(({ during }) => during === "fail");
    stub.service.plan = ({ method }) =>
      method === "task.failMany" && troubles().length === 0 ? "lost before" : undefined;
    const [only] = await begun(1);
    only!.reject(new Error("x"));
    await stub.heard.one("failed");
    expect(troubles().length).toBeGreaterThan(0);
    expect(new Set(stub.service.of("task.failMany").map(({ params }) => params.requestId)).size).toBe(1);
  });

  test("a call holds no more than the service takes", async () => {
    const gates = await begun(8);
    for (const each of gates) each.resolve("€".repeat(300_000));
    await until("all are completed", () => stub.heard.of("completed").length === 8);
    for (const { params } of stub.service.of("task.completeMany"))
      expect(Buffer.byteLength(JSON.stringify(params))).toBeLessThan(4 * 1024 * 1024 - 1000);
    expect(stub.service.of("task.completeMany").length).toBeLessThan(8);
  });

  test("a slot is free when its handler has ended, and so many outcomes may wait for the service's answer", async () => {
    const total = 2500;
    for (let at = 0; at < total; at++) stub.service.tasks.add("n");
    const answer = gate();
    stub.service.plan = ({ method }) => (method === "task.completeMany" ? { after: answer.promise } : undefined);
    let begun = 0;
    const worker = stub.start({ concurrency: 1, handle: () => void begun++ });
    await until("as many are begun as may be", () => begun >= 2000);
    await until("the claims stop", async () => {
      const before = [begun, stub.service.of("task.claim").length];
      await new Promise((resolve) => setTimeout(resolve, 50));
      return String(before) === String([begun, stub.service.of("task.claim").length]);
    });
    expect(begun).toBe(2000);
    expect(worker.running).toBe(2000);
    answer.resolve();
    await until("all are completed", () => stub.heard.of("completed").length === total);
    for (const { params } of stub.service.of("task.completeMany"))
      expect((params.items as unknown[]).length).toBeLessThanOrEqual(1000);
  });

  test("every call of a worker names its project", async () => {
    for (const name of ["done", "broken", "later"]) stub.service.tasks.add(name);
    stub.service.tasks.leaseSeconds = 1;
    const renewed = gate();
    stub.service.plan = ({ method }) => {
      if (method === "task.extend") renewed.resolve();
      return undefined;
    };
    const { RetryLater } = await import("../../src/client/index.ts");
    stub.start({
      project: "acme",
      handlers: {
        done: async (_task, { progress }) => {
          await progress(50);
          await renewed.promise;
        },
        broken: () => Promise.reject(new Error("x")),
        later: () => Promise.reject(new RetryLater(1)),
      },
    });
    await stub.heard.one("completed");
    await stub.heard.one("failed");
    await stub.heard.one("released");
    const methods = new Set(stub.service.calls.map(({ method }) => method));
    for (const method of ["claim", "extend", "progress", "completeMany", "failMany", "release"])
      expect(methods).toContain(`task.${method}`);
    for (const { method, params } of stub.service.calls) expect([method, params.project]).toEqual([method, "acme"]);
  });
});
