/**
 * task.update: each field in each state, what it does to lists, counts and the order of claims, what it refuses, what a repeat
 * answers, and how it meets others who change the same task or its labels.
 */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { comeTo, holds } from "../races/holds.ts";
import { story } from "../races/story.ts";
import { refusal } from "../support/service.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(30_000);
const race = story();
const hold = holds(() => race.databaseUrl);
const { call } = race;
type Task = Contract["task.get"]["result"];
type Patch = Omit<Contract["task.update"]["params"], "id">;
const conflict = (field: string) => ({ type: "conflict", field }) as const;

beforeAll(async () => {
  for (const name of ["c1", "c2"]) await call("category.create", { name });
});

/** A task in each state, in a queue of its own. */
const MAKE = {
  async waiting(task: object) {
    const { id: on } = await call("task.enqueue", { queue: race.queue() });
    return await call("task.enqueue", { queue: race.queue(), dependsOn: [on], ...task });
  },
  pending: (task: object) => call("task.enqueue", { queue: race.queue(), ...task }),
  async claimed(task: object) {
    const queue = race.queue();
    const added = await call("task.enqueue", { queue, ...task });
    await call("task.claim", { queue, leaseSeconds: 600 });
    return added;
  },
  async completed(task: object) {
    const queue = race.queue();
    const added = await call("task.enqueue", { queue, ...task });
    const { tasks } = await call("task.claim", { queue });
    await call("task.complete", { receipt: tasks[0]!.receipt });
    return added;
  },
  async failed(task: object) {
    const queue = race.queue();
    const added = await call("task.enqueue", { queue, ...task });
    const { tasks } = await call("task.claim", { queue });
    await call("task.fail", { receipt: tasks[0]!.receipt, error: { message: "no" }, retry: false });
    return added;
  },
  async cancelled(task: object) {
    const added = await call("task.enqueue", { queue: race.queue(), ...task });
    await call("task.cancel", { id: added.id });
    return added;
  },
} satisfies Record<Task["state"], (task: object) => Promise<{ id: string }>>;
const STATES = Object.keys(MAKE) as Task["state"][];
const RUNNABLE: readonly Task["state"][] = ["waiting", "pending"];

type Case = readonly [patch: Patch, shown: Partial<Task>];
/** A case with its text, for the test's name. */
const named = ([patch, shown]: Case): [string, Patch, Partial<Task>] => [JSON.stringify(patch), patch, shown];

/** What decides a task's run, and what the task shows then. */
const DECIDING: readonly Case[] = [
  [{ name: "new" }, { name: "new" }],
  [{ name: null }, { name: null }],
  [{ payload: { a: [1] } }, { payload: { a: [1] } }],
  [{ payload: {} }, { payload: {} }],
  [{ priority: 0 }, { priority: 0 }],
  [{ priority: "low" }, { priority: 8 }],
  [{ runAt: "2031-02-03T04:05:06+01:00" }, { runAt: "2031-02-03T03:05:06.000Z" }],
  [{ maxAttempts: 9 }, { maxAttempts: 9 }],
];
/** What only describes it. */
const DESCRIBING: readonly Case[] = [
  [{ description: "new" }, { description: "new" }],
  [{ description: "" }, { description: "" }],
  [{ description: null }, { description: null }],
  [{ dueAt: "2031-02-03T04:05:06+01:00" }, { dueAt: "2031-02-03T03:05:06.000Z" }],
  [{ dueAt: null }, { dueAt: null }],
  [{ ownerId: "new" }, { ownerId: "new" }],
  [{ ownerId: null }, { ownerId: null }],
  [{ tags: ["t3", "t2", "T3"] }, { tags: ["t3", "t2"] }],
  [{ tags: [] }, { tags: [] }],
  [{ categories: ["c2", "c2"] }, { categories: ["c2"] }],
  [{ categories: [] }, { categories: [] }],
  [{}, {}],
];
const FULL = {
  name: "old",
  payload: { old: true },
  description: "old",
  dueAt: "2030-01-01T00:00:00.000Z",
  ownerId: "old",
  tags: ["t1", "t2"],
  categories: ["c1"],
};

