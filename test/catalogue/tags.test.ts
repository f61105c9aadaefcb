/**
 * tag.create, list, rename, delete, suggest; and that `used` counts the tasks that have a tag and are not deleted, whatever
 * is done to them: a service counts as it goes, so counts are exact as soon as a call is answered.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { withClient } from "../support/postgres.ts";
import { refusal, testService } from "../support/service.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(30_000);
const service = testService();
const notFound = (id: string) => ({ type: "not_found", noun: "tag", id }) as const;
const conflict = (field: string) => ({ type: "conflict", field }) as const;
type ListParams = Contract["tag.list"]["params"];

let projects = 0;
/** A project of this test's own: its tags are there alone. */
async function newProject(): Promise<string> {
  const name = `p${++projects}`;
  await service.call("project.create", { name });
  return name;
}
async function listed(params: ListParams): Promise<Contract["tag.list"]["result"]["tags"]> {
  const found = [];
  let cursor: string | undefined;
  do {
    const page = await service.call("tag.list", { ...params, ...(cursor === undefined ? {} : { cursor }) });
    found.push(...page.tags);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return found;
}
const names = async (params: ListParams) => (await listed(params)).map(({ name }) => name);
/** How many tasks each tag of a project counts. */
const used = async (project: string) =>
  Object.fromEntries((await listed({ project })).map((tag) => [tag.name, tag.used]));

describe("create", () => {
  test("answers the tag, and keeps the name as it was written", async () => {
    const project = await newProject();
    expect(await service.call("tag.create", { project, name: "Grün!", colour: "#00Ff00" })).toEqual({
      name: "Grün!",
      colour: "#00Ff00",
      used: 0,
    });
    expect(await listed({ project })).toEqual([{ name: "Grün!", colour: "#00Ff00", used: 0 }]);
  });

  test("a name is there once per project, without regard to case and to how it is composed", async () => {
    const [project, other] = [await newProject(), await newProject()];
    await service.call("tag.create", { project, name: "Café" });
    for (const name of ["Café", "café", "CAFÉ", "Cafe\u0301", "CAFE\u0301"])
      expect(await refusal(service.call("tag.create", { project, name }))).toEqual(conflict("name"));
    expect((await service.call("tag.create", { project, name: "Cafe" })).name).toBe("Cafe");
    expect((await service.call("tag.create", { project: other, name: "café" })).name).toBe("café");
  });

  test("of many that create one name at once, one does", async () => {
    const project = await newProject();
    const answers = await Promise.allSettled(
      ["x", "X", "x", "X", "x", "X"].map((name) => service.call("tag.create", { project, name })),
    );
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const answer of answers)
      if (answer.status === "rejected") expect(answer.reason.data).toEqual(conflict("name"));
  });

  test("tasks that bring the same new tags at once, in any order, share them", async () => {
    const project = await newProject();
    const tags = ["a", "b", "c", "d", "e"];
    await Promise.all(
      Array.from({ length: 24 }, (_, n) =>
        service.call("task.enqueue", {
          project,
          queue: `q${n % 3}`,
          tags: n % 2 === 0 ? tags : tags.toReversed().map((tag) => tag.toUpperCase()),
        }),
      ),
    );
    const found = await listed({ project });
    expect(found.map((tag) => [tag.name.toLowerCase(), tag.used])).toEqual(tags.map((tag) => [tag, 24]));
  });
});

