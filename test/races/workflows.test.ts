/** Races about workflows: their tasks end, are changed and are added at the same time on two instances. */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { foldWorkflows } from "../../src/domain/workflow/queries.ts";
import { comeTo, holds } from "./holds.ts";
import { story } from "./story.ts";

setDefaultTimeout(30_000);
const race = story();
const hold = holds(() => race.databaseUrl);

interface New {
  key: string;
  dependsOn?: string[];
  queue?: string;
  dedupeKey?: string;
  onDependencyFailure?: "cancel" | "fail" | "run";
}

/** A workflow, of which what is ready has been claimed: receipts by key. */
async function flowOf(tasks: New[]) {
  const queue = race.queue();
  const made = await race.call("workflow.create", { queue, tasks });
  const ids = made.tasks as Record<string, string>;
  return { id: made.id, queue, ids, receipts: await claim(queue, ids) };
}
type Flow = Awaited<ReturnType<typeof flowOf>>;

async function claim(queue: string, ids: Record<string, string>): Promise<Record<string, string>> {
  const { tasks } = await race.call("task.claim", { queue, limit: 100, leaseSeconds: 600 });
  const keyOf = new Map(Object.entries(ids).map(([key, id]) => [id, key]));
  return Object.fromEntries(tasks.map(({ id, receipt }) => [keyOf.get(id) ?? id, receipt]));
}

const complete = (flow: Flow, key: string, instance = 0) =>
  comeTo(race.call("task.complete", { receipt: flow.receipts[key]! }, instance));
const fail = (flow: Flow, key: string, instance = 0) =>
  comeTo(race.call("task.fail", { receipt: flow.receipts[key]!, error: { message: "no" }, retry: false }, instance));
const cancel = (flow: Flow, instance = 0) => comeTo(race.call("workflow.cancel", { id: flow.id }, instance));
const retry = (flow: Flow, instance = 0) => comeTo(race.call("workflow.retry", { id: flow.id }, instance));
const add = (flow: Flow, tasks: New[], instance = 0) =>
  comeTo(race.call("workflow.add", { id: flow.id, queue: flow.queue, tasks }, instance));

/** The state of a workflow and, by key, of its tasks. */
async function statesOf({ id }: Flow): Promise<Record<string, string>> {
  const { state, tasks } = await race.call("workflow.get", { id }, 1);
  return { state, ...Object.fromEntries(tasks.map((task) => [task.key, task.state])) };
}

/** Stops what adds a task with the key "z", or takes that key back. */
async function holdKey(queue: string) {
  const { id } = await race.call("task.enqueue", { queue, dedupeKey: "z" });
  await race.call("task.cancel", { id });
  return await hold.key(await race.queueId(queue), "z");
}

/** Begins two calls, the second once the first is stopped by `held`, and lets them go on once it is stopped too. */
async function inTurn<A, B>(held: { release(): Promise<void> }, first: () => Promise<A>, second: () => Promise<B>) {
  const one = first();
  await race.waiting(1);
  const other = second();
  await race.waiting(2);
  await held.release();
  return [await one, await other] as const;
}

const refused = (type: string, rest: object) => ({ refused: { type, ...rest } });

afterEach(async () => {
  expect((await race.call("admin.verify", {})).violations).toEqual([]);
});

describe("the last two tasks end at once", () => {
  test("their child becomes ready once, and the workflow ends with it", async () => {
    const flow = await flowOf([{ key: "a" }, { key: "b" }, { key: "c", dependsOn: ["a", "b"] }]);
    const held = await hold.waiting(flow.ids.c!);
    await inTurn(
      held,
      () => complete(flow, "a"),
      () => complete(flow, "b", 1),
    );
    expect(await statesOf(flow)).toEqual({ state: "running", a: "completed", b: "completed", c: "pending" });
    const { c, ...others } = await claim(flow.queue, flow.ids);
    expect(others).toEqual({});
    await race.call("task.complete", { receipt: c! });
    expect((await statesOf(flow)).state).toBe("completed");
  });

  test("and nothing is left to do: the workflow has ended by the one that failed", async () => {
    const flow = await flowOf([{ key: "a" }, { key: "b" }]);
    const [first, second] = [await hold.task(flow.ids.a!), await hold.task(flow.ids.b!)];
    const ends = [complete(flow, "a"), fail(flow, "b", 1)];
    await race.waiting(2);
    await Promise.all([first.release(), second.release()]);
    await Promise.all(ends);
    expect(await statesOf(flow)).toEqual({ state: "failed", a: "completed", b: "failed" });
  });
});