describe.each(STATES)("a task that is %s", (state) => {
  test.each(DESCRIBING.map(named))("is described by %s, and nothing else of it changes", async (_, patch, shown) => {
    for (const task of [FULL, {}]) {
      const { id } = await MAKE[state](task);
      const before = await call("task.get", { id });
      const after = await call("task.update", { id, ...patch });
      expect(after).toEqual({ ...before, ...shown, updated: after.updated });
      expect(after.updated > before.updated).toBe(true);
      expect(await call("task.get", { id }, 1)).toEqual(after);
    }
  });

  test.each(DECIDING.map(named))(
    RUNNABLE.includes(state) ? "runs by %s" : "is past being told %s",
    async (_, patch, shown) => {
      for (const task of [FULL, {}]) {
        const { id } = await MAKE[state](task);
        const before = await call("task.get", { id });
        // One that would be fine alone does not go through beside one that is not.
        const update = comeTo(call("task.update", { id, ...patch, description: "both", tags: ["both"] }));
        if (RUNNABLE.includes(state)) {
          const after = { ...before, ...shown, description: "both", tags: ["both"] };
          expect(await update).toMatchObject({ result: { ...after, updated: expect.any(String) } });
        } else {
          expect(await update).toEqual({ refused: { type: "wrong_state", state } });
          expect(await call("task.get", { id })).toEqual(before);
        }
      }
    },
  );

  test("and deleted cannot be changed", async () => {
    const { id } = await MAKE[state](FULL);
    await call("task.delete", { id });
    const before = await call("task.get", { id });
    for (const patch of [{ description: "new" }, { tags: [] }, { priority: 1 }] as Patch[])
      expect(await refusal(call("task.update", { id, ...patch }))).toEqual({
        type: "wrong_state",
        state: before.state,
      });
    expect(await call("task.get", { id })).toEqual(before);
  });
});

describe("the order of claims", () => {
  const claimed = async (queue: string, more: object = {}) =>
    (await call("task.claim", { queue, limit: 100, ...more })).tasks.map(({ name }) => name);
  async function queueOf(...names: string[]) {
    const queue = race.queue();
    const { tasks } = await call("task.enqueueMany", { queue, tasks: names.map((name) => ({ name })) });
    return { queue, ids: Object.fromEntries(tasks.map(({ id }, at) => [names[at]!, id])) };
  }

  test("follows priority", async () => {
    const { queue, ids } = await queueOf("a", "b", "c", "d");
    await call("task.update", { id: ids.c!, priority: 0 });
    await call("task.update", { id: ids.a!, priority: "low" });
    expect(await claimed(queue)).toEqual(["c", "b", "d", "a"]);
  });

  test("follows runAt, to before the others and to later", async () => {
    const { queue, ids } = await queueOf("a", "b", "c", "d");
    await call("task.update", { id: ids.d!, runAt: "2020-01-01T00:00:00Z" });
    await call("task.update", { id: ids.a!, runAt: "2099-01-01T00:00:00Z" });
    expect(await claimed(queue)).toEqual(["d", "b", "c"]);
    expect(await call("queue.stats", { name: queue })).toMatchObject({ delayed: 1, pending: 0 });
    await call("task.update", { id: ids.a!, runAt: "2020-01-01T00:00:00Z" });
    expect(await claimed(queue, { waitSeconds: 5 })).toEqual(["a"]);
  });

  test("of a task that waits, once it is free", async () => {
    const queue = race.queue();
    const { id: on } = await call("task.enqueue", { queue, name: "on" });
    const waits = { dependsOn: [on] };
    const { tasks } = await call("task.enqueueMany", {
      queue,
      tasks: [
        { ...waits, name: "a" },
        { ...waits, name: "b" },
        { ...waits, name: "c" },
      ],
    });
    await call("task.update", { id: tasks[1]!.id, priority: 1 });
    await call("task.update", { id: tasks[0]!.id, runAt: "2099-01-01T00:00:00Z" });
    await call("task.update", { id: tasks[2]!.id, name: "d" });
    const first = await call("task.claim", { queue });
    await call("task.complete", { receipt: first.tasks[0]!.receipt });
    expect(await claimed(queue, { waitSeconds: 5 })).toEqual(["b", "d"]);
  });

  test("by name: the new one is claimed, the old one not", async () => {
    const { queue, ids } = await queueOf("a", "b");
    await call("task.update", { id: ids.a!, name: "z" });
    expect(await claimed(queue, { names: ["a"] })).toEqual([]);
    expect(await claimed(queue, { names: ["z"] })).toEqual(["z"]);
    await call("task.update", { id: ids.b!, name: null });
    expect(await claimed(queue, { names: ["b"] })).toEqual([]);
    expect(await claimed(queue)).toEqual([null]);
  });

  test("a waiting claim gets a task as soon as an update makes it due", async () => {
    for (const instance of [0, 1]) {
      const queue = race.queue();
      const { id } = await call("task.enqueue", { queue, delaySeconds: 3600 });
      const claim = call("task.claim", { queue, waitSeconds: 5 });
      await until("it waits", async () => (await call("admin.health", {})).waitingClaims === 1);
      await call("task.update", { id, runAt: "2020-01-01T00:00:00Z" }, instance);
      expect((await claim).tasks).toMatchObject([{ id }]);
    }
  });

  test("a claim hands over what an update wrote", async () => {
    const queue = race.queue();
    const { id } = await call("task.enqueue", { queue });
    await call("task.update", { id, payload: { new: 1 }, name: "n", priority: 1, maxAttempts: 2, tags: ["x", "y"] });
    expect((await call("task.claim", { queue })).tasks).toMatchObject([
      { id, payload: { new: 1 }, name: "n", priority: 1, maxAttempts: 2, tags: ["x", "y"], attempt: 1 },
    ]);
  });
});

