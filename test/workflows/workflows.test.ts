/** Workflows as callers see them: made whole, run in order, results passed on, cancelled and retried. */
import { afterEach, describe, expect, test } from "bun:test";
import { planRetry } from "../../src/engine/workflow-retry.ts";
import type { Json } from "../../src/lib/json.ts";
import { refusal, testService } from "../support/service.ts";

const service = testService();

type Task = Parameters<typeof create>[0][number];
let queues = 0;
const newQueue = () => `q${++queues}`;

async function create(tasks: { key: string; dependsOn?: string[]; [more: string]: unknown }[], queue = newQueue()) {
  const made = await service.call("workflow.create", { queue, tasks });
  return { ...made, queue, ids: made.tasks as Record<string, string> };
}

/** Claims what is ready; by task id. */
async function claim(queue: string) {
  const { tasks } = await service.call("task.claim", { queue, limit: 1000 });
  return new Map(tasks.map((task) => [task.id, task]));
}

const get = (id: string) => service.call("workflow.get", { id });
const stateOf = async (id: string) => (await service.call("task.get", { id })).state;

async function statesOf(id: string): Promise<Record<string, string>> {
  return Object.fromEntries((await get(id)).tasks.map(({ key, state }) => [key, state]));
}

/** Claims a workflow's one ready task of this key, and ends it. */
async function run(flow: { queue: string; ids: Record<string, string> }, key: string, result?: Json) {
  const task = (await claim(flow.queue)).get(flow.ids[key]!);
  if (!task) throw new Error(`${key} is not ready`);
  await service.call("task.complete", { receipt: task.receipt, ...(result === undefined ? {} : { result }) });
  return task;
}

async function fail(flow: { queue: string; ids: Record<string, string> }, key: string) {
  const task = (await claim(flow.queue)).get(flow.ids[key]!)!;
  await service.call("task.fail", { receipt: task.receipt, error: { message: "no" }, retry: false });
}

afterEach(async () => {
  expect(await service.call("admin.verify", {})).toEqual({ ok: true, violations: [] });
});

