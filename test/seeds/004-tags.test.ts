/**
 * Walks seed 004: Task with indexes for what an owner asks, Tag that is there once per owner and completes as one types, the
 * junction between them with its cascades, the trigger that keeps updated_at, and the examples: create with tags, filter,
 * autocomplete, one list with related rows, validators, soft delete. `title` is name, `completed` is the state completed,
 * updated_at is updated, user_id is ownerId (users come with sign-in). A tag is unique per project, where the seed's is per
 * user; TaskTag is task_tag; tag_ids are names, since a tag is known by its name.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { tagsByName } from "../../src/domain/tag/queries.ts";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { planOf } from "../support/plans.ts";
import { withClient } from "../support/postgres.ts";
import { refusal, testService } from "../support/service.ts";

const service = testService();
type Task = Contract["task.get"]["result"];
const names = ({ tasks }: { tasks: Task[] }) => tasks.map(({ name }) => name);
const query = async <R extends object>(text: string, values: unknown[] = []) =>
  await withClient(service.databaseUrl, async (client) => (await client.query<R>(text, values)).rows);

describe("Tag", () => {
  test("a name is there once, in whatever case it is written", async () => {
    expect(await service.call("tag.create", { name: "Work" })).toEqual({ name: "Work", colour: null, used: 0 });
    for (const name of ["Work", "work", "WORK"])
      expect(await refusal(service.call("tag.create", { name }))).toEqual({ type: "conflict", field: "name" });
    await service.call("project.create", { name: "elsewhere" });
    expect((await service.call("tag.create", { project: "elsewhere", name: "work" })).name).toBe("work");
  });

  test("the database alone would refuse it too", async () => {
    const add = query("insert into tag (project_id, name, key) values (1, 'WORK', 'work')");
    expect(await add.catch(({ constraint }) => constraint)).toBe("tag_key");
  });

  test("1 to 50 characters, not blank", async () => {
    for (const name of ["", " ", "\t\n", "x".repeat(51)])
      expect((await refusal(service.call("tag.create", { name }))).issues).toMatchObject([{ path: "name" }]);
    expect((await service.call("tag.create", { name: "x".repeat(50) })).used).toBe(0);
  });

  test("autocomplete: what begins so, the most used first, by an index", async () => {
    await service.call("task.enqueueMany", {
      queue: "typed",
      tasks: [{ tags: ["report", "Research"] }, { tags: ["research"] }, { tags: ["rest", "pre-research"] }],
    });
    const suggest = async (prefix: string, limit?: number) =>
      (await service.call("tag.suggest", { prefix, ...(limit ? { limit } : {}) })).tags;
    expect(await suggest("re")).toEqual(["Research", "report", "rest"]);
    expect(await suggest("RE", 2)).toEqual(["Research", "report"]);
    expect(await suggest("res")).toEqual(["Research", "rest"]);
    expect(await suggest("search")).toEqual([]);
    await withClient(service.databaseUrl, async (client) => {
      await client.query("set enable_seqscan = off");
      const nodes = await planOf(client, tagsByName(1, "re", null, 10));
      const index = nodes.find((node) => node["Index Name"] === "tag_key");
      expect(index?.["Index Cond"]).toMatch(/key >= 're'.*key < 're/);
    });
  });
});

describe("Task", () => {
  test("the composite indexes for what an owner asks", async () => {
    const found = await query<{ definition: string }>(
      "select indexdef as definition from pg_indexes where schemaname = 'public' and tablename in ('task_catalogue', 'task_tag')",
    );
    const columns = found.map(({ definition }) => /\((.*?)\)( WHERE|$)/.exec(definition)?.[1]);
    for (const wanted of [
      "project_id, owner_id, id",
      "project_id, owner_id, outcome, id",
      "project_id, owner_id, priority, id",
      "project_id, name, id",
      "words",
      "task_id, queue_id, tag_id",
      "tag_id, hidden, task_id",
    ])
      expect(columns).toContain(wanted);
  });

  test("title_must_not_be_empty, priority_must_be_valid", async () => {
    for (const name of ["", " ", "\n\t\u00a0"])
      expect((await refusal(service.call("task.enqueue", { queue: "q", name }))).issues).toEqual([
        { path: "name", message: "must not be blank" },
      ]);
    const { id } = await service.call("task.enqueue", { queue: "q", name: "x" });
    expect((await refusal(service.call("task.update", { id, name: "  " }))).issues).toMatchObject([{ path: "name" }]);
    for (const priority of ["urgent", -1, 10, 2.5])
      expect(
        (await refusal(service.call("task.enqueue", { queue: "q", priority: priority as number }))).issues,
      ).toMatchObject([{ path: "priority" }]);
  });

  test("create_task_with_tags: the task and its links in one call, or nothing", async () => {
    const { id } = await service.call("task.enqueue", {
      queue: "created",
      ownerId: "user_123abc",
      name: "Complete project documentation",
      description: "Write comprehensive docs for the API",
      priority: "high",
      tags: ["Docs", "work", "docs"],
    });
    // New tags are made, known ones found; each once, as it was spelt first, in the order given.
    expect((await service.call("task.get", { id })).tags).toEqual(["Docs", "Work"]);
    const refused = service.call("task.enqueueMany", {
      queue: "created",
      tasks: [{ tags: ["nowhere"] }, { categories: ["unknown"] }],
    });
    expect(await refusal(refused)).toEqual({ type: "not_found", noun: "category", id: "unknown" });
    expect((await service.call("task.count", { queue: "created" })).count).toBe(1);
    expect((await service.call("tag.list", { prefix: "nowhere" })).tags.map(({ used }) => used)).not.toContain(1);
  });
});

describe("the junction", () => {
  const used = async (name: string) => (await service.call("tag.list", { prefix: name })).tags.map((tag) => tag.used);

  test("a deleted tag is taken off its tasks, which stay", async () => {
    const { id } = await service.call("task.enqueue", { queue: "cascade", tags: ["going", "staying"] });
    await service.call("tag.delete", { name: "GOING" });
    expect((await service.call("task.get", { id })).tags).toEqual(["staying"]);
    expect(await query("select 1 from task_tag where task_id = $1", [id])).toHaveLength(1);
  });

  test("a removed task takes its links along, the tags stay", async () => {
    const { id } = await service.call("task.enqueue", { queue: "removed", tags: ["lasting"] });
    expect(await used("lasting")).toEqual([1]);
    await service.call("queue.purge", { name: "removed" });
    expect((await refusal(service.call("task.get", { id }))).type).toBe("not_found");
    expect(await query("select 1 from task_tag where task_id = $1", [id])).toEqual([]);
    expect(await used("lasting")).toEqual([0]);
  });
});

describe("the trigger that keeps `updated`", () => {
  test.each([
    ["project", "description = 'x' where name = 'elsewhere'"],
    ["tag", "colour = '#000000' where key = 'work'"],
    ["category", "colour = '#000000' where name = 'clocked'"],
  ])("of %s, whoever writes", async (table, change) => {
    if (table === "category") await service.call("category.create", { name: "clocked" });
    const where = change.slice(change.indexOf("where"));
    const read = () => query<{ added: Date; updated: Date }>(`select added, updated from ${table} ${where}`);
    const [before] = await read();
    await query(`update ${table} set ${change}`);
    const [after] = await read();
    expect(after!.updated.getTime()).toBeGreaterThan(before!.updated.getTime());
    expect(after!.added).toEqual(before!.added);
  });

  test("counting a tag's tasks is no change of the tag", async () => {
    const read = () => query("select updated from tag where key = 'work'");
    const before = await read();
    await query("update tag set used = used where key = 'work'");
    expect(await read()).toEqual(before);
  });
});

describe("get_filtered_tasks", () => {
  beforeAll(async () => {
    await service.call("task.enqueueMany", {
      queue: "filtered",
      tasks: [
        { ownerId: "ann", name: "Pay the rent", priority: "high", tags: ["home", "money"] },
        { ownerId: "ann", name: "Write the report", description: "for the bank", priority: "high", tags: ["money"] },
        { ownerId: "ann", name: "Water the plants", priority: "low", tags: ["home"] },
        { ownerId: "ann", name: "Call home", priority: "medium" },
        { ownerId: "bob", name: "Rent a car", priority: "high", tags: ["money"] },
      ],
    });
    const { tasks } = await service.call("task.claim", { queue: "filtered", names: ["Pay the rent"] });
    await service.call("task.complete", { receipt: tasks[0]!.receipt });
  });
  const get = async (filter: Contract["task.list"]["params"]) =>
    names(await service.call("task.list", { ownerId: "ann", ...filter }));

  test("of one owner, the newest first", async () => {
    expect(await get({})).toEqual(["Call home", "Water the plants", "Write the report", "Pay the rent"]);
  });

  test("by completed", async () => {
    expect(await get({ states: ["completed"] })).toEqual(["Pay the rent"]);
    expect(await get({ states: ["waiting", "pending", "claimed"] })).toHaveLength(3);
  });

  test("by priority", async () => {
    expect(await get({ priority: "high" })).toEqual(["Write the report", "Pay the rent"]);
  });

  test("by tags: one, all of several, one of several", async () => {
    expect(await get({ tags: ["Home"] })).toEqual(["Water the plants", "Pay the rent"]);
    expect(await get({ tags: ["home", "money"] })).toEqual(["Pay the rent"]);
    expect(await get({ anyOf: [{ tags: ["home"] }, { tags: ["money"] }] })).toEqual([
      "Water the plants",
      "Write the report",
      "Pay the rent",
    ]);
  });

  test("by words of title and description", async () => {
    expect(await get({ text: "rent" })).toEqual(["Pay the rent"]);
    expect(await get({ text: "banks" })).toEqual(["Write the report"]);
  });

  test("by all of it together", async () => {
    const rest: Contract["task.list"]["params"] = { priority: "high", tags: ["money"], text: "report" };
    expect(await get({ ...rest, states: ["pending"] })).toEqual(["Write the report"]);
    expect(await get({ ...rest, states: ["completed"] })).toEqual([]);
  });

  test("get_task_with_tags: every row of a list brings its tags", async () => {
    const { tasks } = await service.call("task.list", { ownerId: "ann", sort: "added" });
    expect(tasks.map(({ tags }) => tags)).toEqual([["home", "money"], ["money"], ["home"], []]);
  });
});

describe("soft delete", () => {
  test("a deleted task is out of lists and counts, still there by its id, and comes back", async () => {
    const { id } = await service.call("task.enqueue", { queue: "soft", name: "soft", ownerId: "eve", tags: ["soft"] });
    const { deletedAt } = await service.call("task.delete", { id });
    expect(deletedAt).not.toBeNull();
    expect(names(await service.call("task.list", { ownerId: "eve" }))).toEqual([]);
    expect(names(await service.call("task.list", { tags: ["soft"] }))).toEqual([]);
    expect(names(await service.call("task.list", { ownerId: "eve", deleted: true }))).toEqual(["soft"]);
    expect(await service.call("task.get", { id })).toMatchObject({ deletedAt, tags: ["soft"] });
    expect((await service.call("tag.list", { prefix: "soft" })).tags).toEqual([
      { name: "soft", colour: null, used: 0 },
    ]);
    // Again answers the same, and moves nothing.
    expect(await service.call("task.delete", { id })).toEqual({ id, deletedAt });
    expect(await service.call("task.restore", { id })).toEqual({ id, deletedAt: null });
    expect((await service.call("task.list", { ownerId: "eve" })).tasks).toMatchObject([{ id, state: "pending" }]);
    expect((await service.call("tag.list", { prefix: "soft" })).tags).toMatchObject([{ used: 1 }]);
  });
});
