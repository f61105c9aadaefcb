import { describe, expect, test } from "bun:test";
import type { ClaimedTask } from "../../src/client/index.ts";
import { Prefetch } from "../../src/client/prefetch.ts";
import { until } from "../support/until.ts";
import { gate, StubWorkers, TRANSPORTS } from "./support.ts";

describe.each(TRANSPORTS)("over %s", (over) => {
  const stub = new StubWorkers(over);
  const limits = () => stub.service.of("task.claim").map(({ params }) => params.limit);

  test("tasks are claimed ahead of free slots, begun in order, and more are claimed when half of them are gone", async () => {
    const tasks = Array.from({ length: 20 }, () => stub.service.tasks.add("n"));
    const gates = tasks.map(() => gate());
    let begun = 0;
    stub.start({ concurrency: 2, prefetch: 4, handle: () => gates[begun++]!.promise });
    await until("two are begun", () => begun === 2);
    expect(limits()).toEqual([6]);
    expect(tasks.filter(({ state }) => state === "claimed")).toHaveLength(6);
    gates[0]!.resolve();
    gates[1]!.resolve();
    await until("two more are begun", () => begun === 4);
    expect(limits()).toEqual([6]);
    gates[2]!.resolve();
    await until("more are claimed", () => limits().length === 2);
    expect(limits()).toEqual([6, 3]);
    for (const each of gates) each.resolve();
    await until("all are completed", () => stub.heard.of("completed").length === 20);
    expect(stub.heard.of("started").map(({ task }) => task.id)).toEqual(tasks.map(({ id }) => id));
  });

  test("the next claim is on its way before the last task of this one is begun", async () => {
    for (let at = 0; at < 300; at++) stub.service.tasks.add("n");
    stub.start({ concurrency: 1, prefetch: 100, handle: () => null });
    await until("all are completed", () => stub.heard.of("completed").length === 300);
    expect(limits().slice(0, 2)).toEqual([101, 51]);
  });

  test("what has not begun is handed back when the worker stops, while what runs may end", async () => {
    const tasks = Array.from({ length: 5 }, () => stub.service.tasks.add("n"));
    const end = gate();
    const worker = stub.start({ concurrency: 1, prefetch: 4, handle: () => end.promise });
    await until("one is begun", () => stub.heard.of("started").length === 1);
    expect(worker.running).toBe(1);
    const stopped = worker.stop({ graceSeconds: 60 });
    await until("four are handed back", () => stub.heard.of("released").length === 4);
    expect(tasks.map(({ state }) => state)).toEqual(["claimed", "released", "released", "released", "released"]);
    for (const { params } of stub.service.of("task.release")) expect(params.delaySeconds).toBeUndefined();
    end.resolve();
    await stopped;
    expect(tasks[0]!.state).toBe("completed");
    expect(stub.heard.of("started")).toHaveLength(1);
  });

  test("leases of what has not begun are renewed too, and what is cancelled meanwhile never begins", async () => {
    stub.service.tasks.leaseSeconds = 1;
    const tasks = Array.from({ length: 3 }, () => stub.service.tasks.add("n"));
    const end = gate();
    stub.start({ concurrency: 1, prefetch: 2, handle: () => end.promise });
    await until("a renewal", () => stub.service.of("task.extend").length >= 1);
    expect(stub.service.of("task.extend")[0]!.params.receipts).toHaveLength(3);
    stub.service.tasks.takeAway(tasks[1]!, "cancelled");
    expect(await stub.heard.one("lease_lost")).toMatchObject({ task: { id: tasks[1]!.id }, during: "extend" });
    end.resolve();
    await until("the others are completed", () => stub.heard.of("completed").length === 2);
    expect(stub.heard.of("started").map(({ task }) => task.id)).toEqual([tasks[0]!.id, tasks[2]!.id]);
  });

  test("tasks claimed ahead are handed back when the slots do not come free for long", async () => {
    const end = gate();
    for (let at = 0; at < 50; at++) stub.service.tasks.add("quick");
    stub.start({ concurrency: 2, handlers: { quick: () => null, endless: () => end.promise } });
    await until("the quick are done", () => stub.heard.of("completed").length === 50);
    // Handlers were quick so far, so all of these are claimed, and two are begun.
    const tasks = Array.from({ length: 6 }, () => stub.service.tasks.add("endless"));
    await until("all are claimed", () => tasks.every(({ state }) => state === "claimed"));
    await until("four are handed back", () => stub.heard.of("released").length === 4);
    expect(new Set(stub.heard.of("released").map(({ reason }) => reason))).toEqual(new Set(["not_begun"]));
    expect(tasks.filter(({ state }) => state === "claimed")).toHaveLength(2);
    // The claim that was sent in good faith may still bring some; another one is not sent.
    const claims = limits().length;
    for (let at = 0; at < 3; at++) stub.service.tasks.add("endless");
    await until("these are handed back as well", () => stub.heard.of("released").length === 7);
    expect(limits()).toHaveLength(claims);
    end.resolve();
  }, 20_000);

  test("handlers that never wait leave the process time for other things", async () => {
    for (let at = 0; at < 300; at++) stub.service.tasks.add("n");
    let begun = 0;
    const begunBy: number[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = () => {
      begunBy.push(begun);
      timer = setTimeout(look, 0);
    };
    stub.start({
      prefetch: 299,
      concurrency: 1,
      handle() {
        if (begun++ === 0) look();
        const untilMs = performance.now() + 0.2;
        while (performance.now() < untilMs);
      },
    });
    await until("all are completed", () => stub.heard.of("completed").length === 300);
    clearTimeout(timer);
    expect(begunBy.filter((count) => count > 1 && count < 300).length).toBeGreaterThan(2);
  });
});

describe("how much is held ahead", () => {
  const task = (characters: number) => ({ payload: { text: "x".repeat(characters) } }) as unknown as ClaimedTask;

  test("is what the user says, whatever handlers take", () => {
    const prefetch = new Prefetch(7, 10);
    prefetch.took(0.001);
    prefetch.weigh(task(10_000_000));
    expect(prefetch.size).toBe(7);
  });

  test("is nothing before a handler has ended, then a tenth of a second's work, up to 2,000 tasks", () => {
    const sizeAfter = (milliseconds: number) => {
      const prefetch = new Prefetch(undefined, 10);
      expect(prefetch.size).toBe(0);
      prefetch.took(milliseconds);
      return prefetch.size;
    };
    expect([0, 0.01, 1, 10, 100, 500, 1000, 2000, 60_000].map(sizeAfter)).toEqual([
      2000, 2000, 1000, 100, 10, 2, 1, 0, 0,
    ]);
  });

  test("follows the handlers", () => {
    const prefetch = new Prefetch(undefined, 10);
    for (let ended = 0; ended < 100; ended++) prefetch.took(1);
    for (let ended = 0; ended < 100; ended++) prefetch.took(1000);
    expect(prefetch.size).toBe(1);
    for (let ended = 0; ended < 200; ended++) prefetch.took(1);
    expect(prefetch.size).toBeGreaterThan(900);
    prefetch.stalled(5000);
    expect(prefetch.size).toBe(0);
  });

  test("is bounded by the size of payloads", () => {
    const prefetch = new Prefetch(undefined, 10);
    prefetch.took(0);
    for (let claims = 0; claims < 200; claims++) prefetch.weigh(task(1024 * 1024));
    expect(prefetch.size).toBeGreaterThanOrEqual(7);
    expect(prefetch.size).toBeLessThanOrEqual(8);
  });
});