describe("a task ends while workflow.add adds its child", () => {
  const ends = [
    { how: "fails", end: fail, child: "cancelled", state: "failed" },
    { how: "completes", end: complete, child: "pending", state: "running" },
  ] as const;

  test.each(ends)("child first: the task, which $how, waits for it and then settles it", async (one) => {
    const flow = await flowOf([{ key: "a" }]);
    const held = await holdKey(flow.queue);
    const [added] = await inTurn(
      held,
      () => add(flow, [{ key: "b", dependsOn: ["a"], dedupeKey: "z" }]),
      () => one.end(flow, "a", 1),
    );
    expect(added).toMatchObject({ result: { id: flow.id } });
    expect(await statesOf(flow)).toMatchObject({ state: one.state, b: one.child });
  });

  test.each(ends)("task first: it $how, and the child is added as $child", async (one) => {
    const flow = await flowOf([{ key: "a" }]);
    const held = await hold.task(flow.ids.a!);
    const [, added] = await inTurn(
      held,
      () => one.end(flow, "a"),
      () => add(flow, [{ key: "b", dependsOn: ["a"] }], 1),
    );
    expect(added).toMatchObject({ result: { id: flow.id } });
    expect(await statesOf(flow)).toMatchObject({ state: one.state, b: one.child });
  });

  test("and that was the last one: what comes after the end is refused", async () => {
    const flow = await flowOf([{ key: "a" }]);
    const held = await hold.workflow(flow.id);
    const added = add(flow, [{ key: "b" }]);
    await race.waiting(1);
    await complete(flow, "a", 1);
    await held.release();
    expect(await added).toEqual(refused("wrong_state", { state: "completed" }));
  });
});

describe("workflow.cancel", () => {
  test("after a completion that frees a child: the child is cancelled out of the state it has got", async () => {
    const flow = await flowOf([{ key: "a" }, { key: "b", dependsOn: ["a"] }]);
    const held = await hold.task(flow.ids.a!);
    const [completed, cancelled] = await inTurn(
      held,
      () => complete(flow, "a"),
      () => cancel(flow, 1),
    );
    expect(completed).toEqual({ result: { id: flow.ids.a!, state: "completed" } });
    expect(cancelled).toEqual({ result: { id: flow.id, state: "cancelled" } });
    expect(await statesOf(flow)).toEqual({ state: "cancelled", a: "completed", b: "cancelled" });
  });

  test("before a completion: the lease is lost", async () => {
    const flow = await flowOf([{ key: "a" }, { key: "b", dependsOn: ["a"] }]);
    const held = await hold.waiting(flow.ids.b!);
    const [, completed] = await inTurn(
      held,
      () => cancel(flow),
      () => complete(flow, "a", 1),
    );
    expect(completed).toEqual(refused("lease_lost", { state: "cancelled" }));
    expect(await statesOf(flow)).toEqual({ state: "cancelled", a: "cancelled", b: "cancelled" });
  });

  test("before a claim: the claim passes over the task, and there is nothing to claim after", async () => {
    const flow = await flowOf([{ key: "a" }, { key: "b" }]);
    await race.call("task.release", { receipt: flow.receipts.b! });
    const held = await hold.lease(flow.ids.a!);
    const cancelled = cancel(flow);
    await race.waiting(1);
    expect((await race.call("task.claim", { queue: flow.queue }, 1)).tasks).toEqual([]);
    await held.release();
    await cancelled;
    expect((await race.call("task.claim", { queue: flow.queue }, 1)).tasks).toEqual([]);
    expect(await statesOf(flow)).toEqual({ state: "cancelled", a: "cancelled", b: "cancelled" });
  });

  test("after a claim that has picked a task: the task is cancelled as a claimed one", async () => {
    const flow = await flowOf([{ key: "a" }]);
    await race.call("task.release", { receipt: flow.receipts.a! });
    const held = await hold.placeOfLease(flow.ids.a!);
    const [claimed, cancelled] = await inTurn(
      held,
      () => race.call("task.claim", { queue: flow.queue, leaseSeconds: 600 }),
      () => cancel(flow, 1),
    );
    expect(cancelled).toEqual({ result: { id: flow.id, state: "cancelled" } });
    const late = comeTo(race.call("task.complete", { receipt: claimed.tasks[0]!.receipt }));
    expect(await late).toEqual(refused("lease_lost", { state: "cancelled" }));
  });

  test("after workflow.add: what was added is cancelled too", async () => {
    const flow = await flowOf([{ key: "a" }]);
    const held = await holdKey(flow.queue);
    await inTurn(
      held,
      () => add(flow, [{ key: "b", dedupeKey: "z" }]),
      () => cancel(flow, 1),
    );
    expect(await statesOf(flow)).toEqual({ state: "cancelled", a: "cancelled", b: "cancelled" });
  });

  test("before workflow.add: nothing is added any more", async () => {
    const flow = await flowOf([{ key: "a" }]);
    const held = await hold.lease(flow.ids.a!);
    const [, added] = await inTurn(
      held,
      () => cancel(flow),
      () => add(flow, [{ key: "b" }], 1),
    );
    expect(added).toEqual(refused("wrong_state", { state: "cancelled" }));
    expect(await statesOf(flow)).toEqual({ state: "cancelled", a: "cancelled" });
  });
});

