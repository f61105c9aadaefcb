import { describe, expect, test } from "bun:test";
import { Courier } from "../../src/client/courier.ts";
import { HeldTask } from "../../src/client/held-task.ts";
import { type ClaimedTask, TransportError } from "../../src/client/index.ts";
import { until } from "../support/until.ts";
import { gate, StubWorkers, TRANSPORTS } from "./support.ts";

describe.each(TRANSPORTS)("over %s", (over) => {
  const stub = new StubWorkers(over);

  test("a renewal that is overtaken by the task's own report is no loss", async () => {
    stub.service.tasks.leaseSeconds = 1;
    const tasks = [stub.service.tasks.add("a"), stub.service.tasks.add("b")];
    const gates = [gate(), gate()];
    const renewal = gate();
    stub.service.plan = ({ method }, nth) =>
      method === "task.extend" && nth === 1 ? { after: renewal.promise } : undefined;
    stub.start({ handle: (task) => gates[tasks.findIndex(({ id }) => id === task.id)]!.promise });
    await until("a renewal of both is under way", () => stub.service.of("task.extend").length === 1);
    gates[0]!.resolve();
    await stub.heard.one("completed");
    renewal.resolve();
    await until("the other is renewed again", () => stub.service.of("task.extend").length === 2);
    expect(stub.service.of("task.extend").map(({ params }) => (params.receipts as unknown[]).length)).toEqual([2, 1]);
    expect(stub.heard.of("lease_lost")).toEqual([]);
    gates[1]!.resolve();
    await until("both are completed", () => stub.heard.of("completed").length === 2);
  });
});

test("a call about several tasks is repeated while the lease of any of them lives", async () => {
  const now = performance.now();
  const held = (leaseMs: number) => new HeldTask({} as ClaimedTask, leaseMs, now, () => {});
  const heard: string[] = [];
  const courier = new Courier(({ type }) => heard.push(type), new AbortController().signal);
  let tries = 0;
  const broken = () => new TransportError("task.completeMany", "it broke", { outcome: "unknown" });
  const send = async () => {
    if (++tries < 3) throw broken();
    return "told";
  };
  expect(await courier.deliver([held(0), held(60_000), held(0)], "complete", send)).toEqual({ answer: "told" });
  expect(heard).toEqual(["trouble", "trouble"]);
  tries = 0;
  const delivery = await courier.deliver([held(0), held(0)], "complete", send);
  expect("refused" in delivery && delivery.refused).toBeInstanceOf(TransportError);
});
