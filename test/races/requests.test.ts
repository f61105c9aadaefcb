/** Races about requestId: the call comes again while the first one has not been answered, at another instance. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { comeTo, holds } from "./holds.ts";
import { story } from "./story.ts";

setDefaultTimeout(30_000);
const race = story();
const hold = holds(() => race.databaseUrl);
let requests = 0;
const newRequestId = () => `request-${++requests}`;

describe.each([
  [0, 1],
  [1, 0],
] as const)("a repeat while the first is under way, instance %d before %d", (one, other) => {
  test("of an enqueue: both are answered the same task", async () => {
    const queue = race.queue();
    const held = await holdEnqueues(queue);
    const params = { queue, dedupeKey: "z", requestId: newRequestId() };
    const first = race.call("task.enqueue", params, one);
    await race.waiting(1);
    const second = race.call("task.enqueue", params, other);
    await race.waiting(2);
    await held.release();
    // Not a duplicate: it is the very same call.
    expect(await first).toMatchObject({ state: "pending", duplicate: false });
    expect(await second).toEqual(await first);
    expect((await race.call("task.count", { queue, states: ["pending"] })).count).toBe(1);
  });

  test("of an enqueue without a key, in one call with others: there is one task of each", async () => {
    const queue = race.queue();
    const held = await holdEnqueues(queue);
    const params = { queue, tasks: [{}, { dedupeKey: "z" }, {}], requestId: newRequestId() };
    const first = race.call("task.enqueueMany", params, one);
    await race.waiting(1);
    const second = race.call("task.enqueueMany", params, other);
    await race.waiting(2);
    await held.release();
    expect(await second).toEqual(await first);
    expect((await race.call("task.count", { queue, states: ["pending"] })).count).toBe(3);
  });

  test("of a claim: both are handed the same task under the same receipt", async () => {
    const queue = race.queue();
    const { tasks } = await race.call("task.enqueueMany", { queue, tasks: [{}, {}] });
    const held = await hold.placeOfLease(tasks[0]!.id);
    const params = { queue, leaseSeconds: 600, requestId: newRequestId() };
    const first = race.call("task.claim", params, one);
    await race.waiting(1);
    const second = race.call("task.claim", params, other);
    await race.waiting(2);
    await held.release();
    expect((await first).tasks).toMatchObject([{ id: tasks[0]!.id, attempt: 1 }]);
    expect(await second).toEqual(await first);
    // The other task has been claimed by nobody.
    expect((await race.call("task.claim", { queue, limit: 5 })).tasks).toMatchObject([{ id: tasks[1]!.id }]);
  });

  test("with other parameters: the second is refused, and does nothing", async () => {
    const queue = race.queue();
    const held = await holdEnqueues(queue);
    const requestId = newRequestId();
    const first = race.call("task.enqueue", { queue, dedupeKey: "z", requestId }, one);
    await race.waiting(1);
    const second = comeTo(race.call("task.enqueue", { queue, dedupeKey: "other", requestId }, other));
    await race.waiting(2);
    await held.release();
    expect(await second).toEqual({ refused: { type: "conflict", field: "requestId" } });
    expect((await race.call("task.list", { queue, states: ["pending"] })).tasks).toMatchObject([
      { id: (await first).id },
    ]);
  });

  test("of a call that is then refused: the repeat is tried anew", async () => {
    const queue = race.queue();
    const { id } = await race.call("task.enqueue", { queue });
    const { tasks } = await race.call("task.claim", { queue, leaseSeconds: 600 });
    const held = await hold.lease(id);
    const params = { receipt: tasks[0]!.receipt, requestId: newRequestId() };
    // Whoever gets the lease first completes the task; the cancellation then finds it over.
    const completion = race.call("task.complete", { receipt: tasks[0]!.receipt }, one);
    await race.waiting(1);
    const first = comeTo(race.call("task.release", params, one));
    await race.waiting(2);
    const second = comeTo(race.call("task.release", params, other));
    await race.waiting(3);
    await held.release();
    expect(await completion).toEqual({ id, state: "completed" });
    expect(await first).toEqual({ refused: { type: "lease_lost", state: "completed" } });
    expect(await second).toEqual({ refused: { type: "lease_lost", state: "completed" } });
  });
});

test("two at once at one instance, of which either may be first: one task", async () => {
  const queue = race.queue();
  const params = { queue, requestId: newRequestId() };
  const answers = await Promise.all(Array.from({ length: 20 }, () => race.call("task.enqueue", params)));
  expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
  expect((await race.call("task.count", { queue })).count).toBe(1);
});

/** Stops the enqueues to a queue that have the key "z". */
async function holdEnqueues(queue: string) {
  const { id } = await race.call("task.enqueue", { queue, dedupeKey: "z" });
  await race.call("task.cancel", { id });
  return await hold.key(await race.queueId(queue), "z");
}
