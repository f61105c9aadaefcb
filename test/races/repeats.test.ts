/** Races about keys, requestIds and the end of a queue: what must act once although it comes twice. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { deleteQueue, lockQueue } from "../../src/domain/queue/queries.ts";
import { retryTasks } from "../../src/domain/task/queries/change.ts";
import { enqueueTasks } from "../../src/domain/task/queries/enqueue.ts";
import { completeTasks } from "../../src/domain/task/queries/finish.ts";
import { retakeKey } from "../../src/domain/task/repository.ts";
import { idGenerator } from "../../src/lib/uuid7.ts";
import { refusal } from "../support/service.ts";
import { until } from "../support/until.ts";
import { receiptParts, story } from "./story.ts";

setDefaultTimeout(30_000);
const race = story();
const newId = idGenerator(Date.now);

const row = (id: string, dedupeKey: string | null) => ({
  id,
  dedupeKey,
  name: null,
  payload: "{}",
  priority: 5,
  runAt: null,
  delaySeconds: 0,
  maxAttempts: null,
  dueAt: null,
  ownerId: null,
  dedupeSeconds: null,
  description: null,
  tags: null,
  categories: null,
  dependsOn: null,
  unmet: 0,
  awaited: false,
  workflow: null,
  onDependencyFailure: "cancel",
});

async function emptyQueue() {
  const queue = race.queue();
  await race.call("queue.create", { name: queue });
  return { queue, queueId: await race.queueId(queue) };
}

const countOf = async (queue: string) => (await race.call("task.count", { queue })).count;

describe("two identical enqueues by key", () => {
  test("the second waits for the first and is its duplicate", async () => {
    const { queue, queueId } = await emptyQueue();
    const id = newId(queueId);
    const first = await race.heldOpen((tx) => tx.any(enqueueTasks(queueId, [row(id, "k")], Date.now())));
    const second = race.call("task.enqueue", { queue, dedupeKey: "k" });
    await race.waiting(1);
    await first.commit();
    expect(await second).toEqual({ id, state: "pending", duplicate: true });
    expect(await countOf(queue)).toBe(1);
  });

  test("on two instances at once, one task comes of it", async () => {
    const { queue } = await emptyQueue();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) => race.call("task.enqueue", { queue, dedupeKey: "k" }, at % 2)),
    );
    expect(new Set(answers.map((answer) => answer.id)).size).toBe(1);
    expect(answers.filter((answer) => !answer.duplicate)).toHaveLength(1);
    expect(await countOf(queue)).toBe(1);
  });

  test("while the key's holder is being completed, the new one is its duplicate; after, it is a task", async () => {
    const { queue, queueId } = await emptyQueue();
    const { id } = await race.call("task.enqueue", { queue, dedupeKey: "k" });
    const { tasks } = await race.call("task.claim", { queue, leaseSeconds: 600 });
    const completion = await race.heldOpen((tx) => tx.any(completeTasks(queueId, [receiptParts(tasks[0]!.receipt)])));
    expect(await race.call("task.enqueue", { queue, dedupeKey: "k" })).toEqual({
      id,
      state: "claimed",
      duplicate: true,
    });
    await completion.commit();
    expect(await race.call("task.enqueue", { queue, dedupeKey: "k" })).toMatchObject({
      state: "pending",
      duplicate: false,
    });
  });

  test("while the finished holder is being retried, the new one waits and is its duplicate", async () => {
    const { queue, queueId } = await emptyQueue();
    const { id } = await race.call("task.enqueue", { queue, dedupeKey: "k" });
    await race.call("task.cancel", { id });
    const retry = await race.heldOpen(async (tx) => {
      expect(await retakeKey(tx, queueId, "k", id)).toBe(true);
      return await tx.any(retryTasks(queueId, [id], { delaySeconds: 0, every: 0, restoring: false }));
    });
    const second = race.call("task.enqueue", { queue, dedupeKey: "k" });
    await race.waiting(1);
    await retry.commit();
    expect(await second).toEqual({ id, state: "pending", duplicate: true });
  });

  test("while a new task takes the finished holder's key, its retry waits and is a conflict", async () => {
    const { queue, queueId } = await emptyQueue();
    const { id } = await race.call("task.enqueue", { queue, dedupeKey: "k" });
    await race.call("task.cancel", { id });
    const fresh = await race.heldOpen((tx) => tx.any(enqueueTasks(queueId, [row(newId(queueId), "k")], Date.now())));
    const retry = refusal(race.call("task.retry", { id }));
    await race.waiting(1);
    await fresh.commit();
    expect(await retry).toEqual({ type: "conflict", field: "dedupeKey" });
    expect((await race.call("task.get", { id })).state).toBe("cancelled");
  });
});

describe("two repeats by requestId", () => {
  test("of an enqueue: the second waits for the first and answers the same", async () => {
    const { queue, queueId } = await emptyQueue();
    // The queue's row is held, so that the first stands still in the middle of its transaction.
    const block = await race.heldOpen((tx) => tx.any(lockQueue(queueId)));
    const first = race.call("task.enqueue", { queue, requestId: `${queue}-r` }, 0);
    await race.waiting(1);
    const second = race.call("task.enqueue", { queue, requestId: `${queue}-r` }, 1);
    await race.waiting(2);
    await block.commit();
    expect(await second).toEqual(await first);
    expect(await countOf(queue)).toBe(1);
  });

  test("of a claim, on two instances at once: both get the same task, under one lease", async () => {
    const { queue } = await emptyQueue();
    await race.call("task.enqueueMany", { queue, tasks: [{}, {}, {}] });
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, at) =>
        race.call("task.claim", { queue, requestId: `${queue}-r`, leaseSeconds: 600, waitSeconds: 1 }, at % 2),
      ),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer.tasks.map((task) => task.receipt)))).size).toBe(1);
    expect(await race.call("queue.stats", { name: queue })).toMatchObject({ claimed: 1, pending: 2 });
  });

  test("of a waiting claim: both get the task that comes", async () => {
    const { queue } = await emptyQueue();
    const waiting = [0, 1].map((instance) =>
      race.call("task.claim", { queue, requestId: `${queue}-r`, leaseSeconds: 600, waitSeconds: 20 }, instance),
    );
    await until("both claims wait", async () => {
      const healths = await Promise.all([0, 1].map((instance) => race.call("admin.health", {}, instance)));
      return healths.every((health) => health.waitingClaims === 1);
    });
    await race.call("task.enqueueMany", { queue, tasks: [{}, {}] });
    const [one, other] = await Promise.all(waiting);
    expect(one!.tasks).toHaveLength(1);
    expect(other!.tasks.map((task) => task.receipt)).toEqual(one!.tasks.map((task) => task.receipt));
    expect(await race.call("queue.stats", { name: queue })).toMatchObject({ claimed: 1, pending: 1 });
  });
});

describe("queue.delete against enqueue", () => {
  test("enqueue first: the deletion waits for it and is a conflict", async () => {
    const { queue, queueId } = await emptyQueue();
    const addition = await race.heldOpen((tx) =>
      tx.any(enqueueTasks(queueId, [row(newId(queueId), null)], Date.now())),
    );
    const deletion = refusal(race.call("queue.delete", { name: queue }));
    await race.waiting(1);
    await addition.commit();
    expect(await deletion).toEqual({ type: "conflict", field: "tasks" });
    expect(await countOf(queue)).toBe(1);
  });

  test("deletion first: the enqueue waits for it and makes the queue anew", async () => {
    const { queue, queueId } = await emptyQueue();
    const deletion = await race.heldOpen(async (tx) => {
      await tx.any(lockQueue(queueId));
      return await tx.any(deleteQueue(queueId));
    });
    const addition = race.call("task.enqueue", { queue });
    await race.waiting(1);
    await deletion.commit();
    const { id } = await addition;
    expect(await race.call("task.get", { id })).toMatchObject({ queue, state: "pending" });
    expect(await race.queueId(queue)).not.toBe(queueId);
  });
});

test("none of it left a task in two states or in none", async () => {
  expect((await race.call("admin.verify", {})).violations).toEqual([]);
});
