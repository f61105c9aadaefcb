/** Tasks that go straight to a claim that waits for them: added and claimed in one transaction. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { rpc } from "../support/service.ts";
import { until } from "../support/until.ts";
import { story } from "./story.ts";

setDefaultTimeout(60_000);
const the = story();
const { call, queue, url } = the;

/** Waits until so many claims wait in the first instance and those of this queue have found nothing. */
const settled = async (name: string, count: number) => {
  await until(`${count} claims wait`, async () => (await call("admin.health", {})).waitingClaims === count);
  // Stands in line behind them: when it is told that there is nothing, they have looked too.
  expect((await call("task.claim", { queue: name })).tasks).toEqual([]);
};

/** Sends calls as one JSON-RPC batch. */
async function batch<T>(...calls: object[]): Promise<T[]> {
  const body = JSON.stringify(
    calls.map((one, at) => ({ jsonrpc: "2.0", id: at, method: "task.enqueue", params: one })),
  );
  const headers = { "Content-Type": "application/json" };
  const answers = (await (await fetch(`${url()}/rpc`, { method: "POST", headers, body })).json()) as { id: number }[];
  return answers.sort((a, b) => a.id - b.id) as T[];
}

const wait = async (name: string, params: object = {}) =>
  (await rpc(url(), "task.claim", { queue: name, waitSeconds: 20, ...params })).tasks;

/** Whether the same transaction wrote a task and its lease. */
async function wasHanded(id: string): Promise<boolean> {
  const { rows } = await the.client.query<{ same: boolean }>(
    "select t.xmin = l.xmin as same from task t join task_lease l using (id, queue_id) where t.id = $1",
    [id],
  );
  return rows[0]!.same;
}

/** As long as it was when it was added, to the second. */
const leaseSeconds = (task: { leaseExpiresAt: string; added: string }) =>
  Math.round((Date.parse(task.leaseExpiresAt) - Date.parse(task.added)) / 1000);

test("a task that comes while a claim waits is claimed by the transaction that adds it", async () => {
  let handed = 0;
  for (let time = 0; time < 20; time++) {
    const name = queue();
    const claim = wait(name);
    await settled(name, 1);
    const { id } = await call("task.enqueue", { queue: name });
    expect((await claim).map((task) => task.id)).toEqual([id]);
    if (await wasHanded(id)) handed++;
  }
  // Not all: the claim may just be looking for itself, as it does once a second, and then finds the task.
  expect(handed).toBeGreaterThan(10);
});

test("a waiting claim has the task with its lease, and completes it", async () => {
  const name = queue();
  await call("queue.create", { name, leaseSeconds: 77, maxAttempts: 9 });
  const claim = wait(name, { worker: "w", limit: 5 });
  await settled(name, 1);
  const added = await call("task.enqueue", { queue: name, name: "n", payload: { b: 1, a: [2] }, priority: 3 });
  expect(added).toMatchObject({ state: "pending", duplicate: false });
  const [task, ...others] = await claim;
  expect(others).toEqual([]);
  const { id } = added;
  expect(task).toMatchObject({ id, queue: name, name: "n", payload: { b: 1, a: [2] }, priority: 3, attempt: 1 });
  expect(task).toMatchObject({ maxAttempts: 9, tags: [], dependsOn: [] });
  const view = await call("task.get", { id });
  expect(view).toMatchObject({ state: "claimed", attempts: 1, worker: "w", added: task!.added });
  expect(Date.parse(view.leaseExpiresAt!) - Date.parse(task!.leaseExpiresAt)).toBeLessThanOrEqual(1);
  expect(leaseSeconds(task!)).toBe(77);
  expect(await call("task.complete", { receipt: task!.receipt })).toEqual({ id, state: "completed" });
});

test("the most urgent of a call go to those who wait, with their own leases; the rest become ready", async () => {
  const name = queue();
  const claims = [wait(name, { leaseSeconds: 100 }), wait(name)];
  await settled(name, 2);
  const tasks = [7, 2, 5, 2].map((priority) => ({ priority, payload: { priority } }));
  const ids = (await call("task.enqueueMany", { queue: name, tasks })).tasks.map(({ id }) => id);
  const got = (await Promise.all(claims)).flat();
  expect(got.map(({ id }) => id).sort()).toEqual([ids[1]!, ids[3]!].sort());
  expect(got.map(leaseSeconds).sort()).toEqual([100, 30]);
  const states = await Promise.all([0, 2].map((at) => call("task.get", { id: ids[at]! })));
  expect(states.map(({ state, attempts }) => [state, attempts])).toEqual([
    ["pending", 0],
    ["pending", 0],
  ]);
});

test("a paused queue hands out nothing, and what came meanwhile when it goes on", async () => {
  const name = queue();
  await call("queue.create", { name });
  await call("queue.pause", { name });
  const claim = wait(name);
  await settled(name, 1);
  const { id } = await call("task.enqueue", { queue: name });
  expect(await call("task.get", { id })).toMatchObject({ state: "pending", attempts: 0 });
  expect((await call("admin.health", {})).waitingClaims).toBe(1);
  await call("queue.resume", { name });
  const [task] = await claim;
  expect(await call("task.complete", { receipt: task!.receipt })).toMatchObject({ id, state: "completed" });
});

test("a repeated call hands out nothing, also beside its first in one batch", async () => {
  const name = queue();
  const claims = [wait(name), wait(name)];
  await settled(name, 2);
  const params = { queue: name, requestId: `${name}-1` };
  const answers = await batch<{ result: { id: string } }>(params, params);
  const { id } = answers[0]!.result;
  expect(answers[1]!.result).toEqual(answers[0]!.result);
  const first = await Promise.race(claims);
  expect(first.map((task) => task.id)).toEqual([id]);
  expect((await call("task.enqueue", params)).id).toBe(id);
  await settled(name, 1);
  expect(await call("task.count", { queue: name })).toMatchObject({ count: 1 });
  const { id: next } = await call("task.enqueue", { queue: name });
  expect((await Promise.all(claims)).flat().map((task) => task.id)).toEqual(expect.arrayContaining([id, next]));
});

test("a call that cannot be stored takes nothing from those who wait, nor from its neighbours", async () => {
  const name = queue();
  const claim = wait(name, { limit: 10 });
  await settled(name, 1);
  const [bad, good] = await batch<{ error?: { code: number }; result?: { id: string } }>(
    { queue: name, payload: { text: "\u0000" } },
    { queue: name, payload: { text: "fine" } },
  );
  expect(bad).toMatchObject({ error: { code: -32602 } });
  const { id } = good!.result!;
  expect((await claim).map((task) => task.id)).toEqual([id]);
  expect(await call("task.count", { queue: name })).toMatchObject({ count: 1 });
});
