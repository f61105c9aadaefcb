/** task.attempts: who tried a task, from when to when, and how it ended. worker.tasks: the same from the worker's side. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { withClient } from "../support/postgres.ts";
import { refusal, testService } from "../support/service.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);
const service = testService();
const { call } = service;
type Attempt = Contract["task.attempts"]["result"]["attempts"][number];
type Task = Contract["task.get"]["result"];

let queues = 0;
const newQueue = () => `q${++queues}`;
/** A new task in a queue of its own. */
async function newTask(params: Partial<Contract["task.enqueue"]["params"]> = {}) {
  const queue = newQueue();
  return { queue, id: (await call("task.enqueue", { queue, ...params })).id };
}
const LEASE_SECONDS = 600;
/** Claims the one task of a queue; tells what its attempt is to say of the claim. */
async function claim(queue: string, worker?: string) {
  const params = { queue, leaseSeconds: LEASE_SECONDS, waitSeconds: 5, ...(worker === undefined ? {} : { worker }) };
  const { tasks } = await call("task.claim", params);
  const [{ receipt, attempt, leaseExpiresAt }] = tasks as [Contract["task.claim"]["result"]["tasks"][number]];
  const claimed = new Date(Date.parse(leaseExpiresAt) - LEASE_SECONDS * 1000).toISOString();
  return { receipt, told: { attempt, worker: worker ?? null, claimed } };
}
const fail = (receipt: string, message: string, retry = true) =>
  call("task.fail", { receipt, error: { message }, retry, delaySeconds: 0 });
const attempts = async (id: string) => (await call("task.attempts", { id })).attempts;
const outcomes = (found: readonly Attempt[]) =>
  found.map(({ attempt, outcome, message }) => [attempt, outcome, message]);
/** The lease of a claimed task runs out now; upkeep notices. */
async function runOut(id: string) {
  await withClient(service.databaseUrl, (client) =>
    client.query("update task_lease set expires_at = now() - interval '1 second' where id = $1", [id]),
  );
  await until("the lease is over", async () => (await call("task.get", { id })).state !== "claimed");
}