describe("workflow.retry", () => {
  /** One has failed, with its child; another runs. */
  async function broken() {
    const flow = await flowOf([{ key: "a", dedupeKey: "z" }, { key: "b" }, { key: "c", dependsOn: ["a", "b"] }]);
    await fail(flow, "a");
    expect(await statesOf(flow)).toEqual({ state: "running", a: "failed", b: "claimed", c: "cancelled" });
    return flow;
  }

  test("after another task fails: that one runs again too", async () => {
    const flow = await broken();
    const held = await hold.task(flow.ids.b!);
    const [, retried] = await inTurn(
      held,
      () => fail(flow, "b"),
      () => retry(flow, 1),
    );
    expect(retried).toEqual({ result: { id: flow.id, state: "running" } });
    expect(await statesOf(flow)).toEqual({ state: "running", a: "pending", b: "pending", c: "waiting" });
  });

  test("before another task fails: its child ends with that one", async () => {
    const flow = await broken();
    const held = await hold.key(await race.queueId(flow.queue), "z");
    await inTurn(
      held,
      () => retry(flow),
      () => fail(flow, "b", 1),
    );
    expect(await statesOf(flow)).toEqual({ state: "running", a: "pending", b: "failed", c: "cancelled" });
  });

  test("after another task completes: its child waits for the rest only", async () => {
    const flow = await broken();
    const held = await hold.task(flow.ids.b!);
    await inTurn(
      held,
      () => complete(flow, "b"),
      () => retry(flow, 1),
    );
    expect(await statesOf(flow)).toEqual({ state: "running", a: "pending", b: "completed", c: "waiting" });
    const { a } = await claim(flow.queue, flow.ids);
    await race.call("task.complete", { receipt: a! });
    expect((await statesOf(flow)).c).toBe("pending");
  });

  test("after its task is retried by itself: what depends on that waits for it", async () => {
    const flow = await broken();
    const held = await hold.task(flow.ids.a!);
    const [, retried] = await inTurn(
      held,
      () => race.call("task.retry", { id: flow.ids.a! }),
      () => retry(flow, 1),
    );
    expect(retried).toEqual({ result: { id: flow.id, state: "running" } });
    expect(await statesOf(flow)).toEqual({ state: "running", a: "pending", b: "claimed", c: "waiting" });
  });

  test("before its task is retried by itself: the latter finds it pending", async () => {
    const flow = await flowOf([{ key: "a" }, { key: "b", dependsOn: ["a"] }]);
    await fail(flow, "a");
    const held = await hold.task(flow.ids.a!);
    const [, single] = await inTurn(
      held,
      () => retry(flow),
      () => comeTo(race.call("task.retry", { id: flow.ids.a! }, 1)),
    );
    expect(single).toEqual(refused("wrong_state", { state: "pending" }));
    expect(await statesOf(flow)).toEqual({ state: "running", a: "pending", b: "waiting" });
  });

  test("twice at once: the tasks run again once", async () => {
    const flow = await flowOf([{ key: "a" }, { key: "b", dependsOn: ["a"] }]);
    await fail(flow, "a");
    const held = await hold.task(flow.ids.a!);
    const answers = await inTurn(
      held,
      () => retry(flow),
      () => retry(flow, 1),
    );
    expect<unknown>(answers).toEqual(Array(2).fill({ result: { id: flow.id, state: "running" } }));
    const { tasks } = await race.call("task.claim", { queue: flow.queue, limit: 10, leaseSeconds: 600 });
    expect(tasks.map(({ id }) => id)).toEqual([flow.ids.a!]);
  });

  test("after its task is purged: what depended on that runs", async () => {
    const flow = await flowOf([{ key: "a" }, { key: "b", dependsOn: ["a"] }]);
    await fail(flow, "a");
    const held = await hold.task(flow.ids.a!);
    const [purged] = await inTurn(
      held,
      () => race.call("queue.purge", { name: flow.queue, states: ["failed"] }),
      () => retry(flow, 1),
    );
    expect(purged).toEqual({ purged: 1 });
    expect(await statesOf(flow)).toEqual({ state: "running", b: "pending" });
  });

  test("before its task is purged: that is not failed any more, and stays", async () => {
    const flow = await flowOf([{ key: "a" }, { key: "b", dependsOn: ["a"] }]);
    await fail(flow, "a");
    const held = await hold.task(flow.ids.a!);
    const [, purged] = await inTurn(
      held,
      () => retry(flow),
      () => race.call("queue.purge", { name: flow.queue, states: ["failed"] }, 1),
    );
    expect(purged).toEqual({ purged: 0 });
    expect(await statesOf(flow)).toEqual({ state: "running", a: "pending", b: "waiting" });
  });
});

