/**
 * Walks seed 000: a Task with id, state, name, added, finished and payload, all with defaults, and a session that adds one
 * and commits. There it fails, since init_db had made no table. Here init_db is the migrations, which the service applies
 * before it listens; session, add and commit are the one call task.enqueue; Task's fields keep their names.
 */
import { expect, test } from "bun:test";
import type { Contract } from "../../src/rpc/methods/index.ts";
import type { Service } from "../../src/serve.ts";
import { emptyDatabase, withClient } from "../support/postgres.ts";
import { refusal, rpc, startInstance } from "../support/service.ts";

const database = emptyDatabase();
const services: Service[] = [];
database.atEnd(() => Promise.all(services.map((service) => service.stop())));

const call = <M extends keyof Contract>(method: M, params: Contract[M]["params"]) =>
  rpc(services[0]!.url, method, params);
const tableOfTasks = () =>
  withClient(database.url, async (client) => (await client.query("select to_regclass('task') as name")).rows[0].name);

test("migrations make the table before anything touches it", async () => {
  expect(await tableOfTasks()).toBeNull();
  services.push(...(await Promise.all([startInstance(database.url), startInstance(database.url)])));
  expect(await tableOfTasks()).toBe("task");
  // The very first thing that is done to either.
  const added = await Promise.all(services.map(({ url }) => rpc(url, "task.enqueue", { queue: "q", name: "test" })));
  for (const { id } of added) expect(await call("task.get", { id })).toMatchObject({ name: "test", state: "pending" });
});

test("Task(): every field has its default", async () => {
  const before = Date.now();
  const { id } = await call("task.enqueue", { queue: "defaults" });
  const task = await call("task.get", { id });
  expect(task).toEqual({
    id,
    queue: "defaults",
    project: "default",
    state: "pending",
    name: null,
    payload: {},
    priority: 5,
    runAt: task.runAt,
    added: task.added,
    updated: task.updated,
    finished: null,
    attempts: 0,
    maxAttempts: 5,
    errors: [],
    result: null,
    progress: null,
    dedupeKey: null,
    description: null,
    dueAt: null,
    ownerId: null,
    tags: [],
    categories: [],
    dependsOn: [],
    worker: null,
    leaseExpiresAt: null,
    deletedAt: null,
  });
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  // Clocks of this process and of the database on one machine.
  for (const time of [task.added, task.runAt, task.updated])
    expect(Math.abs(Date.parse(time) - before)).toBeLessThan(10_000);
});

test("each Task has a payload of its own, not one default that all share", async () => {
  const { tasks } = await call("task.enqueueMany", { queue: "own", tasks: [{}, { payload: { n: 1 } }, {}] });
  const found = await Promise.all(tasks.map(({ id }) => call("task.get", { id })));
  expect(found.map(({ payload }) => payload)).toEqual([{}, { n: 1 }, {}]);
  expect(new Set(tasks.map(({ id }) => id)).size).toBe(3);
});

test("the states, in their order: pending, claimed, completed", async () => {
  const { id } = await call("task.enqueue", { queue: "states", name: "test" });
  const state = async () => (await call("task.get", { id })).state;
  expect(await state()).toBe("pending");
  const { tasks } = await call("task.claim", { queue: "states" });
  expect(tasks).toMatchObject([{ id, name: "test", payload: {} }]);
  expect(await state()).toBe("claimed");
  expect((await call("task.get", { id })).finished).toBeNull();
  await call("task.complete", { receipt: tasks[0]!.receipt });
  const done = await call("task.get", { id });
  expect(done.state).toBe("completed");
  expect(Date.parse(done.finished!)).toBeGreaterThanOrEqual(Date.parse(done.added));
});

test("TaskStates is a closed set", async () => {
  const asked = call("task.list", { states: ["done" as "completed"] });
  expect(await refusal(asked)).toMatchObject({ type: "invalid_params", issues: [{ path: "states[0]" }] });
});
