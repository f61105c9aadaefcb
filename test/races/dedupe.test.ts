/**
 * Races about dedupe keys. A third party holds a row that both sides need; each side has been seen waiting before it is
 * let go, so the one that began first is the one that gets it first.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { comeTo, holds, squeezeIn } from "./holds.ts";
import { story } from "./story.ts";

setDefaultTimeout(30_000);
const race = story();
const hold = holds(() => race.databaseUrl);

/** A task with the key that has ended, so that the key is there and free. */
async function finishedTask(queue: string, dedupeKey: string) {
  const { id } = await race.call("task.enqueue", { queue, dedupeKey });
  await race.call("task.cancel", { id });
  return id;
}

async function claimedTask(queue: string, dedupeKey: string) {
  const { id } = await race.call("task.enqueue", { queue, dedupeKey });
  const { tasks } = await race.call("task.claim", { queue, leaseSeconds: 600 });
  return { id, receipt: tasks[0]!.receipt };
}

/** Upkeep has forgotten the key of a task that is over. */
const forget = (key: string, queueId: number) =>
  race.client.query("delete from task_dedupe where queue_id = $1 and key = $2", [queueId, key]);

const unfinished = async (queue: string) =>
  (await race.call("task.list", { queue, states: ["waiting", "pending", "claimed"], sort: "added" })).tasks.map(
    ({ id }) => id,
  );

describe.each([
  [0, 1],
  [1, 0],
] as const)("two enqueues with one key, instance %d before %d", (one, other) => {
  test("of a new key: the second waits for the first and is its duplicate", async () => {
    const queue = race.queue();
    await finishedTask(queue, "z");
    const held = await hold.key(await race.queueId(queue), "z");
    // In the order of their keys, so the first call has taken "a" when it waits for "z".
    const first = race.call("task.enqueueMany", { queue, tasks: [{ dedupeKey: "a" }, { dedupeKey: "z" }] }, one);
    await race.waiting(1);
    const second = race.call("task.enqueue", { queue, dedupeKey: "a" }, other);
    await race.waiting(2);
    await held.release();
    const { tasks } = await first;
    expect(tasks).toMatchObject([{ duplicate: false }, { duplicate: false }]);
    expect(await second).toEqual({ id: tasks[0]!.id, state: "pending", duplicate: true });
    expect(await unfinished(queue)).toEqual(tasks.map(({ id }) => id));
  });

  test("of a key whose task has ended: the second waits for the first and is its duplicate", async () => {
    const queue = race.queue();
    const over = await finishedTask(queue, "a");
    const held = await hold.key(await race.queueId(queue), "a");
    const first = race.call("task.enqueue", { queue, dedupeKey: "a" }, one);
    await race.waiting(1);
    const second = race.call("task.enqueue", { queue, dedupeKey: "a" }, other);
    await race.waiting(2);
    await held.release();
    const { id, duplicate } = await first;
    expect(duplicate).toBe(false);
    expect(id).not.toBe(over);
    expect(await second).toEqual({ id, state: "pending", duplicate: true });
    expect(await unfinished(queue)).toEqual([id]);
  });
});

describe("enqueue by key against the completion of the key's task", () => {
  test("enqueue while the completion has not committed: a duplicate, at once", async () => {
    const queue = race.queue();
    const { id, receipt } = await claimedTask(queue, "a");
    const held = await hold.task(id);
    const completion = race.call("task.complete", { receipt }, 1);
    await race.waiting(1);
    expect(await race.call("task.enqueue", { queue, dedupeKey: "a" })).toEqual({
      id,
      state: "claimed",
      duplicate: true,
    });
    await held.release();
    expect(await completion).toEqual({ id, state: "completed" });
    expect(await race.call("task.enqueue", { queue, dedupeKey: "a" })).toMatchObject({ duplicate: false });
  });

  test("completion while the enqueue is under way: the enqueue came first and is a duplicate", async () => {
    const queue = race.queue();
    const { id, receipt } = await claimedTask(queue, "a");
    const held = await hold.key(await race.queueId(queue), "a");
    const enqueue = race.call("task.enqueue", { queue, dedupeKey: "a" }, 1);
    await race.waiting(1);
    expect(await race.call("task.complete", { receipt })).toEqual({ id, state: "completed" });
    await held.release();
    expect(await enqueue).toEqual({ id, state: "completed", duplicate: true });
    expect(await unfinished(queue)).toEqual([]);
  });
});

