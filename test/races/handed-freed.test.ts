/** Tasks that their last dependency frees and that go straight to a claim that waits for them. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { rpc } from "../support/service.ts";
import { until } from "../support/until.ts";
import { story } from "./story.ts";

setDefaultTimeout(60_000);
const the = story();
const { call, queue, url } = the;

const wait = async (name: string, params: object = {}, signal?: AbortSignal) =>
  (await rpc(url(), "task.claim", { queue: name, waitSeconds: 20, ...params }, signal ? { signal } : {})).tasks;

/** Waits until so many claims wait in the first instance and those of this queue have found nothing. */
const settled = async (name: string, count: number) => {
  await until(`${count} claims wait`, async () => (await call("admin.health", {})).waitingClaims === count);
  expect((await call("task.claim", { queue: name })).tasks).toEqual([]);
};

interface Child {
  readonly name?: string;
  readonly priority?: number;
  readonly payload?: { readonly n: number };
}

/** A claimed task, and others that wait for it. */
async function family(name: string, children: readonly Child[]) {
  const { tasks } = await call("workflow.create", {
    queue: name,
    tasks: [{ key: "parent" }, ...children.map((child, at) => ({ key: `${at}`, dependsOn: ["parent"], ...child }))],
  });
  const ids = tasks as Record<string, string>;
  const [parent] = (await call("task.claim", { queue: name, leaseSeconds: 600 })).tasks;
  const complete = () => rpc(url(), "task.complete", { receipt: parent!.receipt, result: "of the parent" });
  return { parent: parent!, ids: children.map((_, at) => ids[`${at}`]!), complete };
}

/** Whether the transaction that completed one task gave another its lease. */
async function wasHanded(parent: string, child: string): Promise<boolean> {
  const { rows } = await the.client.query<{ same: boolean }>(
    "select p.xmin = l.xmin as same from task p join task_lease l on l.id = $2 where p.id = $1",
    [parent, child],
  );
  return rows[0]!.same;
}

test("goes to the claim in the transaction that completes the dependency, with its result", async () => {
  let handed = 0;
  for (let time = 0; time < 20; time++) {
    const name = queue();
    const { parent, ids, complete } = await family(name, [{ payload: { n: time } }]);
    const claim = wait(name, { worker: "w", leaseSeconds: 99 });
    await settled(name, 1);
    await complete();
    const [task] = await claim;
    expect(task).toMatchObject({ id: ids[0]!, inputs: { parent: "of the parent" }, payload: { n: time }, attempt: 1 });
    expect(await call("task.get", { id: ids[0]! })).toMatchObject({ state: "claimed", worker: "w", attempts: 1 });
    if (await wasHanded(parent.id, ids[0]!)) handed++;
    expect(await call("task.complete", { receipt: task!.receipt })).toMatchObject({ state: "completed" });
  }
  // Not all: the claim may just be looking for itself, as it does once a second, and then finds the task.
  expect(handed).toBeGreaterThan(10);
});

test("several claims share what comes, in the order in which tasks leave", async () => {
  const name = queue();
  const { ids, complete } = await family(name, [{}, { priority: 9 }, { priority: 1 }, {}]);
  const [first, second] = [wait(name, { limit: 2 }), wait(name, { limit: 1 })];
  await settled(name, 2);
  await complete();
  expect((await first).map(({ id }) => id)).toEqual([ids[2]!, ids[0]!]);
  expect((await second).map(({ id }) => id)).toEqual([ids[3]!]);
  expect((await call("task.get", { id: ids[1]! })).state).toBe("pending");
});

test("claims by name get only what they asked for", async () => {
  const name = queue();
  const { ids, complete } = await family(name, [{ name: "a" }, { name: "b" }, {}]);
  const claim = wait(name, { names: ["b", "c"], limit: 5 });
  await settled(name, 1);
  // It took nothing else, and neither did the look of nobody in particular.
  await complete();
  expect((await claim).map(({ id }) => id)).toEqual([ids[1]!]);
  expect((await call("task.claim", { queue: name, limit: 5 })).tasks.map(({ id }) => id)).toEqual([ids[0]!, ids[2]!]);
});

test("a paused queue hands out none", async () => {
  const name = queue();
  const { ids, complete } = await family(name, [{}]);
  const claim = wait(name);
  await settled(name, 1);
  await call("queue.pause", { name });
  await complete();
  expect((await call("task.get", { id: ids[0]! })).state).toBe("pending");
  await call("queue.resume", { name });
  expect((await claim).map(({ id }) => id)).toEqual([ids[0]!]);
});

test("what is not due yet, or lies in another queue, goes its usual way", async () => {
  const [name, other] = [queue(), queue()];
  const { tasks } = await call("workflow.create", {
    queue: name,
    tasks: [
      { key: "parent" },
      { key: "later", dependsOn: ["parent"], delaySeconds: 3600 },
      { key: "elsewhere", dependsOn: ["parent"], queue: other },
    ],
  });
  const ids = tasks as Record<string, string>;
  const [parent] = (await call("task.claim", { queue: name })).tasks;
  const [here, there] = [wait(name, { waitSeconds: 3 }), wait(other)];
  await settled(name, 2);
  await call("task.complete", { receipt: parent!.receipt });
  expect((await there).map(({ id }) => id)).toEqual([ids.elsewhere!]);
  expect(await here).toEqual([]);
  expect((await call("task.get", { id: ids.later! })).state).toBe("pending");
});

test("a claim that is kept while nothing is freed goes on waiting", async () => {
  const name = queue();
  const { tasks } = await call("workflow.create", {
    queue: name,
    tasks: [{ key: "a" }, { key: "b" }, { key: "c", dependsOn: ["a", "b"] }],
  });
  const parents = (await call("task.claim", { queue: name, limit: 2 })).tasks;
  const claim = wait(name);
  await settled(name, 1);
  for (const { receipt } of parents) await call("task.complete", { receipt });
  expect((await claim).map(({ id }) => id)).toEqual([(tasks as Record<string, string>).c!]);
});

test("none of it left a task in two states or in none", async () => {
  expect((await call("admin.verify", {})).violations).toEqual([]);
});
