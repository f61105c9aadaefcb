import { describe, expect, test } from "bun:test";
import { createClient, type Worker, WorkerStopping } from "../../src/client/index.ts";
import { until } from "../support/until.ts";
import { gate, StubWorkers, TRANSPORTS, untilAborted } from "./support.ts";

describe.each(TRANSPORTS)("over %s", (over) => {
  const stub = new StubWorkers(over);

  test("stop() waits for the answer of a claim it has just sent, and hands its tasks back", async () => {
    const task = stub.service.tasks.add("n");
    const arrived = gate();
    const answer = gate();
    const slow = createClient({
      url: stub.service.url,
      fetch: async (url, init) => {
        const response = await fetch(url, init);
        if (!String(init.body).includes('"task.claim"')) return response;
        arrived.resolve();
        await answer.promise;
        init.signal?.throwIfAborted();
        return response;
      },
    });
    const worker = stub.start({ client: slow, handle: () => "must not run" });
    await arrived.promise;
    const stopped = worker.stop();
    answer.resolve();
    await stopped;
    expect(task.state).toBe("released");
    expect(stub.heard.of("started")).toEqual([]);
  });

  test("stop() cuts off a waiting claim and claims no more", async () => {
    const worker = stub.start({ handle: () => null, waitSeconds: 60 });
    await until("a claim waits", () => stub.service.of("task.claim").length === 1);
    await worker.stop();
    await until("the stub.service sees the worker go", () => stub.service.hungUp === 1);
    expect(stub.service.of("task.claim")).toHaveLength(1);
    expect(() => worker.start()).toThrow();
  });

  test("stop() lets running handlers finish and report, renewing their leases meanwhile", async () => {
    stub.service.tasks.leaseSeconds = 1;
    const task = stub.service.tasks.add("n");
    const end = gate<string>();
    const worker = stub.start({ handle: () => end.promise });
    await stub.heard.one("started");
    const stopped = worker.stop({ graceSeconds: 60 });
    await until("renewals while stopping", () => stub.service.of("task.extend").length >= 2);
    await until("its claim is cut off", () => stub.service.hungUp === 1);
    end.resolve("in time");
    await stopped;
    expect(task).toMatchObject({ state: "completed", result: "in time" });
    // Sooner than an idle connection would be closed.
    await until("its connection is closed", () => stub.service.sockets.open === 0, { timeoutMs: 2000 });
  });

  test("handlers that outlast the grace are interrupted and their tasks released, whether they listen or not", async () => {
    const polite = stub.service.tasks.add("polite");
    const deaf = stub.service.tasks.add("deaf");
    const end = gate<string>();
    const reasons: unknown[] = [];
    const worker = stub.start({
      handlers: {
        polite: (task, context) => {
          context.signal.addEventListener("abort", () => reasons.push(context.signal.reason));
          return untilAborted(task, context);
        },
        deaf: () => end.promise,
      },
    });
    await until("both run", () => stub.heard.of("started").length === 2);
    await worker.stop({ graceSeconds: 0 });
    expect(reasons[0]).toBeInstanceOf(WorkerStopping);
    expect([polite.state, deaf.state]).toEqual(["released", "released"]);
    expect(stub.service.of("task.fail")).toEqual([]);
    expect(stub.heard.of("released").map(({ reason }) => reason)).toEqual(["stopping", "stopping"]);
    end.resolve("too late");
    expect(await stub.heard.one("discarded")).toMatchObject({
      task: { name: "deaf" },
      outcome: { result: "too late" },
    });
  });

  test("what was claimed but not begun when the worker stops is released", async () => {
    const task = stub.service.tasks.add("n");
    const asked = gate();
    let worker: Worker | undefined;
    let stopped: Promise<void> | undefined;
    // The queue is asked for its lease between the claim's answer and the handler's start: stop exactly there.
    stub.service.plan = ({ method }) => {
      if (method === "queue.get") {
        stopped = worker?.stop();
        asked.resolve();
      }
      return undefined;
    };
    worker = stub.start({ handle: () => "must not run" });
    await asked.promise;
    await stopped;
    expect(task.state).toBe("released");
    expect(stub.heard.of("started")).toEqual([]);
  });

  test("stop() ends although the stub.service is gone", async () => {
    stub.service.tasks.leaseSeconds = 3600;
    stub.service.tasks.add("n");
    const end = gate<string>();
    const worker = stub.start({ handle: () => end.promise });
    await stub.heard.one("started");
    await stub.service.close();
    end.resolve("done");
    await worker.stop({ graceSeconds: 0.1 });
    expect(await stub.heard.one("unreported")).toMatchObject({ outcome: { result: "done" } });
  }, 30_000);
});