describe("a workflow", () => {
  test("runs its tasks in the order of their dependencies, and hands results on", async () => {
    const flow = await create([
      { key: "report", dependsOn: ["a", "b"] },
      { key: "a", dependsOn: ["fetch"] },
      { key: "b", dependsOn: ["fetch"] },
      { key: "fetch", payload: { url: "x" } },
    ]);
    expect(await get(flow.id)).toMatchObject({
      id: flow.id,
      name: null,
      state: "running",
      counts: { waiting: 3, pending: 1, claimed: 0, completed: 0, failed: 0, cancelled: 0 },
      finished: null,
    });
    const first = await run(flow, "fetch", { pages: 2 });
    expect(first).toMatchObject({ inputs: {}, workflow: { id: flow.id, key: "fetch" } });
    const both = await claim(flow.queue);
    expect([...both.keys()].sort()).toEqual([flow.ids.a!, flow.ids.b!].sort());
    for (const [id, task] of both) {
      expect(task.inputs).toEqual({ fetch: { pages: 2 } });
      await service.call("task.complete", { receipt: task.receipt, result: id === flow.ids.a ? 1 : null });
    }
    const { inputs, dependsOn } = await run(flow, "report");
    expect(inputs).toEqual({ a: 1, b: null });
    expect(dependsOn).toEqual([flow.ids.a!, flow.ids.b!]);
    const ended = await get(flow.id);
    expect(ended).toMatchObject({ state: "completed", counts: { completed: 4 } });
    expect(ended.finished).not.toBeNull();
  });

  test("carries names, a queue for each task, and what task.enqueue takes", async () => {
    const [one, two] = [newQueue(), newQueue()];
    const { id, tasks } = await service.call("workflow.create", {
      name: "import",
      queue: one,
      tasks: [
        { key: "a", name: "fetch", priority: "high", tags: ["x"], description: "fetches", payload: { n: 1 } },
        { key: "b", queue: two, dependsOn: ["a"], maxAttempts: 1 },
      ],
    });
    const ids = tasks as Record<string, string>;
    expect(await service.call("task.get", { id: ids.a! })).toMatchObject({
      name: "fetch",
      queue: one,
      priority: 2,
      tags: ["x"],
      description: "fetches",
      payload: { n: 1 },
      state: "pending",
    });
    expect(await service.call("task.get", { id: ids.b! })).toMatchObject({
      queue: two,
      state: "waiting",
      maxAttempts: 1,
      dependsOn: [ids.a!],
    });
    expect(await get(id)).toMatchObject({
      name: "import",
      tasks: [
        { key: "a", queue: one },
        { key: "b", queue: two, dependsOn: ["a"] },
      ],
    });
    await run({ queue: one, ids }, "a");
    await run({ queue: two, ids }, "b");
    expect(await get(id)).toMatchObject({ state: "completed" });
  });

  test("hands a claim that waits in another queue the task that its last dependency frees", async () => {
    const [one, two] = [newQueue(), newQueue()];
    const flow = await create(
      [
        { key: "a", queue: one },
        { key: "b", queue: two, dependsOn: ["a"] },
      ],
      one,
    );
    const waiting = service.call("task.claim", { queue: two, waitSeconds: 20 });
    await run(flow, "a");
    expect((await waiting).tasks.map(({ id }) => id)).toEqual([flow.ids.b!]);
  });

  test("is repeated by its requestId", async () => {
    const queue = newQueue();
    const params = { queue, requestId: "once", tasks: [{ key: "a" }, { key: "b", dependsOn: ["a"] }] };
    const first = await service.call("workflow.create", params);
    expect(await service.call("workflow.create", params)).toEqual(first);
    expect((await service.call("queue.stats", { name: queue })) as unknown).toMatchObject({ pending: 1, waiting: 1 });
    const more = { id: first.id, queue, requestId: "more", tasks: [{ key: "c" }] };
    const added = await service.call("workflow.add", more);
    expect(await service.call("workflow.add", more)).toEqual(added);
    await service.call("workflow.cancel", { id: first.id, requestId: "end" });
    expect(await service.call("workflow.cancel", { id: first.id, requestId: "end" })).toEqual({
      id: first.id,
      state: "cancelled",
    });
    expect(await service.call("workflow.add", more)).toEqual(added);
  });

  test("keeps keys as they are, whatever they look like", async () => {
    const flow = await create([{ key: "__proto__" }, { key: 'ü " , {}', dependsOn: ["__proto__"] }]);
    expect(Object.keys(flow.ids).sort()).toEqual(["__proto__", 'ü " , {}'].sort());
    const first = [...(await claim(flow.queue)).values()][0]!;
    await service.call("task.complete", { receipt: first.receipt, result: { deep: [1.5] } });
    const second = [...(await claim(flow.queue)).values()][0]!;
    expect(Object.entries(second.inputs)).toEqual([["__proto__", { deep: [1.5] }]]);
    expect((await get(flow.id)).tasks.map(({ key, dependsOn }) => [key, dependsOn])).toEqual([
      ["__proto__", []],
      ['ü " , {}', ["__proto__"]],
    ]);
  });

  test("of 1,000 tasks comes in one call", async () => {
    const tasks: Task[] = Array.from({ length: 1000 }, (_, at) => ({
      key: `${at}`,
      dependsOn: at < 500 ? [] : [`${at - 500}`, `${at - 1}`],
    }));
    const flow = await create(tasks);
    expect((await get(flow.id)).counts).toMatchObject({ pending: 500, waiting: 500 });
  });
});