describe("list", () => {
  test("by name, without regard to case, in pages of any size", async () => {
    const project = await newProject();
    const all = ["alpha", "Beta", "gamma", "Gamma ray", "éclair", "50%", "_x"];
    for (const name of all) await service.call("tag.create", { project, name });
    const sorted = ["50%", "_x", "alpha", "Beta", "gamma", "Gamma ray", "éclair"];
    for (const limit of [1, 2, 3, 7, 8]) expect(await names({ project, limit })).toEqual(sorted);
    expect(await names({ project, prefix: "GA", limit: 1 })).toEqual(["gamma", "Gamma ray"]);
    expect(await names({ project, prefix: "" })).toEqual(sorted);
    expect(await names({ project, prefix: "É" })).toEqual(["éclair"]);
    expect(await names({ project, prefix: "e\u0301" })).toEqual(["éclair"]);
    expect(await names({ project, prefix: "zzz" })).toEqual([]);
  });

  test("the most used first, those that are used alike by name, in pages", async () => {
    const project = await newProject();
    await service.call("task.enqueueMany", {
      project,
      queue: "q",
      tasks: [{ tags: ["b", "c", "a2"] }, { tags: ["b", "c"] }, { tags: ["c", "a1"] }],
    });
    await service.call("tag.create", { project, name: "a0" });
    for (const limit of [1, 2, 5, 6])
      expect(await names({ project, sort: "-used", limit })).toEqual(["c", "b", "a1", "a2", "a0"]);
    expect(await names({ project, sort: "-used", prefix: "A" })).toEqual(["a1", "a2", "a0"]);
    expect((await service.call("tag.suggest", { project, prefix: "a", limit: 2 })).tags).toEqual(["a1", "a2"]);
    // The same before upkeep has folded the counts and after.
    await until("the counts are folded", () =>
      withClient(service.databaseUrl, async (client) => (await client.query("select from tag_delta")).rowCount === 0),
    );
    expect(await names({ project, sort: "-used", limit: 2 })).toEqual(["c", "b", "a1", "a2", "a0"]);
    expect((await listed({ project, sort: "-used" })).map((tag) => tag.used)).toEqual([3, 2, 1, 1, 0]);
  });

  test("suggest gives ten unless told, and the whole project's for an empty prefix", async () => {
    const project = await newProject();
    for (let n = 10; n < 22; n++) await service.call("tag.create", { project, name: `t${n}` });
    const suggest = async (prefix: string, limit?: number) =>
      (await service.call("tag.suggest", { project, prefix, ...(limit === undefined ? {} : { limit }) })).tags;
    expect(await suggest("t")).toEqual(Array.from({ length: 10 }, (_, n) => `t${n + 10}`));
    expect(await suggest("", 50)).toHaveLength(12);
    expect(await suggest("t2", 50)).toEqual(["t20", "t21"]);
  });
});

describe("rename", () => {
  test("shows at once in task.get, task.list and task.claim; used stays", async () => {
    const project = await newProject();
    const { id } = await service.call("task.enqueue", { project, queue: "q", tags: ["before", "second"] });
    expect(await service.call("tag.rename", { project, name: "BEFORE", newName: "After" })).toEqual({
      name: "After",
      colour: null,
      used: 1,
    });
    const tags = ["After", "second"];
    expect((await service.call("task.get", { project, id })).tags).toEqual(tags);
    expect((await service.call("task.list", { project, tags: ["after"] })).tasks).toMatchObject([{ id, tags }]);
    expect((await service.call("task.list", { project, tags: ["before"] })).tasks).toEqual([]);
    expect((await service.call("task.claim", { project, queue: "q" })).tasks).toMatchObject([{ id, tags }]);
  });

  test("may change the case alone; another tag's name is a conflict, an unknown tag not found", async () => {
    const project = await newProject();
    await service.call("tag.create", { project, name: "work", colour: "#111111" });
    await service.call("tag.create", { project, name: "home" });
    expect(await service.call("tag.rename", { project, name: "work", newName: "WORK" })).toEqual({
      name: "WORK",
      colour: "#111111",
      used: 0,
    });
    expect(await refusal(service.call("tag.rename", { project, name: "work", newName: "Home" }))).toEqual(
      conflict("newName"),
    );
    expect(await refusal(service.call("tag.rename", { project, name: "none", newName: "x" }))).toEqual(
      notFound("none"),
    );
    expect(await names({ project })).toEqual(["home", "WORK"]);
  });

  test("of two tags that take one name at once, one gets it; a tag deleted meanwhile is not found", async () => {
    const project = await newProject();
    for (let round = 0; round < 20; round++) {
      const [one, other, wanted] = [`one${round}`, `other${round}`, `wanted${round}`];
      for (const name of [one, other]) await service.call("tag.create", { project, name });
      const answers = await Promise.allSettled([
        service.call("tag.rename", { project, name: one, newName: wanted }),
        service.call("tag.rename", { project, name: other, newName: wanted }),
        service.call("tag.delete", { project, name: one }),
      ]);
      const refused = answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason.data] : []));
      for (const data of refused) expect([conflict("newName"), notFound(one)]).toContainEqual(data);
    }
  });
});

