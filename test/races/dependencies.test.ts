/** Races about dependencies: a task that waits, and those it waits for, changed at the same time on two instances. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { changeTask } from "../../src/domain/task/queries/change.ts";
import { extendLeases } from "../../src/domain/task/queries/finish.ts";
import { queueOf } from "../../src/lib/uuid7.ts";
import { comeTo, holds } from "./holds.ts";
import { receiptParts, story } from "./story.ts";

setDefaultTimeout(30_000);
const race = story();
const hold = holds(() => race.databaseUrl);

/** Parents that are claimed, with their receipts. */
async function claimedParents(queue: string, count: number) {
  await race.call("task.enqueueMany", { queue, tasks: Array.from({ length: count }, () => ({})) });
  return (await race.call("task.claim", { queue, limit: count, leaseSeconds: 600 })).tasks;
}

async function twoClaimed(queue: string) {
  const [a, b] = await claimedParents(queue, 2);
  return [a!, b!] as const;
}

const stateOf = async (id: string) => (await race.call("task.get", { id })).state;

/** Stops an enqueue with the key "z", after it has marked what it depends on. */
async function holdEnqueues(queue: string) {
  const { id } = await race.call("task.enqueue", { queue, dedupeKey: "z" });
  await race.call("task.cancel", { id });
  return await hold.key(await race.queueId(queue), "z");
}

describe.each([
  [0, 1],
  [1, 0],
] as const)("the last two parents end at once, instance %d before %d", (one, other) => {
  test("both complete: the child becomes pending, once", async () => {
    const queue = race.queue();
    const [a, b] = await twoClaimed(queue);
    const child = await race.call("task.enqueue", { queue, dependsOn: [a.id, b.id] });
    const held = await hold.waiting(child.id);
    const first = race.call("task.complete", { receipt: a.receipt }, one);
    await race.waiting(1);
    const second = race.call("task.complete", { receipt: b.receipt }, other);
    await race.waiting(2);
    await held.release();
    expect([(await first).state, (await second).state]).toEqual(["completed", "completed"]);
    expect((await race.call("task.claim", { queue, limit: 5, leaseSeconds: 600 })).tasks).toMatchObject([
      { id: child.id },
    ]);
  });

  test.each([
    ["cancel", "cancelled"],
    ["fail", "failed"],
    ["run", "pending"],
  ] as const)("one completes and one fails: by its policy %s the child is %s", async (onDependencyFailure, state) => {
    const queue = race.queue();
    const [a, b] = await twoClaimed(queue);
    const child = await race.call("task.enqueue", { queue, dependsOn: [a.id, b.id], onDependencyFailure });
    const held = await hold.waiting(child.id);
    const complete = () => race.call("task.complete", { receipt: a.receipt }, one);
    const fail = () => race.call("task.fail", { receipt: b.receipt, error: { message: "no" }, retry: false }, other);
    const [first, second] = one === 0 ? [complete, fail] : [fail, complete];
    const answers = [first()];
    await race.waiting(1);
    answers.push(second());
    await race.waiting(2);
    await held.release();
    await Promise.all(answers);
    expect(await stateOf(child.id)).toBe(state);
  });
});

describe("a parent ends while its child is added", () => {
  const ends = [
    {
      end: "fails",
      call: (receipt: string) => race.call("task.fail", { receipt, error: { message: "no" }, retry: false }, 1),
      child: "cancelled",
    },
    { end: "completes", call: (receipt: string) => race.call("task.complete", { receipt }, 1), child: "pending" },
  ] as const;

  test.each(ends)("child first: the parent, which $end, waits for it and then settles it", async ({ call, child }) => {
    const queue = race.queue();
    const [parent] = await claimedParents(queue, 1);
    const held = await holdEnqueues(queue);
    const enqueue = race.call("task.enqueue", { queue, dedupeKey: "z", dependsOn: [parent!.id] });
    await race.waiting(1);
    const end = call(parent!.receipt);
    await race.waiting(2);
    await held.release();
    const added = await enqueue;
    expect(added).toMatchObject({ state: "waiting", duplicate: false });
    await end;
    expect(await stateOf(added.id)).toBe(child);
  });

  test.each(ends)(
    "parent first: it $end, and the child waits for it and is added as $child",
    async ({ call, child }) => {
      const queue = race.queue();
      const [parent] = await claimedParents(queue, 1);
      const held = await hold.task(parent!.id);
      const end = call(parent!.receipt);
      await race.waiting(1);
      const enqueue = race.call("task.enqueue", { queue, dependsOn: [parent!.id] });
      await race.waiting(2);
      await held.release();
      await end;
      expect(await enqueue).toMatchObject({ state: child, duplicate: false });
    },
  );
});