describe("what does not fit together is refused", () => {
  const issues = async (tasks: Task[]) => {
    const data = await refusal(service.call("workflow.create", { queue: "never", tasks }));
    expect(data.type).toBe("invalid_params");
    return data.issues as { path: string; message: string }[];
  };

  test("a circle, with its path", async () => {
    expect(
      await issues([
        { key: "free" },
        { key: "a", dependsOn: ["free", "c"] },
        { key: "b", dependsOn: ["a"] },
        { key: "c", dependsOn: ["b"] },
        { key: "below", dependsOn: ["c"] },
      ]),
    ).toEqual([{ path: "tasks[1].dependsOn[1]", message: 'the dependencies form a circle: "a" → "c" → "b" → "a"' }]);
    expect(await issues([{ key: "self", dependsOn: ["self"] }])).toEqual([
      { path: "tasks[0].dependsOn[0]", message: 'the dependencies form a circle: "self" → "self"' },
    ]);
  });

  test("an unknown key, a key twice, no queue", async () => {
    expect(await issues([{ key: "a", dependsOn: ["b", "nobody"] }, { key: "b" }])).toEqual([
      { path: "tasks[0].dependsOn[1]", message: 'no task of this workflow has the key "nobody"' },
    ]);
    expect(await issues([{ key: "a" }, { key: "a" }])).toEqual([
      { path: "tasks[1].key", message: '"a" is the key of another task of this workflow' },
    ]);
    const data = await refusal(service.call("workflow.create", { tasks: [{ key: "a" }] }));
    expect(data.issues).toEqual([{ path: "tasks[0].queue", message: "names no queue, and the call has no default" }]);
  });

  test("and nothing of it is left", async () => {
    expect(await refusal(service.call("queue.get", { name: "never" }))).toMatchObject({ type: "not_found" });
    const queue = newQueue();
    await service.call("queue.create", { name: queue, maxPayloadBytes: 10 });
    const tasks = [{ key: "a" }, { key: "b", payload: { long: "longer than that" } }];
    expect(await refusal(service.call("workflow.create", { queue, tasks }))).toEqual({
      type: "payload_too_large",
      limitBytes: 10,
    });
    expect((await service.call("queue.stats", { name: queue })) as unknown).toMatchObject({ pending: 0, waiting: 0 });
  });

  test("a task that a dedupe key says is there already", async () => {
    const queue = newQueue();
    await service.call("task.enqueue", { queue, dedupeKey: "k" });
    const tasks = [{ key: "a" }, { key: "b", dedupeKey: "k", dependsOn: ["a"] }];
    expect(await refusal(service.call("workflow.create", { queue, tasks }))).toEqual({
      type: "conflict",
      field: "dedupeKey",
    });
    expect((await service.call("queue.stats", { name: queue })) as unknown).toMatchObject({ pending: 1, waiting: 0 });
  });

  test("a workflow that does not exist, or is another project's", async () => {
    const id = "01a1ffb9-8076-75fa-9679-060400000001";
    const refused = { type: "not_found", noun: "workflow", id };
    expect(await refusal(get(id))).toEqual(refused);
    expect(await refusal(service.call("workflow.cancel", { id }))).toEqual(refused);
    expect(await refusal(service.call("workflow.retry", { id }))).toEqual(refused);
    expect(await refusal(service.call("workflow.add", { id, queue: "unmade", tasks: [{ key: "a" }] }))).toEqual(
      refused,
    );
    expect(await refusal(service.call("queue.get", { name: "unmade" }))).toMatchObject({ type: "not_found" });
    await service.call("project.create", { name: "other" });
    const flow = await create([{ key: "a" }]);
    expect(await refusal(service.call("workflow.get", { id: flow.id, project: "other" }))).toMatchObject({
      type: "not_found",
    });
  });
});

describe("a failure", () => {
  test("cancels, fails or runs what depends on it, down the whole graph", async () => {
    const flow = await create([
      { key: "root" },
      { key: "cancelled", dependsOn: ["root"] },
      { key: "failed", dependsOn: ["root"], onDependencyFailure: "fail" },
      { key: "below cancelled", dependsOn: ["cancelled"], onDependencyFailure: "fail" },
      { key: "below failed", dependsOn: ["failed"] },
      { key: "callback", dependsOn: ["below cancelled", "below failed", "root"], onDependencyFailure: "run" },
    ]);
    await fail(flow, "root");
    expect(await statesOf(flow.id)).toEqual({
      root: "failed",
      cancelled: "cancelled",
      failed: "failed",
      "below cancelled": "failed",
      "below failed": "cancelled",
      callback: "pending",
    });
    expect((await get(flow.id)).state).toBe("running");
    const { inputs } = await run(flow, "callback");
    expect(inputs).toEqual({ "below cancelled": null, "below failed": null, root: null });
    expect((await get(flow.id)).state).toBe("failed");
    const { errors } = await service.call("task.get", { id: flow.ids.cancelled! });
    expect(errors).toMatchObject([{ code: "dependency_failed" }]);
  });

  test("at the head of a long chain ends all of it", async () => {
    const flow = await create(
      Array.from({ length: 1000 }, (_, at) => ({ key: `${at}`, dependsOn: at === 0 ? [] : [`${at - 1}`] })),
    );
    await fail(flow, "0");
    expect(await get(flow.id)).toMatchObject({ state: "failed", counts: { failed: 1, cancelled: 999 } });
  });

  test("of a task that is cancelled or purged counts like one", async () => {
    const flow = await create([
      { key: "a" },
      { key: "b", dependsOn: ["a"] },
      { key: "c", queue: "purged" },
      { key: "d", dependsOn: ["c"] },
    ]);
    await service.call("task.cancel", { id: flow.ids.a! });
    await service.call("queue.purge", { name: "purged" });
    expect(await statesOf(flow.id)).toEqual({ a: "cancelled", b: "cancelled", d: "cancelled" });
    expect((await get(flow.id)).state).toBe("cancelled");
  });
});

