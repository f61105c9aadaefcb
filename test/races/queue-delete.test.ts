/** Races about the deletion of a queue: what was acknowledged is not lost with it. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { comeTo, holds } from "./holds.ts";
import { story } from "./story.ts";

setDefaultTimeout(30_000);
const race = story();
const hold = holds(() => race.databaseUrl);

/** A queue with a finished task of the key "z". */
async function idleQueue() {
  const queue = race.queue();
  const { id } = await race.call("task.enqueue", { queue, dedupeKey: "z" });
  await race.call("task.cancel", { id });
  const queueId = await race.queueId(queue);
  // Of a time that upkeep has nothing to do with.
  await race.client.query("insert into queue_rate (queue_id, bucket) values ($1, '2100-01-01')", [queueId]);
  return { queue, queueId, id };
}

describe("queue.delete against enqueue", () => {
  test("enqueue first: the deletion waits for it and is refused", async () => {
    const { queue, queueId } = await idleQueue();
    const held = await hold.key(queueId, "z");
    const enqueue = race.call("task.enqueue", { queue, dedupeKey: "z" }, 1);
    await race.waiting(1);
    const deletion = comeTo(race.call("queue.delete", { name: queue }));
    await race.waiting(2);
    await held.release();
    const { id } = await enqueue;
    expect(await deletion).toEqual({ refused: { type: "conflict", field: "tasks" } });
    expect((await race.call("task.get", { id })).state).toBe("pending");
  });

  test("deletion first: the enqueue waits for it and makes the queue anew", async () => {
    const { queue, queueId } = await idleQueue();
    const held = await hold.rate(queueId);
    const deletion = race.call("queue.delete", { name: queue });
    await race.waiting(1);
    const enqueue = race.call("task.enqueue", { queue }, 1);
    await race.waiting(2);
    await held.release();
    expect(await deletion).toEqual({ name: queue });
    const { id } = await enqueue;
    expect((await race.call("task.get", { id }, 1)).state).toBe("pending");
    expect(await race.queueId(queue)).not.toBe(queueId);
  });
});

describe("queue.delete against task.retry", () => {
  test("retry first: the deletion waits for it and is refused", async () => {
    const { queue, id } = await idleQueue();
    const held = await hold.task(id);
    const retry = race.call("task.retry", { id }, 1);
    await race.waiting(1);
    const deletion = comeTo(race.call("queue.delete", { name: queue }));
    await race.waiting(2);
    await held.release();
    expect(await retry).toEqual({ id, state: "pending" });
    expect(await deletion).toEqual({ refused: { type: "conflict", field: "tasks" } });
    expect((await race.call("task.get", { id })).state).toBe("pending");
  });

  test("deletion first: the retry waits for it and finds no task", async () => {
    const { queue, queueId, id } = await idleQueue();
    const held = await hold.rate(queueId);
    const deletion = race.call("queue.delete", { name: queue });
    await race.waiting(1);
    const retry = comeTo(race.call("task.retry", { id }, 1));
    await race.waiting(2);
    await held.release();
    expect(await deletion).toEqual({ name: queue });
    expect(await retry).toEqual({ refused: { type: "not_found", noun: "task", id } });
  });
});

test("none of it left a task in two states or in none", async () => {
  expect((await race.call("admin.verify", {})).violations).toEqual([]);
});