describe("attempts", () => {
  test("one must be left to a task that is to run", async () => {
    const queue = race.queue();
    const { id } = await call("task.enqueue", { queue });
    for (let n = 0; n < 2; n++) {
      const { tasks } = await call("task.claim", { queue, waitSeconds: 5 });
      await call("task.fail", { receipt: tasks[0]!.receipt, error: { message: "no" }, delaySeconds: 0 });
    }
    for (const maxAttempts of [1, 2])
      expect(await refusal(call("task.update", { id, maxAttempts, tags: ["none"] }))).toEqual({
        type: "invalid_params",
        issues: [{ path: "maxAttempts", message: "must be more than the 2 attempts made" }],
      });
    expect(await call("task.get", { id })).toMatchObject({ maxAttempts: 5, tags: [] });
    expect((await call("task.update", { id, maxAttempts: 3 })).maxAttempts).toBe(3);
    const { tasks } = await call("task.claim", { queue, waitSeconds: 5 });
    const failure = { receipt: tasks[0]!.receipt, error: { message: "no" } };
    expect(await call("task.fail", failure)).toMatchObject({ state: "failed" });
  });
});

describe("what is found", () => {
  const ids = async (filter: Contract["task.list"]["params"]) => {
    const { tasks } = await call("task.list", filter);
    expect(await call("task.count", filter, 1)).toEqual({ count: tasks.length, exact: true });
    return tasks.map(({ id }) => id);
  };

  test("a plain task comes into the catalogue by any one of its fields, and leaves each again", async () => {
    const by: readonly (readonly [Patch, Contract["task.list"]["params"], Patch])[] = [
      [{ ownerId: "finder" }, { ownerId: "finder" }, { ownerId: null }],
      [{ dueAt: "2040-01-01T00:00:00Z" }, { dueFrom: "2039-12-31T00:00:00Z" }, { dueAt: null }],
      [{ description: "unmistakable" }, { text: "unmistakable" }, { description: null }],
      [{ tags: ["found"] }, { tags: ["FOUND"] }, { tags: [] }],
      [{ categories: ["c1"] }, { category: "c1" }, { categories: [] }],
    ];
    for (const [patch, filter, undo] of by)
      for (const state of STATES) {
        const { id } = await MAKE[state]({ name: "plain" });
        const { queue } = await call("task.get", { id });
        const params = { ...filter, queue };
        expect(await ids(params)).toEqual([]);
        await call("task.update", { id, ...patch });
        expect(await ids(params)).toEqual([id]);
        expect(await ids({ ...params, states: [state] })).toEqual([id]);
        expect(await ids({ ...params, names: ["plain"], priority: 5 })).toEqual([id]);
        await call("task.update", { id, ...undo });
        expect(await ids(params)).toEqual([]);
        expect(await ids({ queue, names: ["plain"] })).toEqual([id]);
      }
  });

  test("a task that was made plain and then catalogued shows its end as any other", async () => {
    const queue = race.queue();
    const ends: Record<string, (task: { id: string; receipt: string }) => Promise<unknown>> = {
      completed: ({ receipt }) => call("task.complete", { receipt }),
      failed: ({ receipt }) => call("task.fail", { receipt, error: { message: "no" }, retry: false }),
      cancelled: ({ id }) => call("task.cancel", { id }),
    };
    for (const [state, end] of Object.entries(ends)) {
      const { id } = await call("task.enqueue", { queue });
      const { tasks } = await call("task.claim", { queue });
      await call("task.update", { id, ownerId: state });
      await end(tasks[0]!);
      expect(await ids({ ownerId: state, states: [state as "completed"] })).toEqual([id]);
      expect(await ids({ ownerId: state, states: ["claimed", "pending", "waiting"] })).toEqual([]);
      await call("task.retry", { id });
      expect(await ids({ ownerId: state, states: ["claimed", "pending", "waiting"] })).toEqual([id]);
      await call("task.cancel", { id });
    }
  });

  test("a catalogued task is found by its new name and its new priority", async () => {
    const { id } = await MAKE.pending({ name: "caterpillar", ownerId: "renamer" });
    await call("task.update", { id, name: "butterfly", priority: 1 });
    const owned = { ownerId: "renamer" };
    expect(await ids({ ...owned, priority: 1 })).toEqual([id]);
    expect(await ids({ ...owned, priority: 5 })).toEqual([]);
    expect(await ids({ names: ["butterfly"] })).toEqual([id]);
    expect(await ids({ names: ["caterpillar"] })).toEqual([]);
    expect(await ids({ text: "butterflies" })).toEqual([id]);
    expect(await ids({ text: "caterpillars" })).toEqual([]);
  });
});