describe("adding to a workflow", () => {
  test("takes tasks that depend on those it has, ended ones too", async () => {
    const flow = await create([{ key: "a" }, { key: "b" }]);
    await run(flow, "a", "of a");
    const { tasks } = await service.call("workflow.add", {
      id: flow.id,
      queue: flow.queue,
      tasks: [
        { key: "c", dependsOn: ["a"] },
        { key: "d", dependsOn: ["c", "b"] },
      ],
    });
    const ids = { ...flow.ids, ...(tasks as Record<string, string>) };
    expect(await statesOf(flow.id)).toEqual({ a: "completed", b: "claimed", c: "pending", d: "waiting" });
    expect((await run({ ...flow, ids }, "c")).inputs).toEqual({ a: "of a" });
  });

  test("ends at once what depends on a failed one", async () => {
    const flow = await create([{ key: "a" }, { key: "open" }]);
    await fail(flow, "a");
    await service.call("workflow.add", {
      id: flow.id,
      queue: flow.queue,
      tasks: [
        { key: "b", dependsOn: ["a"] },
        { key: "c", dependsOn: ["b"], onDependencyFailure: "fail" },
        { key: "d", dependsOn: ["a", "c"], onDependencyFailure: "run" },
      ],
    });
    expect(await statesOf(flow.id)).toEqual({
      a: "failed",
      open: "claimed",
      b: "cancelled",
      c: "failed",
      d: "pending",
    });
  });

  test("is refused for a key that is taken, and once the workflow has ended", async () => {
    const flow = await create([{ key: "a" }]);
    const add = (tasks: Task[]) => service.call("workflow.add", { id: flow.id, queue: flow.queue, tasks });
    expect((await refusal(add([{ key: "a" }]))).issues).toEqual([
      { path: "tasks[0].key", message: '"a" is the key of another task of this workflow' },
    ]);
    await run(flow, "a");
    expect(await refusal(add([{ key: "b" }]))).toEqual({ type: "wrong_state", state: "completed" });
  });
});

describe("cancelling a workflow", () => {
  test("cancels what has not ended, whatever its policy, and those outside that wait for it", async () => {
    const flow = await create([
      { key: "done" },
      { key: "held" },
      { key: "last", dependsOn: ["held"], onDependencyFailure: "run" },
      { key: "fails", dependsOn: ["held"], onDependencyFailure: "fail" },
    ]);
    const held = await claim(flow.queue);
    await service.call("task.complete", { receipt: held.get(flow.ids.done!)!.receipt });
    const outside = await service.call("task.enqueue", {
      queue: newQueue(),
      dependsOn: [flow.ids.last!],
      onDependencyFailure: "fail",
    });
    expect(await service.call("workflow.cancel", { id: flow.id })).toEqual({ id: flow.id, state: "cancelled" });
    expect(await statesOf(flow.id)).toEqual({
      done: "completed",
      held: "cancelled",
      last: "cancelled",
      fails: "cancelled",
    });
    expect(await get(flow.id)).toMatchObject({ state: "cancelled", counts: { completed: 1, cancelled: 3 } });
    expect(await stateOf(outside.id)).toBe("failed");
    const lost = await refusal(service.call("task.complete", { receipt: held.get(flow.ids.held!)!.receipt }));
    expect(lost).toEqual({ type: "lease_lost", state: "cancelled" });
    expect(await refusal(service.call("workflow.cancel", { id: flow.id }))).toEqual({
      type: "wrong_state",
      state: "cancelled",
    });
  });
});