test("a key that is forgotten before the enqueue has looked who holds it: the answer is a task all the same", async () => {
  const queue = race.queue();
  const { receipt } = await claimedTask(queue, "a");
  const queueId = await race.queueId(queue);
  const held = await hold.key(queueId, "a");
  const enqueue = race.call("task.enqueue", { queue, dedupeKey: "a" }, 1);
  await race.waiting(1);
  await race.call("task.complete", { receipt });
  const forgetting = "delete from task_dedupe where queue_id = $1 and key = 'a'";
  await squeezeIn(race, held, "task_dedupe", forgetting, [queueId]);
  const answer = await enqueue;
  expect(answer).toMatchObject({ state: "pending", duplicate: false });
  expect(await unfinished(queue)).toEqual([answer.id]);
});

type Back = {
  readonly how: string;
  readonly bring: (queue: string, id: string) => Promise<unknown>;
  readonly refused: unknown;
};

/** The ways in which a finished task becomes unfinished again, and what each is told when its key is taken. */
const BACK: readonly Back[] = [
  {
    how: "task.retry",
    bring: (_, id) => race.call("task.retry", { id }, 1),
    refused: { refused: { type: "conflict", field: "dedupeKey" } },
  },
  {
    how: "queue.redrive",
    bring: (name) => race.call("queue.redrive", { name, state: "cancelled" }, 1),
    refused: { result: { moved: 0 } },
  },
];

describe.each(BACK)("enqueue by key against $how of the key's task", ({ bring, refused }) => {
  test("the key is forgotten while the task comes back: it has its key again", async () => {
    const queue = race.queue();
    const id = await finishedTask(queue, "a");
    const held = await hold.forgottenKey(await race.queueId(queue), "a");
    const back = bring(queue, id);
    await race.waiting(1);
    await held.commit();
    await back;
    expect(await race.call("task.enqueue", { queue, dedupeKey: "a" })).toEqual({
      id,
      state: "pending",
      duplicate: true,
    });
  });

  describe.each([{ key: "remembered" }, { key: "forgotten" }])("the key being $key", ({ key }) => {
    async function ready() {
      const queue = race.queue();
      const id = await finishedTask(queue, "a");
      const queueId = await race.queueId(queue);
      if (key === "forgotten") await forget("a", queueId);
      return { queue, queueId, id };
    }

    test("the task comes back first: the enqueue waits for it and is its duplicate", async () => {
      const { queue, id } = await ready();
      const held = await hold.task(id);
      const back = bring(queue, id);
      await race.waiting(1);
      const enqueue = race.call("task.enqueue", { queue, dedupeKey: "a" });
      await race.waiting(2);
      await held.release();
      await back;
      expect(await enqueue).toEqual({ id, state: "pending", duplicate: true });
      expect(await unfinished(queue)).toEqual([id]);
    });

    test("the enqueue comes first: the task waits for it and stays as it is", async () => {
      const { queue, queueId, id } = await ready();
      // Deleted: a redrive is not to bring this one back.
      await race.call("task.delete", { id: await finishedTask(queue, "z") });
      const held = await hold.key(queueId, "z");
      const enqueue = race.call("task.enqueueMany", { queue, tasks: [{ dedupeKey: "a" }, { dedupeKey: "z" }] });
      await race.waiting(1);
      const back = comeTo(bring(queue, id));
      await race.waiting(2);
      await held.release();
      const { tasks } = await enqueue;
      expect(tasks).toMatchObject([{ duplicate: false }, { duplicate: false }]);
      expect(await back).toEqual(refused as never);
      expect(await unfinished(queue)).toEqual(tasks.map((task) => task.id));
    });
  });
});

test("none of it left a task in two states or in none", async () => {
  expect((await race.call("admin.verify", {})).violations).toEqual([]);
});
