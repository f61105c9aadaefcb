/** Parameters that were found to cost, or to break, more than they should. */
import { expect, test } from "bun:test";
import type { InvalidParams } from "../../src/domain/refusals.ts";
import { METHODS } from "../../src/rpc/methods/index.ts";
import { readParams } from "../../src/rpc/params.ts";

const paramsOf = (name: string) => METHODS.find((method) => method.name === name)!.params;

function issuesOf(name: string, params: unknown): readonly { path: string; message: string }[] {
  try {
    readParams(paramsOf(name), params);
    return [];
  } catch (error) {
    return (error as InvalidParams).issues;
  }
}

test("issues are looked for until there are enough, not in each of 1,000 tasks", () => {
  const zeros = Array(1_000).fill(0);
  const tasks = Array(1_000).fill({ queue: "q", dependsOn: zeros });
  const issues = issuesOf("task.enqueueMany", { tasks });
  expect(issues.length).toBeGreaterThan(100);
  expect(issues.length).toBeLessThan(2_000);
  const items = Array(1_000).fill({});
  for (const name of ["task.completeMany", "task.failMany"]) expect(issuesOf(name, { items }).length).toBeLessThan(300);
  expect(issuesOf("workflow.create", { tasks: Array(1_000).fill({ dependsOn: zeros }) }).length).toBeLessThan(2_000);
});

test("a list that stops early reads as one that does not", () => {
  const tasks = [{ queue: "a", priority: "high" }, { queue: "b" }];
  expect(readParams(paramsOf("task.enqueueMany"), { tasks })).toMatchObject({
    tasks: [{ queue: "a", priority: 2 }, { queue: "b" }],
  });
  expect(issuesOf("task.enqueueMany", { tasks: [{ queue: "a" }, { queue: "b", tags: ["x", 1] }] })).toMatchObject([
    { path: "tasks[1].tags[1]" },
  ]);
  for (const tasks of [[], 5, null, undefined, {}, Array(1_001).fill({ queue: "q" })])
    expect(issuesOf("task.enqueueMany", { tasks })).toMatchObject([{ path: "tasks" }]);
});

test.each([
  ["2030-01-01T00:00:00+15:59", []],
  ["2030-01-01T00:00:00-15:59", []],
  // PostgreSQL refuses these: an internal error before.
  ["2030-01-01T00:00:00+16:00", ["runAt"]],
  ["2030-01-01T00:00:00-23:59", ["runAt"]],
  ["2030-01-01T00:00:00.123456789Z", []],
  [`2030-01-01T00:00:00.${"0".repeat(20)}Z`, ["runAt"]],
  [`2030-01-01T00:00:00.${"0".repeat(1_000_000)}Z`, ["runAt"]],
])("the time %p", (runAt, paths) => {
  expect(issuesOf("task.enqueue", { queue: "q", runAt }).map(({ path }) => path)).toEqual(paths);
});

test("states are not repeated without end", () => {
  expect(issuesOf("task.list", { states: Array(10).fill("pending") })).toEqual([]);
  expect(issuesOf("task.list", { states: Array(11).fill("pending") })).toMatchObject([{ path: "states" }]);
});