describe("retrying a workflow", () => {
  test("runs the failed and cancelled again, in order, and leaves the completed", async () => {
    const flow = await create([
      { key: "good" },
      { key: "bad" },
      { key: "next", dependsOn: ["good", "bad"] },
      { key: "last", dependsOn: ["next"], onDependencyFailure: "fail" },
    ]);
    const tasks = await claim(flow.queue);
    await service.call("task.complete", { receipt: tasks.get(flow.ids.good!)!.receipt, result: "kept" });
    await service.call("task.fail", {
      receipt: tasks.get(flow.ids.bad!)!.receipt,
      error: { message: "no" },
      retry: false,
    });
    expect(await get(flow.id)).toMatchObject({ state: "failed", counts: { completed: 1, failed: 2, cancelled: 1 } });
    expect(await service.call("workflow.retry", { id: flow.id })).toEqual({ id: flow.id, state: "running" });
    expect(await statesOf(flow.id)).toEqual({ good: "completed", bad: "pending", next: "waiting", last: "waiting" });
    expect(await get(flow.id)).toMatchObject({ state: "running", finished: null });
    await run(flow, "bad", "better");
    expect((await run(flow, "next")).inputs).toEqual({ good: "kept", bad: "better" });
    await run(flow, "last");
    expect(await get(flow.id)).toMatchObject({ state: "completed", counts: { completed: 4 } });
    expect(await refusal(service.call("workflow.retry", { id: flow.id }))).toEqual({
      type: "wrong_state",
      state: "completed",
    });
  });

  test("works while it runs, and after it was cancelled", async () => {
    const flow = await create([{ key: "a" }, { key: "b" }, { key: "c", dependsOn: ["a", "b"] }]);
    await fail(flow, "a");
    expect(await statesOf(flow.id)).toEqual({ a: "failed", b: "claimed", c: "cancelled" });
    expect(await service.call("workflow.retry", { id: flow.id })).toEqual({ id: flow.id, state: "running" });
    expect(await statesOf(flow.id)).toEqual({ a: "pending", b: "claimed", c: "waiting" });
    await service.call("workflow.cancel", { id: flow.id });
    await service.call("workflow.retry", { id: flow.id });
    expect(await statesOf(flow.id)).toEqual({ a: "pending", b: "pending", c: "waiting" });
    const tasks = await claim(flow.queue);
    for (const key of ["a", "b"]) await service.call("task.complete", { receipt: tasks.get(flow.ids[key]!)!.receipt });
    await run(flow, "c");
    expect(await get(flow.id)).toMatchObject({ state: "completed" });
  });

  test("leaves a deleted task alone, and with it what depends on it", async () => {
    const flow = await create([{ key: "a" }, { key: "b", dependsOn: ["a"] }, { key: "c" }]);
    await service.call("task.delete", { id: flow.ids.a! });
    await fail(flow, "c");
    await service.call("workflow.retry", { id: flow.id });
    expect(await statesOf(flow.id)).toEqual({ a: "cancelled", b: "cancelled", c: "pending" });
  });

  test("is refused where two of its tasks had one dedupe key in turn", async () => {
    const flow = await create([{ key: "a", dedupeKey: "k" }, { key: "open" }]);
    const tasks = await claim(flow.queue);
    const failWith = (receipt: string) =>
      service.call("task.fail", { receipt, error: { message: "no" }, retry: false });
    await failWith(tasks.get(flow.ids.a!)!.receipt);
    await service.call("workflow.add", { id: flow.id, queue: flow.queue, tasks: [{ key: "b", dedupeKey: "k" }] });
    await failWith([...(await claim(flow.queue)).values()][0]!.receipt);
    expect(await refusal(service.call("workflow.retry", { id: flow.id }))).toEqual({
      type: "conflict",
      field: "dedupeKey",
    });
    expect(await statesOf(flow.id)).toEqual({ a: "failed", open: "claimed", b: "failed" });
  });

  test("knows what depends on what by more than the order of ids, which two instances' clocks made", () => {
    const member = (n: number, dependsOn: number[]) => ({
      id: idOf(n),
      queue_id: 1,
      outcome: "failed" as const,
      deleted: false,
      dedupe_key: null,
      depends_on: dependsOn.map(idOf),
      on_failure: "cancel",
    });
    const idOf = (n: number) => `01a1ffb9-8076-75fa-9679-06040000000${n}`;
    const { tasks } = planRetry([member(1, [3]), member(2, [1]), member(3, [])]);
    const unmet = Object.fromEntries(tasks.map((task) => [task.id, task.waitsFor.map(({ id }) => id)]));
    expect(unmet).toEqual({ [idOf(3)]: [], [idOf(1)]: [idOf(3)], [idOf(2)]: [idOf(1)] });
  });

  test("one task of it alone makes the workflow run again", async () => {
    const flow = await create([{ key: "a" }]);
    await fail(flow, "a");
    expect((await get(flow.id)).state).toBe("failed");
    await service.call("task.retry", { id: flow.ids.a! });
    expect((await get(flow.id)).state).toBe("running");
    await run(flow, "a");
    expect((await get(flow.id)).state).toBe("completed");
  });
});

