/** Races between tasks and those that wait for them. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { cancelTask } from "../../src/domain/task/queries/change.ts";
import { lockWaiting } from "../../src/domain/task/queries/dependencies.ts";
import { completeTasks, failTasks } from "../../src/domain/task/queries/finish.ts";
import { markAwaited, settle } from "../../src/domain/task/repository.ts";
import { refusal } from "../support/service.ts";
import { receiptParts, story } from "./story.ts";

setDefaultTimeout(30_000);
const race = story();

/** So many claimed tasks in a queue of their own. */
async function parents(count: number) {
  const queue = race.queue();
  await race.call("task.enqueueMany", { queue, tasks: Array.from({ length: count }, () => ({})) });
  const { tasks } = await race.call("task.claim", { queue, limit: count, leaseSeconds: 600 });
  return { queue, queueId: await race.queueId(queue), tasks };
}

const childOf = (queue: string, dependsOn: string[]) =>
  race.call("task.enqueue", { queue: `${queue}-child`, dependsOn });
const stateOf = async (id: string) => (await race.call("task.get", { id })).state;

describe("the last two parents complete at once, on two instances", () => {
  for (const order of [
    [0, 1],
    [1, 0],
  ] as const)
    test(`the child becomes ready once, parent ${order[0]} being first`, async () => {
      const { queue, tasks } = await parents(2);
      const child = await childOf(
        queue,
        tasks.map((task) => task.id),
      );
      const childQueueId = await race.queueId(`${queue}-child`);
      const block = await race.heldOpen((tx) => tx.any(lockWaiting(childQueueId, [child.id])));
      const completions = [];
      for (const [instance, at] of order.entries()) {
        completions.push(race.call("task.complete", { receipt: tasks[at]!.receipt }, instance));
        await race.waiting(instance + 1);
      }
      await block.commit();
      expect((await Promise.all(completions)).map((answer) => answer.state)).toEqual(["completed", "completed"]);
      expect(await stateOf(child.id)).toBe("pending");
      const claimed = await race.call("task.claim", { queue: `${queue}-child`, limit: 10, leaseSeconds: 600 });
      expect(claimed.tasks.map((task) => task.id)).toEqual([child.id]);
    });
});

describe("a parent fails while its child is added", () => {
  const failure = { error: { message: "no" }, retry: false, delaySeconds: 0, luck: 0 };

  test("child first: the failure waits for it, and cancels it", async () => {
    const { queue, queueId, tasks } = await parents(1);
    const { id, receipt } = tasks[0]!;
    // What adding a child does first: it marks the parent as waited for and keeps it from ending.
    const addition = await race.heldOpen((tx) => markAwaited(tx, [{ id, queueId }]));
    expect(addition.answer).toEqual({ ended: [], unknown: null });
    const late = race.call("task.fail", { receipt, error: { message: "no" }, retry: false });
    await race.waiting(1);
    await addition.commit();
    expect(await late).toMatchObject({ id, state: "failed" });
    const child = await childOf(queue, [id]);
    expect(child.state).toBe("cancelled");
  });

  test("child added while the parent stands: its failure after cancels the child", async () => {
    const { queue, tasks } = await parents(1);
    const child = await childOf(queue, [tasks[0]!.id]);
    expect(child.state).toBe("waiting");
    await race.call("task.fail", { receipt: tasks[0]!.receipt, error: { message: "no" }, retry: false });
    expect(await stateOf(child.id)).toBe("cancelled");
  });

  test("failure first: adding the child waits for it, and the child is cancelled at once", async () => {
    const { queue, queueId, tasks } = await parents(1);
    const { id, receipt } = tasks[0]!;
    const end = await race.heldOpen((tx) =>
      tx.any(failTasks(queueId, [{ ...receiptParts(receipt), ...failure }], false)),
    );
    const child = childOf(queue, [id]);
    await race.waiting(1);
    await end.commit();
    expect((await child).state).toBe("cancelled");
  });
});

describe("cancel while a parent completes", () => {
  test("completion first: the child, ready by then, is cancelled after it", async () => {
    const { queue, queueId, tasks } = await parents(1);
    const child = await childOf(queue, [tasks[0]!.id]);
    const completion = await race.heldOpen(async (tx) => {
      await tx.any(completeTasks(queueId, [receiptParts(tasks[0]!.receipt)], true));
      return await settle(tx, [{ id: tasks[0]!.id, queueId }]);
    });
    const cancellation = race.call("task.cancel", { id: child.id });
    await race.waiting(1);
    await completion.commit();
    expect(await cancellation).toEqual({ id: child.id, state: "cancelled" });
    expect((await race.call("task.claim", { queue: `${queue}-child` })).tasks).toEqual([]);
  });

  test("cancel first: the completion waits for it, and the child stays cancelled", async () => {
    const { queue, tasks } = await parents(1);
    const child = await childOf(queue, [tasks[0]!.id]);
    const childQueueId = await race.queueId(`${queue}-child`);
    const cancellation = await race.heldOpen((tx) => tx.any(cancelTask(childQueueId, child.id, null, false)));
    const completion = race.call("task.complete", { receipt: tasks[0]!.receipt });
    await race.waiting(1);
    await cancellation.commit();
    expect((await completion).state).toBe("completed");
    expect(await stateOf(child.id)).toBe("cancelled");
    expect(await refusal(race.call("task.cancel", { id: child.id }))).toEqual({
      type: "wrong_state",
      state: "cancelled",
    });
  });
});

test("none of it left a task in two states or in none", async () => {
  expect((await race.call("admin.verify", {})).violations).toEqual([]);
});