describe("a parent is claimed while its child is added", () => {
  test("child first: the claim passes over the parent, which knows of the child when it is claimed", async () => {
    const queue = race.queue();
    const parent = await race.call("task.enqueue", { queue });
    const held = await holdEnqueues(queue);
    const enqueue = race.call("task.enqueue", { queue, dedupeKey: "z", dependsOn: [parent.id] });
    await race.waiting(1);
    expect((await race.call("task.claim", { queue, leaseSeconds: 600 }, 1)).tasks).toEqual([]);
    await held.release();
    const child = await enqueue;
    const { tasks } = await race.call("task.claim", { queue, leaseSeconds: 600 }, 1);
    await race.call("task.complete", { receipt: tasks[0]!.receipt });
    expect(await stateOf(child.id)).toBe("pending");
  });

  test("claim first: the child waits for it, looks again and marks the claimed parent", async () => {
    const queue = race.queue();
    const parent = await race.call("task.enqueue", { queue });
    const held = await hold.placeOfLease(parent.id);
    const claim = race.call("task.claim", { queue, leaseSeconds: 600 }, 1);
    await race.waiting(1);
    const enqueue = race.call("task.enqueue", { queue, dependsOn: [parent.id] });
    await race.waiting(2);
    await held.release();
    const child = await enqueue;
    expect(child.state).toBe("waiting");
    await race.call("task.complete", { receipt: (await claim).tasks[0]!.receipt });
    expect(await stateOf(child.id)).toBe("pending");
  });
});

describe("a parent that was awaited when it was claimed", () => {
  /** A claimed parent with a child, as its receipt tells. */
  async function awaitedParent(queue: string) {
    const parent = await race.call("task.enqueue", { queue });
    const child = await race.call("task.enqueue", { queue, dependsOn: [parent.id] });
    const [held] = (await race.call("task.claim", { queue, leaseSeconds: 600 })).tasks;
    return { parent: held!, child };
  }

  test("completes while a second child is added: it waits, and frees both", async () => {
    const queue = race.queue();
    const { parent, child } = await awaitedParent(queue);
    const held = await holdEnqueues(queue);
    const enqueue = race.call("task.enqueue", { queue, dedupeKey: "z", dependsOn: [parent.id] });
    await race.waiting(1);
    const completion = race.call("task.complete", { receipt: parent.receipt }, 1);
    await race.waiting(2);
    await held.release();
    const second = await enqueue;
    expect(second.state).toBe("waiting");
    expect(await completion).toEqual({ id: parent.id, state: "completed" });
    expect([await stateOf(child.id), await stateOf(second.id)]).toEqual(["pending", "pending"]);
  });

  test("completes while its lease is renewed: it waits, and comes again", async () => {
    const queue = race.queue();
    const { parent, child } = await awaitedParent(queue);
    const renewal = await race.heldOpen((tx) =>
      tx.any(extendLeases(queueOf(parent.id), [{ ...receiptParts(parent.receipt), leaseSeconds: 700 }])),
    );
    const completion = race.call("task.complete", { receipt: parent.receipt }, 1);
    await race.waiting(1);
    await renewal.commit();
    expect(await completion).toEqual({ id: parent.id, state: "completed" });
    expect(await stateOf(child.id)).toBe("pending");
  });

  test("completes while its child is changed: the child becomes ready as it was changed to be", async () => {
    const queue = race.queue();
    const { parent, child } = await awaitedParent(queue);
    const runAt = "2020-01-01T00:00:00.000Z";
    const change = await race.heldOpen((tx) =>
      tx.any(changeTask(queueOf(child.id), child.id, { priority: 0, runAt, name: "changed", catalogued: false })),
    );
    const completion = race.call("task.complete", { receipt: parent.receipt }, 1);
    await race.waiting(1);
    await change.commit();
    await completion;
    expect(await race.call("task.get", { id: child.id })).toMatchObject({ state: "pending", priority: 0, runAt });
    const { tasks } = await race.call("task.claim", { queue, names: ["changed"] });
    expect(tasks).toMatchObject([{ id: child.id, priority: 0 }]);
  });

  test("fails while its child is changed, which runs anyway: likewise", async () => {
    const queue = race.queue();
    const parent = await race.call("task.enqueue", { queue });
    const child = await race.call("task.enqueue", { queue, dependsOn: [parent.id], onDependencyFailure: "run" });
    const [held] = (await race.call("task.claim", { queue, leaseSeconds: 600 })).tasks;
    const change = await race.heldOpen((tx) =>
      tx.any(changeTask(queueOf(child.id), child.id, { priority: 0, catalogued: false })),
    );
    const failure = race.call("task.fail", { receipt: held!.receipt, error: { message: "no" }, retry: false }, 1);
    await race.waiting(1);
    await change.commit();
    await failure;
    expect((await race.call("admin.verify", {})).violations).toEqual([]);
    expect((await race.call("task.claim", { queue })).tasks).toMatchObject([{ id: child.id, priority: 0 }]);
  });
});