describe("a task of a workflow", () => {
  test("is deleted while it completes: the end that was first stands", async () => {
    const flow = await flowOf([{ key: "a" }, { key: "b", dependsOn: ["a"] }]);
    const held = await hold.task(flow.ids.a!);
    await inTurn(
      held,
      () => complete(flow, "a"),
      () => race.call("task.delete", { id: flow.ids.a! }, 1),
    );
    expect(await statesOf(flow)).toEqual({ state: "running", a: "completed", b: "pending" });
  });

  test("is deleted before it completes, and restored: the workflow ends, and runs again", async () => {
    const flow = await flowOf([{ key: "a" }, { key: "b", dependsOn: ["a"] }]);
    const held = await hold.task(flow.ids.a!);
    const [, completed] = await inTurn(
      held,
      () => race.call("task.delete", { id: flow.ids.a! }),
      () => complete(flow, "a", 1),
    );
    expect(completed).toEqual(refused("lease_lost", { state: "cancelled" }));
    expect(await statesOf(flow)).toEqual({ state: "cancelled", a: "cancelled", b: "cancelled" });
    const again = await hold.task(flow.ids.a!);
    const restored = race.call("task.restore", { id: flow.ids.a! });
    await race.waiting(1);
    // It is still deleted, and what depends on it does not run without it.
    expect(await retry(flow, 1)).toEqual(refused("wrong_state", { state: "cancelled" }));
    await again.release();
    await restored;
    expect(await statesOf(flow)).toEqual({ state: "running", a: "pending", b: "cancelled" });
    await retry(flow);
    expect(await statesOf(flow)).toEqual({ state: "running", a: "pending", b: "waiting" });
  });

  test("is purged before it completes: that counts as a failure, and the workflow ends", async () => {
    const flow = await flowOf([{ key: "a" }, { key: "b", dependsOn: ["a"] }]);
    const held = await hold.task(flow.ids.a!);
    const [purged, completed] = await inTurn(
      held,
      () => race.call("queue.purge", { name: flow.queue, states: ["claimed"] }),
      () => complete(flow, "a", 1),
    );
    expect(purged).toEqual({ purged: 1 });
    expect(completed).toEqual(refused("not_found", { noun: "task", id: flow.ids.a! }));
    expect(await statesOf(flow)).toEqual({ state: "cancelled", b: "cancelled" });
  });

  test("is purged after it has completed: nothing is purged", async () => {
    const flow = await flowOf([{ key: "a" }, { key: "b", dependsOn: ["a"] }]);
    const held = await hold.task(flow.ids.a!);
    const [, purged] = await inTurn(
      held,
      () => complete(flow, "a"),
      () => race.call("queue.purge", { name: flow.queue, states: ["claimed"] }, 1),
    );
    expect(purged).toEqual({ purged: 0 });
    expect(await statesOf(flow)).toEqual({ state: "running", a: "completed", b: "pending" });
  });

  test("gets another priority while its last dependency completes: it is ready at its new place", async () => {
    const flow = await flowOf([{ key: "a" }, { key: "b", dependsOn: ["a"] }]);
    const held = await hold.task(flow.ids.b!);
    await inTurn(
      held,
      () => race.call("task.update", { id: flow.ids.b!, priority: 1 }),
      () => complete(flow, "a", 1),
    );
    expect(await race.call("task.get", { id: flow.ids.b! })).toMatchObject({ state: "pending", priority: 1 });
  });
});