describe("delete", () => {
  test("takes the tag off its tasks, in every state", async () => {
    const project = await newProject();
    const tags = ["gone", "kept"];
    const { tasks } = await service.call("task.enqueueMany", {
      project,
      queue: "q",
      tasks: [{ tags }, { tags }, { tags }],
    });
    const claimed = await service.call("task.claim", { project, queue: "q", limit: 2 });
    await service.call("task.complete", { project, receipt: claimed.tasks[0]!.receipt });
    expect(await service.call("tag.delete", { project, name: "GONE" })).toEqual({ name: "gone" });
    for (const { id } of tasks) expect((await service.call("task.get", { project, id })).tags).toEqual(["kept"]);
    expect(await used(project)).toEqual({ kept: 3 });
    expect((await service.call("task.count", { project, tags: ["gone"] })).count).toBe(0);
    expect(await refusal(service.call("tag.delete", { project, name: "gone" }))).toEqual(notFound("gone"));
    // A task may bring it back, with nothing of the old one.
    await service.call("task.enqueue", { project, queue: "q", tags: ["Gone"] });
    expect(await used(project)).toEqual({ Gone: 1, kept: 3 });
  });

  test("against tasks that bring the tag: each task has it, or none is counted", async () => {
    const project = await newProject();
    for (let round = 0; round < 15; round++) {
      const [added] = await Promise.all([
        Promise.all(
          Array.from({ length: 4 }, (_, n) =>
            service.call("task.enqueue", { project, queue: `q${n}`, tags: [`fought${round}`, "calm"] }),
          ),
        ),
        service.call("tag.delete", { project, name: `fought${round}` }).catch(({ data }) => data),
      ]);
      const having = await Promise.all(added.map(({ id }) => service.call("task.get", { project, id })));
      const counted = (await used(project))[`fought${round}`] ?? 0;
      expect(having.filter(({ tags }) => tags.includes(`fought${round}`))).toHaveLength(counted);
    }
    expect((await used(project)).calm).toBe(60);
  });
});

describe("used stays true through", () => {
  test("enqueue, enqueueMany, duplicates, and calls that are refused", async () => {
    const project = await newProject();
    const call = { project, queue: "q" };
    await service.call("task.enqueue", { ...call, tags: ["a", "A", "b"] });
    await service.call("task.enqueueMany", { ...call, tasks: [{ tags: ["a"] }, {}, { tags: ["b", "a"] }] });
    expect(await used(project)).toEqual({ a: 3, b: 2 });
    await service.call("task.enqueue", { ...call, tags: ["a"], dedupeKey: "k" });
    expect(await service.call("task.enqueue", { ...call, tags: ["a", "b"], dedupeKey: "k" })).toMatchObject({
      duplicate: true,
    });
    expect(await used(project)).toEqual({ a: 4, b: 2 });
    const both = [{ tags: ["a"] }, { categories: ["none"] }];
    expect((await refusal(service.call("task.enqueueMany", { ...call, tasks: both }))).type).toBe("not_found");
    expect(await used(project)).toEqual({ a: 4, b: 2 });
  });

  test("update: replaced, cleared, given again", async () => {
    const project = await newProject();
    const { id } = await service.call("task.enqueue", { project, queue: "q", tags: ["a", "b"] });
    await service.call("task.update", { project, id, tags: ["b", "c"] });
    expect(await used(project)).toEqual({ a: 0, b: 1, c: 1 });
    await service.call("task.update", { project, id, description: "tags not named, so they stay" });
    expect(await used(project)).toEqual({ a: 0, b: 1, c: 1 });
    await service.call("task.update", { project, id, tags: [] });
    expect(await used(project)).toEqual({ a: 0, b: 0, c: 0 });
    await service.call("task.update", { project, id, tags: ["a"] });
    expect(await used(project)).toEqual({ a: 1, b: 0, c: 0 });
  });

  test("the life of a task: only its deletion hides it", async () => {
    const project = await newProject();
    const { id } = await service.call("task.enqueue", { project, queue: "q", tags: ["a"] });
    const counts = async () => (await used(project)).a;
    const { tasks } = await service.call("task.claim", { project, queue: "q" });
    expect(await counts()).toBe(1);
    await service.call("task.complete", { project, receipt: tasks[0]!.receipt });
    expect(await counts()).toBe(1);
    await service.call("task.retry", { project, id });
    await service.call("task.cancel", { project, id });
    expect(await counts()).toBe(1);
    await service.call("task.delete", { project, id });
    expect(await counts()).toBe(0);
    await service.call("task.delete", { project, id });
    expect(await counts()).toBe(0);
    await service.call("task.restore", { project, id });
    expect(await counts()).toBe(1);
    await service.call("task.restore", { project, id });
    expect(await counts()).toBe(1);
  });

  test("delete and restore of a task in each state, its deletion cancelling it or not", async () => {
    const project = await newProject();
    const queue = "q";
    const task = { tags: ["a"] };
    const { tasks } = await service.call("task.enqueueMany", { project, queue, tasks: [task, task, task, task] });
    const [, , pending, cancelled] = tasks.map(({ id }) => id);
    const claimed = await service.call("task.claim", { project, queue, limit: 2 });
    const [held, done] = claimed.tasks;
    await service.call("task.complete", { project, receipt: done!.receipt });
    await service.call("task.cancel", { project, id: cancelled! });
    const waiting = await service.call("task.enqueue", { project, queue, dependsOn: [held!.id], tags: ["a"] });
    const all = [waiting.id, held!.id, done!.id, pending!, cancelled!];
    for (const [at, id] of all.entries()) {
      await service.call("task.delete", { project, id });
      expect(await used(project)).toEqual({ a: all.length - at - 1 });
    }
    for (const [at, id] of all.toReversed().entries()) {
      await service.call("task.restore", { project, id });
      expect(await used(project)).toEqual({ a: at + 1 });
    }
    expect((await service.call("admin.verify", {})).violations).toEqual([]);
  });

  test("a tag that is deleted and made again while a task is deleted", async () => {
    const project = await newProject();
    const { id } = await service.call("task.enqueue", { project, queue: "q", tags: ["a", "b"] });
    await service.call("task.delete", { project, id });
    await service.call("tag.delete", { project, name: "a" });
    await service.call("tag.create", { project, name: "a" });
    await service.call("task.restore", { project, id });
    expect(await used(project)).toEqual({ a: 0, b: 1 });
    expect((await service.call("task.get", { project, id })).tags).toEqual(["b"]);
  });

  test("queue.purge, of tasks shown and deleted", async () => {
    const project = await newProject();
    const task = { tags: ["a"] };
    const { tasks } = await service.call("task.enqueueMany", { project, queue: "q", tasks: [task, task, task, task] });
    await service.call("task.delete", { project, id: tasks[0]!.id });
    await service.call("task.cancel", { project, id: tasks[1]!.id });
    expect(await used(project)).toEqual({ a: 3 });
    expect(await service.call("queue.purge", { project, name: "q" })).toEqual({ purged: 2 });
    expect(await used(project)).toEqual({ a: 1 });
    expect(await service.call("queue.purge", { project, name: "q", states: ["cancelled"] })).toEqual({ purged: 2 });
    expect(await used(project)).toEqual({ a: 0 });
  });

  test("queue.delete, and a project's other queues keep theirs", async () => {
    const project = await newProject();
    for (const queue of ["q1", "q2"])
      await service.call("task.enqueueMany", { project, queue, tasks: [{ tags: ["a"] }, { tags: ["a", "b"] }] });
    await service.call("queue.delete", { project, name: "q1", force: true });
    expect(await used(project)).toEqual({ a: 2, b: 1 });
    await service.call("queue.delete", { project, name: "q2", force: true });
    expect(await used(project)).toEqual({ a: 0, b: 0 });
  });

  test("many changes at once", async () => {
    const project = await newProject();
    const { tasks } = await service.call("task.enqueueMany", {
      project,
      queue: "q",
      tasks: Array.from({ length: 30 }, () => ({ tags: ["a", "b"] })),
    });
    await Promise.all(
      tasks.flatMap(({ id }, n) => [
        service.call("task.update", { project, id, tags: n % 2 === 0 ? ["a"] : ["b", "c"] }),
        // Whether it meets the old tags or the new ones, they go.
        n % 3 === 0 ? service.call("task.cancel", { project, id }) : null,
      ]),
    );
    expect(await used(project)).toEqual({ a: 15, b: 15, c: 15 });
    await Promise.all(tasks.map(({ id }, n) => (n % 2 === 0 ? service.call("task.delete", { project, id }) : null)));
    expect(await used(project)).toEqual({ a: 0, b: 15, c: 15 });
  });
});