describe("task.attempts of a task", () => {
  test("that nobody tried", async () => {
    const { id } = await newTask();
    expect(await call("task.attempts", { id })).toEqual({ attempts: [], nextCursor: null });
    const waiting = await newTask({ dependsOn: [id] });
    expect(await attempts(waiting.id)).toEqual([]);
    await call("task.cancel", { id, reason: "not needed" });
    expect(await attempts(id)).toEqual([]);
    // The one that waited went with it, and was not tried either.
    expect((await call("task.get", { id: waiting.id })).state).toBe("cancelled");
    expect(await attempts(waiting.id)).toEqual([]);
  });

  test("that failed with what it waited for", async () => {
    const { id } = await newTask();
    const waiting = await newTask({ dependsOn: [id], onDependencyFailure: "fail" });
    await call("task.cancel", { id });
    expect(await call("task.get", { id: waiting.id })).toMatchObject({ state: "failed", errors: [{ attempt: 0 }] });
    expect(await attempts(waiting.id)).toEqual([]);
  });

  test("claimed now", async () => {
    const { id, queue } = await newTask();
    const { told } = await claim(queue, "w");
    expect(await attempts(id)).toEqual([{ ...told, finished: null, outcome: "claimed", message: null }]);
  });

  test("completed, by a worker or by nobody in particular", async () => {
    for (const worker of ["w", undefined]) {
      const { id, queue } = await newTask();
      const { receipt, told } = await claim(queue, worker);
      await call("task.complete", { receipt, result: 1 });
      const { finished } = await call("task.get", { id });
      expect(await attempts(id)).toEqual([{ ...told, finished, outcome: "completed", message: null }]);
      expect(told.claimed <= finished!).toBe(true);
    }
  });

  test("that failed twice and was then completed, by three workers", async () => {
    const { id, queue } = await newTask();
    const first = await claim(queue, "w1");
    await fail(first.receipt, "no paper");
    const second = await claim(queue, "w2");
    await fail(second.receipt, "no ink");
    const third = await claim(queue, "w3");
    await call("task.complete", { receipt: third.receipt });
    const { errors, finished } = await call("task.get", { id });
    expect(await attempts(id)).toEqual([
      { ...first.told, finished: errors[0]!.at, outcome: "failed", message: "no paper" },
      { ...second.told, finished: errors[1]!.at, outcome: "failed", message: "no ink" },
      { ...third.told, finished, outcome: "completed", message: null },
    ]);
  });

  test("that failed for good, by its worker or with its last attempt", async () => {
    const { id, queue } = await newTask();
    await fail((await claim(queue)).receipt, "never", false);
    expect(outcomes(await attempts(id))).toEqual([[1, "failed", "never"]]);
    const last = await newTask({ maxAttempts: 2 });
    for (const message of ["one", "two"]) await fail((await claim(last.queue)).receipt, message);
    expect((await call("task.get", { id: last.id })).state).toBe("failed");
    expect(outcomes(await attempts(last.id))).toEqual([
      [1, "failed", "one"],
      [2, "failed", "two"],
    ]);
  });

  test("whose lease ran out, and which another worker then holds", async () => {
    const { id, queue } = await newTask();
    const first = await claim(queue, "w1");
    await runOut(id);
    const second = await claim(queue, "w2");
    const { errors } = await call("task.get", { id });
    expect(await attempts(id)).toEqual([
      { ...first.told, finished: errors[0]!.at, outcome: "expired", message: errors[0]!.message },
      { ...second.told, finished: null, outcome: "claimed", message: null },
    ]);
  });

  test("whose last lease ran out", async () => {
    const { id, queue } = await newTask({ maxAttempts: 1 });
    await claim(queue, "w");
    await runOut(id);
    expect((await call("task.get", { id })).state).toBe("failed");
    expect((await attempts(id)).map(({ outcome, worker }) => [outcome, worker])).toEqual([["expired", "w"]]);
  });

  test("that was cancelled while it was held", async () => {
    for (const reason of ["not needed", undefined]) {
      const { id, queue } = await newTask();
      await fail((await claim(queue, "w1")).receipt, "no");
      const { told } = await claim(queue, "w2");
      await call("task.cancel", { id, ...(reason === undefined ? {} : { reason }) });
      const { finished } = await call("task.get", { id });
      const [failed, cancelled, ...rest] = await attempts(id);
      expect(failed).toMatchObject({ worker: "w1", outcome: "failed" });
      expect(cancelled).toEqual({ ...told, finished, outcome: "cancelled", message: reason ?? null });
      expect(rest).toEqual([]);
    }
  });

  test("that was deleted while it was held", async () => {
    const { id, queue } = await newTask();
    await claim(queue, "w");
    await call("task.delete", { id });
    expect(outcomes(await attempts(id))).toEqual([[1, "cancelled", null]]);
    await call("task.restore", { id });
    expect((await claim(queue)).told.attempt).toBe(1);
  });

  test("that was cancelled between two attempts: that was no attempt", async () => {
    const { id, queue } = await newTask();
    await fail((await claim(queue, "w")).receipt, "no");
    await call("task.cancel", { id, reason: "enough" });
    expect(outcomes(await attempts(id))).toEqual([[1, "failed", "no"]]);
  });

  test("that was released: the attempt does not count", async () => {
    const { id, queue } = await newTask();
    await call("task.release", { receipt: (await claim(queue, "w1")).receipt });
    expect(await attempts(id)).toEqual([]);
    const { told } = await claim(queue, "w2");
    expect(told.attempt).toBe(1);
    expect(await attempts(id)).toEqual([{ ...told, finished: null, outcome: "claimed", message: null }]);
    await call("task.cancel", { id });
    expect((await attempts(id)).map(({ worker }) => worker)).toEqual(["w2"]);
  });

  test("that was released after a failure, and then cancelled", async () => {
    const { id, queue } = await newTask();
    await fail((await claim(queue, "w1")).receipt, "no");
    await call("task.release", { receipt: (await claim(queue, "w2")).receipt });
    expect(outcomes(await attempts(id))).toEqual([[1, "failed", "no"]]);
    await call("task.cancel", { id });
    expect(outcomes(await attempts(id))).toEqual([[1, "failed", "no"]]);
  });

  test("retried: what failed before stays, and attempts count from one again", async () => {
    const { id, queue } = await newTask({ maxAttempts: 1 });
    await fail((await claim(queue, "w1")).receipt, "no");
    await call("task.retry", { id });
    expect(outcomes(await attempts(id))).toEqual([[1, "failed", "no"]]);
    const { receipt, told } = await claim(queue, "w2");
    expect(told.attempt).toBe(1);
    expect(outcomes(await attempts(id))).toEqual([
      [1, "failed", "no"],
      [1, "claimed", null],
    ]);
    await call("task.complete", { receipt });
    expect((await attempts(id)).map(({ worker, outcome }) => [worker, outcome])).toEqual([
      ["w1", "failed"],
      ["w2", "completed"],
    ]);
  });

  test("retried after it was completed: that is taken back", async () => {
    const { id, queue } = await newTask();
    await call("task.complete", { receipt: (await claim(queue, "w1")).receipt });
    await call("task.retry", { id });
    expect(await attempts(id)).toEqual([]);
    // Nor does it come back with a later end that is no attempt's.
    await call("task.cancel", { id });
    expect(await attempts(id)).toEqual([]);
  });

  test("cancelled twice while it was held: each for its own reason", async () => {
    const { id, queue } = await newTask();
    await claim(queue, "w1");
    await call("task.cancel", { id, reason: "first" });
    await call("task.retry", { id });
    await claim(queue, "w2");
    await call("task.cancel", { id });
    const last = (await attempts(id)).at(-1);
    expect(last).toMatchObject({ worker: "w2", outcome: "cancelled", message: null });
  });

  test.each(["cancelled", "dependency_failed"])(
    "whose worker said it failed by the code %s, as the service might",
    async (code) => {
      const { id, queue } = await newTask();
      const { receipt } = await claim(queue, "w");
      await call("task.fail", { receipt, error: { message: "said so", code }, delaySeconds: 0 });
      expect(outcomes(await attempts(id))).toEqual([[1, "failed", "said so"]]);
      await claim(queue, "w");
      await call("task.cancel", { id });
      expect((await attempts(id)).at(-1)).toMatchObject({ attempt: 2, outcome: "cancelled", message: null });
    },
  );

  test("page by page", async () => {
    const { id, queue } = await newTask({ maxAttempts: 10 });
    for (let n = 1; n <= 4; n++) await fail((await claim(queue, `w${n}`)).receipt, `no ${n}`);
    await claim(queue, "w5");
    const all = await attempts(id);
    expect(all.map(({ worker }) => worker)).toEqual(["w1", "w2", "w3", "w4", "w5"]);
    for (const limit of [1, 2, 4, 5, 6]) {
      const found: Attempt[] = [];
      let cursor: string | undefined;
      do {
        const page = await call("task.attempts", { id, limit, ...(cursor === undefined ? {} : { cursor }) });
        expect(page.attempts.length).toBeLessThanOrEqual(limit);
        found.push(...page.attempts);
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined);
      expect(found).toEqual(all);
    }
  });

  test("that is not there, or another project's, or a purged one, is not found", async () => {
    const { id, queue } = await newTask();
    await call("project.create", { name: "other" });
    const notFound = { type: "not_found", noun: "task", id } as const;
    expect(await refusal(call("task.attempts", { project: "other", id }))).toEqual(notFound);
    await call("queue.purge", { name: queue });
    expect(await refusal(call("task.attempts", { id }))).toEqual(notFound);
  });
});

