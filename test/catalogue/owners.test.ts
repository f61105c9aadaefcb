/** Lists and counts of one owner's tasks: what an owner asks by completed, priority, due date, label and words, in pages. */
import { beforeAll, describe, expect, test } from "bun:test";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { testService } from "../support/service.ts";

const service = testService();
const { call } = service;
type ListParams = Contract["task.list"]["params"];
type Task = Contract["task.get"]["result"];
const UNFINISHED = ["waiting", "pending", "claimed"] as const;

async function walked(params: ListParams): Promise<Task[]> {
  const found: Task[] = [];
  let cursor: string | undefined;
  do {
    const page = await call("task.list", { ...params, ...(cursor === undefined ? {} : { cursor }) });
    found.push(...page.tasks);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return found;
}
const names = async (params: ListParams) => (await walked(params)).map(({ name }) => name);
/** The names that a filter finds, in every order and page size the same, and the count with them. */
async function found(filter: Omit<ListParams, "sort" | "limit" | "cursor">): Promise<(string | null)[]> {
  const all = await names(filter);
  for (const limit of [1, 2, 3]) expect(await names({ ...filter, limit })).toEqual(all);
  expect(await names({ ...filter, sort: "added", limit: 2 })).toEqual(all.toReversed());
  expect(await call("task.count", filter)).toEqual({ count: all.length, exact: true });
  return all;
}

const ids: Record<string, string> = {};
beforeAll(async () => {
  await call("category.create", { name: "house" });
  await call("category.create", { name: "garden", parent: "house" });
  const tasks: Contract["task.enqueueMany"]["params"]["tasks"] = [
    { ownerId: "ann", name: "a1", priority: "high", dueAt: "2030-01-01T00:00:00Z" },
    { ownerId: "bob", name: "b1", priority: "high", tags: ["home"] },
    { ownerId: "ann", name: "a2", priority: "low", tags: ["home"], categories: ["garden"] },
    { ownerId: "ann", name: "a3", description: "Water the flowers", dueAt: "2030-03-01T00:00:00Z" },
    { ownerId: "bob", name: "b2", categories: ["house"], dueAt: "2030-02-01T00:00:00Z" },
    { ownerId: "ann", name: "a4", priority: "high", tags: ["home", "work"], categories: ["house"] },
    { ownerId: "ann", name: "a5", delaySeconds: 3600 },
    { ownerId: "Ann", name: "other" },
    { name: "nobody's" },
  ];
  const added = await call("task.enqueueMany", { queue: "q", tasks });
  for (const [at, { id }] of added.tasks.entries()) ids[tasks[at]!.name!] = id;
  const { tasks: claimed } = await call("task.claim", { queue: "q", names: ["a1", "a2", "a4"], limit: 3 });
  const receipts = Object.fromEntries(claimed.map(({ name, receipt }) => [name, receipt]));
  await call("task.complete", { receipt: receipts.a1! });
  await call("task.fail", { receipt: receipts.a2!, error: { message: "no" }, retry: false });
});

describe("an owner's tasks", () => {
  test("are all of them, the newest first, and nobody else's", async () => {
    expect(await found({ ownerId: "ann" })).toEqual(["a5", "a4", "a3", "a2", "a1"]);
    expect(await found({ ownerId: "bob" })).toEqual(["b2", "b1"]);
    // As it is written, case included.
    expect(await found({ ownerId: "Ann" })).toEqual(["other"]);
    expect(await found({ ownerId: "an" })).toEqual([]);
    expect(await found({ ownerId: "%" })).toEqual([]);
  });

  test("by how they stand", async () => {
    expect(await found({ ownerId: "ann", states: ["completed"] })).toEqual(["a1"]);
    expect(await found({ ownerId: "ann", states: ["failed"] })).toEqual(["a2"]);
    expect(await found({ ownerId: "ann", states: ["claimed"] })).toEqual(["a4"]);
    expect(await found({ ownerId: "ann", states: ["pending"] })).toEqual(["a5", "a3"]);
    expect(await found({ ownerId: "ann", states: [...UNFINISHED] })).toEqual(["a5", "a4", "a3"]);
    expect(await found({ ownerId: "ann", states: ["completed", "failed"] })).toEqual(["a2", "a1"]);
    expect(await found({ ownerId: "ann", states: ["completed", "claimed"] })).toEqual(["a4", "a1"]);
    expect(await found({ ownerId: "ann", states: ["cancelled"] })).toEqual([]);
  });

  test("by priority, tag, category, due date, words, and several of them", async () => {
    expect(await found({ ownerId: "ann", priority: "high" })).toEqual(["a4", "a1"]);
    expect(await found({ ownerId: "ann", priority: 2, states: ["completed"] })).toEqual(["a1"]);
    expect(await found({ ownerId: "ann", tags: ["HOME"] })).toEqual(["a4", "a2"]);
    expect(await found({ ownerId: "ann", category: "house" })).toEqual(["a4", "a2"]);
    expect(await found({ ownerId: "ann", category: "garden" })).toEqual(["a2"]);
    expect(await found({ ownerId: "ann", dueFrom: "2030-01-01T00:00:00Z" })).toEqual(["a3", "a1"]);
    expect(await found({ ownerId: "ann", dueTo: "2030-03-01T00:00:00Z" })).toEqual(["a1"]);
    expect(await found({ ownerId: "ann", text: "flower" })).toEqual(["a3"]);
    expect(await found({ ownerId: "ann", tags: ["home"], category: "house", priority: "low" })).toEqual(["a2"]);
    expect(await found({ ownerId: "ann", queue: "q", names: ["a1", "b1"] })).toEqual(["a1"]);
  });

  test("of one owner or another, and the rest by AND", async () => {
    expect(await found({ anyOf: [{ ownerId: "ann" }, { ownerId: "bob" }], priority: "high" })).toEqual([
      "a4",
      "b1",
      "a1",
    ]);
    expect(await found({ ownerId: "ann", anyOf: [{ tags: ["work"] }, { dueTo: "2030-02-01T00:00:00Z" }] })).toEqual([
      "a4",
      "a1",
    ]);
    // Two owners at once are nobody.
    expect(await found({ ownerId: "ann", anyOf: [{ ownerId: "bob" }] })).toEqual([]);
  });

  test("by due date and by priority; those without the date come last", async () => {
    const owned = { ownerId: "ann" };
    for (const limit of [1, 2, 100]) {
      expect(await names({ ...owned, sort: "dueAt", limit })).toEqual(["a1", "a3", "a2", "a4", "a5"]);
      expect(await names({ ...owned, sort: "priority", limit })).toEqual(["a1", "a4", "a3", "a5", "a2"]);
      expect(await names({ ...owned, sort: "finished", limit })).toEqual(["a1", "a2", "a3", "a4", "a5"]);
      expect(await names({ ...owned, sort: "-finished", limit })).toEqual(["a2", "a1", "a5", "a4", "a3"]);
    }
  });
});

describe("who owns a task", () => {
  test("changes hands, and is taken away", async () => {
    const { id } = await call("task.enqueue", { queue: "hands", name: "handed" });
    expect((await call("task.update", { id, ownerId: "cat" })).ownerId).toBe("cat");
    expect(await found({ ownerId: "cat" })).toEqual(["handed"]);
    await call("task.update", { id, ownerId: "dog" });
    expect(await found({ ownerId: "cat" })).toEqual([]);
    expect(await found({ ownerId: "dog" })).toEqual(["handed"]);
    expect((await call("task.update", { id, ownerId: null })).ownerId).toBeNull();
    expect(await found({ ownerId: "dog" })).toEqual([]);
  });

  test("sees how each task ends, at once", async () => {
    const owned = (states: ListParams["states"]) => found({ ownerId: "eve", ...(states ? { states } : {}) });
    const end: Record<string, (task: { id: string; receipt: string }) => Promise<unknown>> = {
      completed: ({ receipt }) => call("task.complete", { receipt }),
      failed: ({ receipt }) => call("task.fail", { receipt, error: { message: "no" }, retry: false }),
      cancelled: ({ id }) => call("task.cancel", { id }),
    };
    for (const [state, how] of Object.entries(end)) {
      const { id } = await call("task.enqueue", { queue: "ends", ownerId: "eve", name: state });
      const { tasks } = await call("task.claim", { queue: "ends" });
      await how(tasks[0]!);
      expect(await owned([state as "completed"])).toEqual([state]);
      await call("task.retry", { id });
      expect(await owned([state as "completed"])).toEqual([]);
      expect(await owned(["pending"])).toEqual([state]);
      await call("task.cancel", { id });
      await call("task.delete", { id });
      expect(await owned(undefined)).toEqual([]);
    }
    expect(await found({ ownerId: "eve", deleted: true })).toEqual(["cancelled", "failed", "completed"]);
  });

  test("sees dependents end with what they waited for", async () => {
    const { id } = await call("task.enqueue", { queue: "deps", ownerId: "fay", name: "first" });
    const waits = { ownerId: "fay", dependsOn: [id] };
    await call("task.enqueueMany", {
      queue: "deps",
      tasks: [
        { ...waits, name: "cancelled with it" },
        { ...waits, name: "failed with it", onDependencyFailure: "fail" },
        { ...waits, name: "run anyway", onDependencyFailure: "run" },
      ],
    });
    expect(await found({ ownerId: "fay", states: ["waiting"] })).toHaveLength(3);
    await call("task.cancel", { id });
    expect(await found({ ownerId: "fay", states: ["cancelled"] })).toEqual(["cancelled with it", "first"]);
    expect(await found({ ownerId: "fay", states: ["failed"] })).toEqual(["failed with it"]);
    expect(await found({ ownerId: "fay", states: ["pending"] })).toEqual(["run anyway"]);
  });
});