describe("what is refused changes nothing", () => {
  test("an unknown category, a payload too large, a task of another project", async () => {
    const queue = race.queue();
    await call("queue.create", { name: queue, maxPayloadBytes: 100 });
    const { id } = await call("task.enqueue", { queue, tags: ["stays"], categories: ["c1"] });
    const before = await call("task.get", { id });
    expect(await refusal(call("task.update", { id, tags: ["x"], categories: ["c2", "c9"], ownerId: "x" }))).toEqual({
      type: "not_found",
      noun: "category",
      id: "c9",
    });
    expect(await refusal(call("task.update", { id, payload: { a: "x".repeat(100) }, tags: [] }))).toEqual({
      type: "payload_too_large",
      limitBytes: 100,
    });
    await call("project.create", { name: "others" });
    expect(await refusal(call("task.update", { id, project: "others", tags: [] }))).toEqual({
      type: "not_found",
      noun: "task",
      id,
    });
    expect(await call("task.get", { id })).toEqual(before);
  });

  test.each([
    [{ name: " " }, "name"],
    [{ payload: null }, "payload"],
    [{ priority: null }, "priority"],
    [{ runAt: null }, "runAt"],
    [{ runAt: "soon" }, "runAt"],
    [{ maxAttempts: 0 }, "maxAttempts"],
    [{ description: "x".repeat(10_001) }, "description"],
    [{ dueAt: "2031-02-30T00:00:00Z" }, "dueAt"],
    [{ dueAt: "" }, "dueAt"],
    [{ ownerId: "" }, "ownerId"],
    [{ tags: null }, "tags"],
    [{ tags: ["ok", ""] }, "tags[1]"],
    [{ tags: Array(51).fill("x") }, "tags"],
    [{ categories: null }, "categories"],
    [{ delaySeconds: 1 }, "delaySeconds"],
    [{ queue: "q" }, "queue"],
  ])("%j", async (patch, path) => {
    const { id } = await MAKE.pending({});
    const update = call("task.update", { id, ...(patch as Patch) });
    expect(await refusal(update)).toMatchObject({ type: "invalid_params", issues: [{ path }] });
  });
});

