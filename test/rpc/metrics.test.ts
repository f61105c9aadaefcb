import { expect, test } from "bun:test";
import { createMetrics } from "../../src/rpc/metrics.ts";
import { echo, request, stubService } from "./stub-service.ts";

const silent = { error: () => {} };

/** The lines of the text that begin so. */
const lines = (text: string, start: string): string[] => text.split("\n").filter((line) => line.startsWith(start));

test("calls are counted by method and outcome, and timed", async () => {
  const metrics = createMetrics(silent);
  const { ask } = stubService([echo], { observe: metrics.observe });
  await ask(JSON.stringify([request("echo"), request("echo"), request("echo", [])]));
  const text = await metrics.text();
  expect(lines(text, "opensqs_rpc_calls_total").sort()).toEqual([
    'opensqs_rpc_calls_total{method="echo",outcome="invalid_params"} 1',
    'opensqs_rpc_calls_total{method="echo",outcome="ok"} 2',
  ]);
  expect(lines(text, "opensqs_rpc_seconds_count")).toEqual(['opensqs_rpc_seconds_count{method="echo"} 3']);
  expect(lines(text, 'opensqs_rpc_seconds_bucket{le="60"')).toEqual([
    'opensqs_rpc_seconds_bucket{le="60",method="echo"} 3',
  ]);
});

test("names of methods that do not exist make no label values", async () => {
  const metrics = createMetrics(silent);
  const { ask } = stubService([echo], { observe: metrics.observe });
  for (let n = 0; n < 50; n++) await ask(JSON.stringify(request(`made.up.${n}`)));
  await ask("nonsense");
  const text = await metrics.text();
  expect(lines(text, "opensqs_rpc_calls_total").sort()).toEqual([
    'opensqs_rpc_calls_total{method="none",outcome="method_not_found"} 50',
    'opensqs_rpc_calls_total{method="none",outcome="parse_error"} 1',
  ]);
  expect(text).not.toContain("made.up");
});

test("a call counts as in flight until it ends", async () => {
  const metrics = createMetrics(silent);
  const end = metrics.observe("echo");
  expect(lines(await metrics.text(), "opensqs_rpc_in_flight")).toEqual(["opensqs_rpc_in_flight 1"]);
  end("ok");
  expect(lines(await metrics.text(), "opensqs_rpc_in_flight")).toEqual(["opensqs_rpc_in_flight 0"]);
});

test("a lazy gauge is read when somebody reads, and forgets what is gone", async () => {
  const metrics = createMetrics(silent);
  let values = [
    { labels: { queue: "a", state: "pending" }, value: 3 },
    { labels: { queue: "b", state: "claimed" }, value: 1 },
  ];
  metrics.addGauge({
    name: "opensqs_tasks",
    help: "Tasks.",
    labelNames: ["queue", "state"],
    collect: async () => values,
  });
  expect(lines(await metrics.text(), "opensqs_tasks")).toEqual([
    'opensqs_tasks{queue="a",state="pending"} 3',
    'opensqs_tasks{queue="b",state="claimed"} 1',
  ]);
  values = [{ labels: { queue: "a", state: "pending" }, value: 4 }];
  expect(lines(await metrics.text(), "opensqs_tasks")).toEqual(['opensqs_tasks{queue="a",state="pending"} 4']);
});

test("a gauge that cannot be read is left out and logged; the others are answered", async () => {
  const logged: unknown[] = [];
  const metrics = createMetrics({ error: (_message, fields) => logged.push(fields) });
  const failure = new Error("no database");
  metrics.addGauge({
    name: "opensqs_tasks",
    help: "Tasks.",
    labelNames: ["queue"],
    collect: async () => {
      throw failure;
    },
  });
  const text = await metrics.text();
  expect(lines(text, "opensqs_tasks{")).toEqual([]);
  expect(lines(text, "opensqs_rpc_in_flight")).toEqual(["opensqs_rpc_in_flight 0"]);
  expect(logged).toEqual([{ gauge: "opensqs_tasks", error: failure }]);
});

test("the process tells of itself, and two services in one process share nothing", async () => {
  const one = createMetrics(silent);
  const two = createMetrics(silent);
  one.observe("echo")("ok");
  expect(await one.text()).toContain("process_resident_memory_bytes");
  expect(lines(await two.text(), "opensqs_rpc_calls_total")).toEqual([]);
});