describe("a task whose facts change while it", () => {
  const flowOfTwo = () => flowOf([{ key: "a" }, { key: "b", dependsOn: ["a"] }]);
  const moves: { what: string; of: "a" | "b"; move: (flow: Flow) => Promise<unknown>; a: string; b: string }[] = [
    { what: "is completed", of: "a", move: (flow) => complete(flow, "a"), a: "completed", b: "pending" },
    { what: "fails", of: "a", move: (flow) => fail(flow, "a"), a: "failed", b: "cancelled" },
    { what: "ends with one it depends on", of: "b", move: (flow) => fail(flow, "a"), a: "failed", b: "cancelled" },
    {
      what: "is cancelled",
      of: "a",
      move: ({ ids }) => race.call("task.cancel", { id: ids.a! }),
      a: "cancelled",
      b: "cancelled",
    },
    {
      what: "is deleted",
      of: "a",
      move: ({ ids }) => race.call("task.delete", { id: ids.a! }),
      a: "cancelled",
      b: "cancelled",
    },
    { what: "is cancelled with its workflow", of: "a", move: (flow) => cancel(flow), a: "cancelled", b: "cancelled" },
    {
      what: "is released",
      of: "a",
      move: ({ receipts }) => race.call("task.release", { receipt: receipts.a! }),
      a: "pending",
      b: "waiting",
    },
  ];

  test.each(moves)("$what: that is done to the task as it has become", async ({ of, move, a, b }) => {
    const flow = await flowOfTwo();
    const held = await hold.describedTask(flow.ids[of]!);
    const moved = move(flow);
    await race.waiting(1);
    await held.commit();
    expect(await moved).not.toHaveProperty("refused");
    expect(await statesOf(flow)).toMatchObject({ a, b });
  });

  test.each([
    ["claimed", "cancelled"],
    ["waiting", undefined],
  ] as const)("is purged as %s: it is gone", async (state, child) => {
    const flow = await flowOfTwo();
    const held = await hold.describedTask(flow.ids[state === "claimed" ? "a" : "b"]!);
    const purged = race.call("queue.purge", { name: flow.queue, states: [state] });
    await race.waiting(1);
    await held.commit();
    expect(await purged).toEqual({ purged: 1 });
    expect((await statesOf(flow)).b).toBe(child);
  });

  test.each([
    [
      "cancelled with its workflow",
      (flow: Flow) => cancel(flow),
      { state: "cancelled", a: "cancelled", b: "cancelled" },
    ],
    [
      "purged",
      (flow: Flow) => race.call("queue.purge", { name: flow.queue, states: ["claimed"] }),
      { state: "cancelled" },
    ],
  ] as const)("is, with others, %s: all of them are", async (_, end, states) => {
    const flow = await flowOf([{ key: "a" }, { key: "b" }]);
    const both = [await hold.describedTask(flow.ids.a!), await hold.describedTask(flow.ids.b!)];
    const ended = end(flow);
    await race.waiting(1);
    for (const held of both) await held.commit();
    expect(await ended).not.toHaveProperty("refused");
    expect(await statesOf(flow)).toEqual(states);
  });

  test("is retried, by itself or with its workflow: it runs again", async () => {
    for (const again of ["task", "workflow"]) {
      const flow = await flowOfTwo();
      await fail(flow, "a");
      const held = await hold.describedTask(flow.ids.a!);
      const retried = again === "task" ? race.call("task.retry", { id: flow.ids.a! }) : retry(flow);
      await race.waiting(1);
      await held.commit();
      expect(await retried).not.toHaveProperty("refused");
      expect(await statesOf(flow)).toMatchObject({ state: "running", a: "pending" });
    }
  });
});