describe("requestId", () => {
  test("a repeat answers what the first answered, and does nothing", async () => {
    const { id } = await MAKE.pending({});
    const params = { id, description: "first", tags: ["r1"], priority: 1, requestId: "update once" };
    const first = await call("task.update", params);
    await call("task.update", { id, description: "second", tags: ["r2"] });
    expect(await call("task.update", params, 1)).toEqual(first);
    expect(await call("task.get", { id })).toMatchObject({ description: "second", tags: ["r2"] });
    // Also when the task is past such changes, or gone.
    await call("task.cancel", { id });
    expect(await call("task.update", params)).toEqual(first);
    await call("task.delete", { id });
    expect(await call("task.update", params)).toEqual(first);
    expect(await refusal(call("task.update", { ...params, description: "other" }))).toEqual(conflict("requestId"));
    expect((await call("tag.list", { prefix: "r1" })).tags).toMatchObject([{ used: 0 }]);
  });

  test("also when a category that the first named is gone", async () => {
    const { id } = await MAKE.pending({});
    await call("category.create", { name: "brief" });
    const params = { id, categories: ["brief"], requestId: "update in brief" };
    const first = await call("task.update", params);
    await call("category.delete", { name: "brief" });
    expect(await call("task.update", params)).toEqual(first);
    expect((await call("task.get", { id })).categories).toEqual([]);
  });

  test("a repeat does not bring back a tag that is deleted since", async () => {
    const { id } = await MAKE.pending({});
    const params = { id, tags: ["once upon a time"], requestId: "update a tag" };
    const first = await call("task.update", params);
    await call("tag.delete", { name: "once upon a time" });
    expect(await call("task.update", params)).toEqual(first);
    expect((await call("tag.list", { prefix: "once upon" })).tags).toEqual([]);
  });

  test("at both instances at once it is done once", async () => {
    const { id } = await MAKE.pending({ maxAttempts: 5 });
    const held = await hold.task(id);
    const params = { id, tags: ["twice"], requestId: "update twice" };
    const first = call("task.update", params, 0);
    await race.waiting(1);
    const second = call("task.update", params, 1);
    await race.waiting(2);
    await held.release();
    expect(await second).toEqual(await first);
    expect((await call("tag.list", { prefix: "twice" })).tags).toMatchObject([{ used: 1 }]);
  });
});

describe("an update meets", () => {
  test("the deletion of its tag: the tag is made anew", async () => {
    const { id } = await MAKE.pending({});
    await call("tag.create", { name: "fleeting", colour: "#111111" });
    const held = await hold.task(id);
    const update = comeTo(call("task.update", { id, tags: ["fleeting"], description: "d" }));
    await race.waiting(1);
    await call("tag.delete", { name: "fleeting" });
    await held.release();
    expect(await update).toMatchObject({ result: { tags: ["fleeting"], description: "d" } });
    expect((await call("tag.list", { prefix: "fleeting" })).tags).toEqual([
      { name: "fleeting", colour: null, used: 1 },
    ]);
  });

  test("the deletion of its category: it is refused, and changes nothing", async () => {
    const { id } = await MAKE.pending({ tags: ["old"] });
    await call("category.create", { name: "fleeting" });
    const held = await hold.task(id);
    const update = comeTo(call("task.update", { id, tags: ["new"], categories: ["fleeting"] }));
    await race.waiting(1);
    await call("category.delete", { name: "fleeting" });
    await held.release();
    expect(await update).toEqual({ refused: { type: "not_found", noun: "category", id: "fleeting" } });
    expect(await call("task.get", { id })).toMatchObject({ tags: ["old"], categories: [] });
  });

  test("a claim: it comes before or is refused, and the task is claimed once", async () => {
    for (let round = 0; round < 20; round++) {
      const queue = race.queue();
      const { id } = await call("task.enqueue", { queue });
      const [update, claim] = await Promise.all([
        comeTo(call("task.update", { id, priority: round % 10, payload: { round } }, round % 2)),
        call("task.claim", { queue, waitSeconds: 10 }),
      ]);
      expect(claim.tasks).toHaveLength(1);
      const { payload } = claim.tasks[0]!;
      if ("refused" in update) expect(update.refused).toEqual({ type: "wrong_state", state: "claimed" });
      expect(payload).toEqual("refused" in update ? {} : { round });
      expect((await call("task.get", { id })).payload).toEqual(payload);
    }
  });

  test("other updates: each field is the last one's, labels are those of one of them", async () => {
    const { id } = await MAKE.pending({});
    const written = Array.from({ length: 24 }, (_, n) => ({
      tags: [`u${n}`, "all"],
      description: `${n}`,
      priority: n % 10,
    }));
    await Promise.all(written.map((patch, n) => call("task.update", { id, ...patch }, n % 2)));
    const { tags, description, priority } = await call("task.get", { id });
    expect(written).toContainEqual({ tags, description: description!, priority });
    const used = (await call("tag.list", { prefix: "u" })).tags.filter(
      (tag) => /^u\d+$/.test(tag.name) && tag.used !== 0,
    );
    expect(used).toMatchObject([{ name: tags[0]!, used: 1 }]);
    expect((await call("tag.list", { prefix: "all" })).tags).toMatchObject([{ name: "all", used: 1 }]);
  });
});

test("none of it left a task in two states or in none, nor a count that is wrong", async () => {
  expect(await call("admin.verify", {})).toEqual({ ok: true, violations: [] });
});
