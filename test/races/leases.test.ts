/** Races about leases. Each is told in both orders: one side holds its transaction open, the other is seen waiting for it. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { cancelTask, changeTask } from "../../src/domain/task/queries/change.ts";
import { claimTasks } from "../../src/domain/task/queries/claim.ts";
import { completeTasks, expireLeases, extendLeases } from "../../src/domain/task/queries/finish.ts";
import { refusal } from "../support/service.ts";
import { receiptParts, story } from "./story.ts";

setDefaultTimeout(30_000);
const race = story();

/** A claimed task in a queue of its own, held for ten minutes. */
async function claimedTask() {
  const queue = race.queue();
  const { id } = await race.call("task.enqueue", { queue });
  const { tasks } = await race.call("task.claim", { queue, leaseSeconds: 600, worker: "w" });
  return { queue, queueId: await race.queueId(queue), id, receipt: tasks[0]!.receipt };
}

/** From the very beginning of each priority. */
const claimOfOne = (queueId: number) => ({
  queueId,
  shares: [{ limit: 1, leaseSeconds: 600, worker: null }],
  from: Array.from({ length: 10 }, () => null),
});

const stateOf = async (id: string) => (await race.call("task.get", { id })).state;

describe("claim against claim", () => {
  test("eight claimers on two instances get a hundred tasks, each once", async () => {
    const queue = race.queue();
    const { tasks } = await race.call("task.enqueueMany", { queue, tasks: Array.from({ length: 100 }, () => ({})) });
    const got: string[] = [];
    const claimer = async (at: number) => {
      for (;;) {
        const claimed = await race.call("task.claim", { queue, limit: 3, leaseSeconds: 600 }, at % 2);
        if (claimed.tasks.length === 0) return;
        got.push(...claimed.tasks.map((task) => task.id));
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, at) => claimer(at)));
    expect(got.sort()).toEqual(tasks.map((task) => task.id).sort());
  });

  test("a claim passes over what another one is claiming, and does not wait for it", async () => {
    const queue = race.queue();
    const { tasks } = await race.call("task.enqueueMany", { queue, tasks: [{}, {}] });
    const queueId = await race.queueId(queue);
    const first = await race.heldOpen((tx) => tx.any(claimTasks(claimOfOne(queueId))));
    const second = await race.call("task.claim", { queue, limit: 2, leaseSeconds: 600 });
    await first.commit();
    expect(first.answer.map((row) => row.id)).toEqual([tasks[0]!.id]);
    expect(second.tasks.map((task) => task.id)).toEqual([tasks[1]!.id]);
  });
});

describe("complete against expiry", () => {
  test("complete first: expiry passes over the lease that ran out meanwhile, and the completion stands", async () => {
    const { id, queueId, receipt } = await claimedTask();
    const late = await race.runOutSoon(id);
    const completion = await race.heldOpen((tx) => tx.any(completeTasks(queueId, [receiptParts(receipt)])));
    await late();
    const expiry = await race.heldOpen((tx) => tx.any(expireLeases(10)));
    expect(expiry.answer).toEqual([]);
    await completion.commit();
    await expiry.commit();
    expect(await race.call("task.get", { id })).toMatchObject({ state: "completed", errors: [] });
  });

  test("expiry first: the completion waits for it and is told lease_lost", async () => {
    const { id, receipt } = await claimedTask();
    const expiry = await race.heldOpen(async (tx) => {
      await race.runOut(id);
      return await tx.any(expireLeases(10));
    });
    // Upkeep may have been quicker: then nothing is held open, and the completion comes late all the same.
    const late = refusal(race.call("task.complete", { receipt }));
    if (expiry.answer.length > 0) await race.waiting(1);
    await expiry.commit();
    expect(await late).toEqual({ type: "lease_lost", state: "pending" });
    expect(await stateOf(id)).toBe("pending");
  });
});