describe("worker.tasks", () => {
  async function tasksOf(id: string, limit = 100, project = "default"): Promise<Task[]> {
    const found: Task[] = [];
    let cursor: string | undefined;
    do {
      const page = await call("worker.tasks", { project, id, limit, ...(cursor === undefined ? {} : { cursor }) });
      expect(page.tasks.length).toBeLessThanOrEqual(limit);
      found.push(...page.tasks);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    return found;
  }

  test("are those it completed, failed, lost, holds, or held when they were cancelled; the newest first", async () => {
    const all = [];
    for (const _ of Array(6)) all.push(await newTask());
    const [done, failed, lost, held, cancelled, released] = all as [(typeof all)[0], ...typeof all];
    const worker = "many-sided";
    await call("task.complete", { receipt: (await claim(done.queue, worker)).receipt });
    // Another one completes what this one failed.
    await fail((await claim(failed!.queue, worker)).receipt, "no");
    await call("task.complete", { receipt: (await claim(failed!.queue, "another")).receipt });
    await claim(lost!.queue, worker);
    await runOut(lost!.id);
    await claim(held!.queue, worker);
    await claim(cancelled!.queue, worker);
    await call("task.cancel", { id: cancelled!.id });
    await call("task.release", { receipt: (await claim(released!.queue, worker)).receipt });
    const wanted = [cancelled!.id, held!.id, lost!.id, failed!.id, done.id];
    const found = await tasksOf(worker);
    expect(found.map(({ id }) => id)).toEqual(wanted);
    for (const limit of [1, 2, 4, 5, 6]) expect(await tasksOf(worker, limit)).toEqual(found);
    expect(await Promise.all(wanted.map((id) => call("task.get", { id })))).toEqual(found);
    expect((await tasksOf("another")).map(({ id }) => id)).toEqual([failed!.id]);
  });

  test("come in the order of the tasks, not of the attempts, one line for many attempts", async () => {
    const [older, newer] = [await newTask(), await newTask()];
    const worker = "patient";
    await claim(newer.queue, worker);
    for (let n = 0; n < 3; n++) await fail((await claim(older.queue, worker)).receipt, `no ${n}`);
    expect((await tasksOf(worker)).map(({ id }) => id)).toEqual([newer.id, older.id]);
  });

  test("are of one project; the same name in another is another worker", async () => {
    await call("project.create", { name: "next door" });
    const worker = "namesake";
    const here = await newTask();
    await claim(here.queue, worker);
    const there = await call("task.enqueue", { project: "next door", queue: "q" });
    await call("task.claim", { project: "next door", queue: "q", worker });
    expect((await tasksOf(worker)).map(({ id }) => id)).toEqual([here.id]);
    expect((await tasksOf(worker, 100, "next door")).map(({ id }) => id)).toEqual([there.id]);
  });

  test("are none of a worker that asked in vain, and not found for one that never asked", async () => {
    await call("task.claim", { queue: newQueue(), worker: "idle" });
    expect(await call("worker.tasks", { id: "idle" })).toEqual({ tasks: [], nextCursor: null });
    expect(await refusal(call("worker.tasks", { id: "nobody" }))).toEqual({
      type: "not_found",
      noun: "worker",
      id: "nobody",
    });
  });

  test("are found behind many tasks of others", async () => {
    const worker = "long ago";
    const { id, queue } = await newTask();
    await claim(queue, worker);
    const other = newQueue();
    for (let n = 0; n < 21; n++) await call("task.enqueueMany", { queue: other, tasks: Array(1000).fill({}) });
    const { id: last, queue: lastQueue } = await newTask();
    await claim(lastQueue, worker);
    for (const limit of [1, 2, 3]) expect((await tasksOf(worker, limit)).map((task) => task.id)).toEqual([last, id]);
  });
});