describe("cancel against the completion of the last parent", () => {
  async function family() {
    const queue = race.queue();
    const [parent] = await claimedParents(queue, 1);
    const child = await race.call("task.enqueue", { queue, dependsOn: [parent!.id] });
    const held = await hold.waiting(child.id);
    const complete = () => comeTo(race.call("task.complete", { receipt: parent!.receipt }, 1));
    const cancel = () => comeTo(race.call("task.cancel", { id: child.id }));
    return { child, parent: parent!, held, complete, cancel };
  }

  test("completion first: the child is cancelled out of the state it has got", async () => {
    const { child, parent, held, complete, cancel } = await family();
    const completion = complete();
    await race.waiting(1);
    const cancellation = cancel();
    await race.waiting(2);
    await held.release();
    expect(await completion).toEqual({ result: { id: parent.id, state: "completed" } });
    expect(await cancellation).toEqual({ result: { id: child.id, state: "cancelled" } });
    expect(await stateOf(child.id)).toBe("cancelled");
  });

  test("cancellation first: the completion finds nobody waiting any more", async () => {
    const { child, parent, held, complete, cancel } = await family();
    const cancellation = cancel();
    await race.waiting(1);
    const completion = complete();
    await race.waiting(2);
    await held.release();
    expect(await cancellation).toEqual({ result: { id: child.id, state: "cancelled" } });
    expect(await completion).toEqual({ result: { id: parent.id, state: "completed" } });
    expect(await stateOf(child.id)).toBe("cancelled");
  });
});

test("none of it left a task in two states or in none", async () => {
  expect((await race.call("admin.verify", {})).violations).toEqual([]);
});

test("who comes to wait locks a task before another that waits for it, whatever queue that is in", async () => {
  const [low, high] = [race.queue(), race.queue()];
  await race.call("task.enqueue", { queue: low });
  const [parent] = await claimedParents(high, 1);
  const child = await race.call("task.enqueue", { queue: low, dependsOn: [parent!.id] });
  const held = await hold.waiting(child.id);
  const adding = race.call("task.enqueue", { queue: low, dependsOn: [child.id, parent!.id] });
  await race.waiting(1);
  const { rowCount } = await race.client.query("select from task_lease where id = $1 for update skip locked", [
    parent!.id,
  ]);
  await held.release();
  await adding;
  // Completing locks the lease and then the child: taken the other way round, the two would wait for each other.
  expect(rowCount).toBe(0);
  await race.call("task.complete", { receipt: parent!.receipt });
  expect(await stateOf(child.id)).toBe("pending");
});