describe("extend against expiry", () => {
  test("extend first: expiry passes over the lease that ran out meanwhile, and it lives on", async () => {
    const { id, queueId, receipt } = await claimedTask();
    const late = await race.runOutSoon(id);
    const lease = { ...receiptParts(receipt), leaseSeconds: 600 };
    const extension = await race.heldOpen((tx) => tx.any(extendLeases(queueId, [lease])));
    await late();
    const expiry = await race.heldOpen((tx) => tx.any(expireLeases(10)));
    expect(expiry.answer).toEqual([]);
    await extension.commit();
    await expiry.commit();
    expect(await race.call("task.complete", { receipt })).toEqual({ id, state: "completed" });
  });

  test("expiry first: the extension waits for it and is told lease_lost", async () => {
    const { id, receipt } = await claimedTask();
    const expiry = await race.heldOpen(async (tx) => {
      await race.runOut(id);
      return await tx.any(expireLeases(10));
    });
    const late = race.call("task.extend", { receipts: [receipt] });
    if (expiry.answer.length > 0) await race.waiting(1);
    await expiry.commit();
    expect((await late).items).toMatchObject([
      { ok: false, error: { code: 1003, data: { type: "lease_lost", state: "pending" } } },
    ]);
  });
});

describe("cancel against complete", () => {
  test("complete first: the cancellation waits for it and is told wrong_state", async () => {
    const { id, queueId, receipt } = await claimedTask();
    const completion = await race.heldOpen((tx) => tx.any(completeTasks(queueId, [receiptParts(receipt)])));
    const late = refusal(race.call("task.cancel", { id }));
    await race.waiting(1);
    await completion.commit();
    expect(await late).toEqual({ type: "wrong_state", state: "completed" });
    expect(await stateOf(id)).toBe("completed");
  });

  test("cancel first: the completion waits for it and is told lease_lost, with the state", async () => {
    const { id, queueId, receipt } = await claimedTask();
    const cancellation = await race.heldOpen((tx) => tx.any(cancelTask(queueId, id, null, false)));
    const late = refusal(race.call("task.complete", { receipt }));
    await race.waiting(1);
    await cancellation.commit();
    expect(await late).toEqual({ type: "lease_lost", state: "cancelled" });
    expect((await race.call("task.extend", { receipts: [receipt] })).items).toMatchObject([
      { ok: false, error: { data: { type: "lease_lost", state: "cancelled" } } },
    ]);
  });
});

describe("task.update against claim", () => {
  test("update first: the claim passes over the task, and finds it at its new place after", async () => {
    const queue = race.queue();
    const { tasks } = await race.call("task.enqueueMany", { queue, tasks: [{}, {}] });
    const queueId = await race.queueId(queue);
    const change = await race.heldOpen((tx) =>
      tx.any(changeTask(queueId, tasks[0]!.id, { priority: 9, catalogued: false })),
    );
    const claimed = await race.call("task.claim", { queue, limit: 2, leaseSeconds: 600 });
    expect(claimed.tasks.map((task) => task.id)).toEqual([tasks[1]!.id]);
    await change.commit();
    const next = await race.call("task.claim", { queue, leaseSeconds: 600 });
    expect(next.tasks).toMatchObject([{ id: tasks[0]!.id, priority: 9 }]);
  });

  test("claim first: the update waits for it and is told wrong_state", async () => {
    const queue = race.queue();
    const { id } = await race.call("task.enqueue", { queue });
    const queueId = await race.queueId(queue);
    const claim = await race.heldOpen((tx) => tx.any(claimTasks(claimOfOne(queueId))));
    const late = refusal(race.call("task.update", { id, priority: 0 }));
    await race.waiting(1);
    await claim.commit();
    expect(await late).toEqual({ type: "wrong_state", state: "claimed" });
    expect((await race.call("task.get", { id })).priority).toBe(5);
  });
});

test("none of it left a task in two states or in none", async () => {
  expect((await race.call("admin.verify", {})).violations).toEqual([]);
});