describe("requestId", () => {
  test("a repeat answers what the first answered, and does nothing", async () => {
    const project = await newProject();
    const twice = async <M extends keyof Contract>(method: M, params: Contract[M]["params"]) => {
      const first = await service.call(method, params);
      expect(await service.call(method, params)).toEqual(first);
    };
    await twice("tag.create", { project, name: "a", requestId: "1" });
    await twice("tag.rename", { project, name: "a", newName: "b", requestId: "2" });
    await twice("tag.delete", { project, name: "b", requestId: "3" });
    expect(await listed({ project })).toEqual([]);
    // The very first again, long after.
    expect(await service.call("tag.create", { project, name: "a", requestId: "1" })).toMatchObject({ name: "a" });
    expect(await listed({ project })).toEqual([]);
    const other = service.call("tag.create", { project, name: "c", requestId: "1" });
    expect(await refusal(other)).toEqual(conflict("requestId"));
  });

  test("a refused call may be repeated when its reason is gone", async () => {
    const project = await newProject();
    const create = () => service.call("tag.create", { project, name: "a", requestId: "again" });
    await service.call("tag.create", { project, name: "A" });
    expect(await refusal(create())).toEqual(conflict("name"));
    await service.call("tag.delete", { project, name: "a" });
    expect((await create()).name).toBe("a");
  });
});