describe("a list of workflows", () => {
  test("shows the newest first, by state, page by page", async () => {
    const project = "lists";
    await service.call("project.create", { name: project });
    const made: string[] = [];
    for (let at = 0; at < 5; at++)
      made.unshift(
        (await service.call("workflow.create", { project, queue: "l", name: `w${at}`, tasks: [{ key: "a" }] })).id,
      );
    const list = (params: object) => service.call("workflow.list", { project, ...params });
    expect((await list({})).workflows.map(({ id }) => id)).toEqual(made);
    const { tasks } = await service.call("task.claim", { project, queue: "l", limit: 2 });
    for (const { receipt } of tasks) await service.call("task.complete", { project, receipt });
    // At once, before upkeep has counted them.
    const completed = await list({ states: ["completed"] });
    expect(completed.workflows.map(({ id, state }) => [id, state])).toEqual([
      [made[3]!, "completed"],
      [made[4]!, "completed"],
    ]);
    const first = await list({ states: ["running"], limit: 2 });
    expect(first.workflows.map(({ id }) => id)).toEqual(made.slice(0, 2));
    const second = await list({ states: ["running"], limit: 2, cursor: first.nextCursor! });
    expect(second).toMatchObject({ workflows: [{ id: made[2]! }], nextCursor: null });
    expect((await refusal(list({ cursor: "bm8" }))).issues).toMatchObject([{ path: "cursor" }]);
    expect((await list({ states: ["failed"] })).workflows).toEqual([]);
  });
});

test.each([
  ["of chance", () => big()],
  // Stored, this is a hundredth of it: seventy such once made a claim that PostgreSQL could not answer.
  ["that compress well", () => "a".repeat(3_000_000)],
])("results %s that are too large for their share are named instead of handed over", async (_what, large) => {
  const flow = await create([{ key: "a" }, { key: "b" }, { key: "c", dependsOn: ["a", "b"] }]);
  const tasks = await claim(flow.queue);
  // Of chance, since PostgreSQL stores what repeats in little.
  for (const key of ["a", "b"])
    await service.call("task.complete", {
      receipt: tasks.get(flow.ids[key]!)!.receipt,
      result: key === "a" ? "small" : large(),
    });
  const task = [...(await claim(flow.queue)).values()][0]!;
  expect(task.inputs).toEqual({ a: "small" });
  expect(task.inputsOmitted).toEqual({ b: flow.ids.b! });
});

function big(): string {
  let text = "";
  while (text.length < 3_000_000)
    text += Buffer.from(crypto.getRandomValues(new Uint8Array(65_536))).toString("base64");
  return text;
}

test("a task outside a workflow gets its inputs by the ids it named", async () => {
  const queue = newQueue();
  const one = await service.call("task.enqueue", { queue });
  const two = await service.call("task.enqueue", { queue, dependsOn: [one.id] });
  const [task] = (await service.call("task.claim", { queue })).tasks;
  await service.call("task.complete", { receipt: task!.receipt, result: [1, { two: "2" }] });
  const [next] = (await service.call("task.claim", { queue })).tasks;
  expect(next).toMatchObject({ id: two.id, inputs: { [one.id]: [1, { two: "2" }] } });
  expect(next).not.toHaveProperty("workflow");
});