describe("ends that have not been folded", () => {
  const listed = async (states: ("running" | "completed")[]) =>
    (await race.call("workflow.list", { states, limit: 1000 }, 1)).workflows.map(({ id, state }) => [id, state]);

  test("are seen by get and list while somebody holds the workflow, and folded when he lets go", async () => {
    const flow = await flowOf([{ key: "a" }]);
    const other = await flowOf([{ key: "a" }]);
    const held = await hold.workflow(flow.id);
    await complete(flow, "a");
    await complete(other, "a");
    const passed = await race.heldOpen((tx) => tx.any(foldWorkflows(1_000_000)));
    expect(passed.answer.map(({ id }) => id)).not.toContain(flow.id);
    await passed.commit();
    expect(await statesOf(flow)).toEqual({ state: "completed", a: "completed" });
    const completed = await listed(["completed"]);
    for (const { id } of [flow, other]) expect(completed).toContainEqual([id, "completed"]);
    expect((await listed(["running"])).map(([id]) => id)).not.toContain(flow.id);
    await held.release();
    const folding = await race.heldOpen((tx) => tx.any(foldWorkflows(1_000_000)));
    await folding.commit();
    expect(await listed(["completed"])).toContainEqual([flow.id, "completed"]);
  });

  test("are seen while a fold has not committed yet", async () => {
    const flow = await flowOf([{ key: "a" }]);
    const held = await hold.workflow(flow.id);
    await complete(flow, "a");
    await held.release();
    const folding = await race.heldOpen((tx) => tx.any(foldWorkflows(1_000_000)));
    expect(await statesOf(flow)).toEqual({ state: "completed", a: "completed" });
    expect(await listed(["completed"])).toContainEqual([flow.id, "completed"]);
    expect((await listed(["running"])).map(([id]) => id)).not.toContain(flow.id);
    await folding.commit();
  });
});

describe("no two callers wait for each other in a circle", () => {
  test("a project that is deleted while workflow.add is under way waits for that before it holds a queue", async () => {
    const project = race.queue();
    await race.call("project.create", { name: project });
    const made = await race.call("workflow.create", { project, queue: "q", tasks: [{ key: "a" }] });
    await race.call("task.claim", { project, queue: "q", leaseSeconds: 600 });
    const held = await hold.lease((made.tasks as Record<string, string>).a!);
    const tasks = [{ key: "b", queue: "q", dependsOn: ["a"] }];
    const added = comeTo(race.call("workflow.add", { project, id: made.id, tasks }));
    await race.waiting(1);
    const deleted = race.call("project.delete", { name: project, force: true }, 1);
    await race.waiting(2);
    await race.call("task.enqueue", { project, queue: "q" });
    await held.release();
    expect(await added).toMatchObject({ result: { id: made.id } });
    expect(await deleted).toEqual({ name: project });
  });

  test("tasks of several queues are marked as waited for in the order of their ids", async () => {
    const [early, late] = [race.queue(), race.queue()];
    await race.call("queue.create", { name: early });
    const first = await race.call("task.enqueue", { queue: late });
    const second = await race.call("task.enqueue", { queue: early });
    const dependsOn = [first.id, second.id];
    for (const queue of [early, late]) await race.call("task.claim", { queue, leaseSeconds: 600 });
    const held = await hold.lease(second.id);
    const enqueued = race.call("task.enqueue", { queue: late, dependsOn });
    await race.waiting(1);
    const cancelled = race.call("task.cancel", { id: first.id }, 1);
    await race.waiting(2);
    await held.release();
    const { id, state } = await enqueued;
    expect(state).toBe("waiting");
    await cancelled;
    expect((await race.call("task.get", { id })).state).toBe("cancelled");
  });

  test("tasks for several queues take these, and their keys, in the order of the queues", async () => {
    const [early, late] = [race.queue(), race.queue()];
    await race.call("queue.create", { name: early });
    await race.call("queue.create", { name: late });
    const held = await holdKey(late);
    const tasks = [
      { key: "a", queue: late, dedupeKey: "z" },
      { key: "b", queue: early, dedupeKey: "first" },
    ];
    const created = race.call("workflow.create", { tasks });
    await race.waiting(1);
    const other = race.call("task.enqueue", { queue: early, dedupeKey: "first" }, 1);
    await race.waiting(2);
    await held.release();
    const { b } = (await created).tasks as Record<string, string>;
    expect(await other).toEqual({ id: b!, state: "pending", duplicate: true });
  });
});
