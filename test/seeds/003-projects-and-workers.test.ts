/**
 * Walks seed 003: base, create, update and read schemas; closed sets of status and priority; Project with its tasks, Worker
 * and Task many to many; where, or_, order_by, limit, get by id, related rows loaded at once; PostgreSQL URLs. `title` is
 * name, status in_progress is the state claimed, priority low, medium, high are 8, 5, 2, created_at is added. A task is in
 * a project by its queue; a worker and a task are linked by each attempt, so worker.tasks and task.attempts are the two
 * ends of TaskWorkerLink. `offset` is a cursor.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { parseDatabaseUrl } from "../../src/db/url.ts";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { refusal, testService } from "../support/service.ts";

const service = testService();
type Task = Contract["task.get"]["result"];
const names = ({ tasks }: { tasks: Task[] }) => tasks.map(({ name }) => name);

describe("schemas", () => {
  test("TaskCreate: what the table makes by itself is no parameter", async () => {
    for (const field of ["id", "state", "added", "updated", "finished", "attempts"]) {
      const given = { queue: "schemas", name: "x", [field]: "x" } as Contract["task.enqueue"]["params"];
      expect((await refusal(service.call("task.enqueue", given))).issues).toEqual([
        { path: field, message: "is not a parameter here" },
      ]);
    }
  });

  test("TaskUpdate: every field is optional, and those left out stay", async () => {
    const { id } = await service.call("task.enqueue", { queue: "schemas", name: "title", description: "text" });
    const before = await service.call("task.get", { id });
    const same = await service.call("task.update", { id });
    expect(same).toEqual({ ...before, updated: same.updated });
    expect(await service.call("task.update", { id, name: "other" })).toMatchObject({
      name: "other",
      description: "text",
    });
    // The state is moved by what happens to a task, not by writing it.
    const given = { id, state: "completed" } as Contract["task.update"]["params"];
    expect((await refusal(service.call("task.update", given))).issues).toEqual([
      { path: "state", message: "is not a parameter here" },
    ]);
  });

  test("TaskRead: what create, update, get and list show is one shape", async () => {
    const { id } = await service.call("task.enqueue", { queue: "schemas", name: "read" });
    const read = await service.call("task.get", { id });
    expect((await service.call("task.list", { names: ["read"] })).tasks).toEqual([read]);
    const { updated: _, ...rest } = await service.call("task.update", { id, name: "read" });
    expect(read).toMatchObject(rest);
  });

  test("status and priority are closed sets; medium is the default", async () => {
    const priorityOf = async (priority?: "low" | "medium" | "high") => {
      const { id } = await service.call("task.enqueue", { queue: "schemas", ...(priority ? { priority } : {}) });
      return (await service.call("task.get", { id })).priority;
    };
    expect(await Promise.all([priorityOf("low"), priorityOf("medium"), priorityOf("high"), priorityOf()])).toEqual([
      8, 5, 2, 5,
    ]);
    const urgent = { queue: "schemas", priority: "urgent" as "high" };
    expect((await refusal(service.call("task.enqueue", urgent))).issues).toMatchObject([{ path: "priority" }]);
    const asked = service.call("task.list", { states: ["in_progress" as "claimed"] });
    expect((await refusal(asked)).issues).toMatchObject([{ path: "states[0]" }]);
  });
});

describe("Project, one to many", () => {
  beforeAll(async () => {
    for (const name of ["apollo", "gemini"]) await service.call("project.create", { name });
    await service.call("task.enqueueMany", { project: "apollo", queue: "q", tasks: [{ name: "a1" }, { name: "a2" }] });
    await service.call("task.enqueue", { project: "gemini", queue: "q", name: "g1" });
  });

  test("project.tasks and task.project", async () => {
    const { tasks } = await service.call("task.list", { project: "apollo", sort: "added" });
    expect(tasks.map(({ name, project }) => [name, project])).toEqual([
      ["a1", "apollo"],
      ["a2", "apollo"],
    ]);
    expect(names(await service.call("task.list", { project: "gemini" }))).toEqual(["g1"]);
  });

  test("a task without a project is in the one that is always there", async () => {
    const { id } = await service.call("task.enqueue", { queue: "q", name: "none" });
    expect((await service.call("task.get", { id })).project).toBe("default");
  });

  test("another project's task answers as one that does not exist", async () => {
    const { tasks } = await service.call("task.list", { project: "gemini" });
    const { id } = tasks[0]!;
    expect(await refusal(service.call("task.get", { project: "apollo", id }))).toEqual({
      type: "not_found",
      noun: "task",
      id,
    });
    expect(await service.call("task.get", { project: "gemini", id })).toEqual(tasks[0]!);
  });
});

describe("Worker, many to many", () => {
  const queue = "shared";
  let tried: string[];

  beforeAll(async () => {
    const { tasks } = await service.call("task.enqueueMany", { queue, tasks: [{ name: "t1" }, { name: "t2" }] });
    tried = tasks.map(({ id }) => id);
    // w1 tries both, and fails at the second, which w2 completes.
    const first = await service.call("task.claim", { queue, worker: "w1", limit: 2 });
    await service.call("task.complete", { receipt: first.tasks[0]!.receipt });
    const error = { message: "no" };
    await service.call("task.fail", { receipt: first.tasks[1]!.receipt, error, delaySeconds: 0 });
    const second = await service.call("task.claim", { queue, worker: "w2", waitSeconds: 5 });
    await service.call("task.complete", { receipt: second.tasks[0]!.receipt });
  });

  test("worker.tasks", async () => {
    expect(names(await service.call("worker.tasks", { id: "w1" }))).toEqual(["t2", "t1"]);
    expect(names(await service.call("worker.tasks", { id: "w2" }))).toEqual(["t2"]);
  });

  test("task.workers", async () => {
    const workers = async (id: string) =>
      (await service.call("task.attempts", { id })).attempts.map(({ worker, outcome }) => [worker, outcome]);
    expect(await workers(tried[0]!)).toEqual([["w1", "completed"]]);
    expect(await workers(tried[1]!)).toEqual([
      ["w1", "failed"],
      ["w2", "completed"],
    ]);
  });
});

describe("queries", () => {
  const queue = "queries";

  beforeAll(async () => {
    await service.call("category.create", { name: "chores" });
    await service.call("task.enqueueMany", {
      queue,
      tasks: [
        { name: "one", priority: "high", tags: ["x", "y"], categories: ["chores"] },
        { name: "two", priority: "low" },
        { name: "three", priority: "high" },
        { name: "four", priority: "medium", tags: ["y"] },
        { name: "five", priority: "low" },
      ],
    });
    const { tasks } = await service.call("task.claim", { queue, names: ["two", "three"], limit: 2 });
    const { receipt } = tasks.find(({ name }) => name === "three")!;
    await service.call("task.complete", { receipt });
  });
  const list = (filter: Contract["task.list"]["params"]) =>
    service.call("task.list", { queue, sort: "added", ...filter });

  test("where one thing, where two", async () => {
    expect(names(await list({ states: ["pending"] }))).toEqual(["one", "four", "five"]);
    expect(names(await list({ states: ["pending"], priority: "high" }))).toEqual(["one"]);
  });

  test("or_(status == pending, status == in_progress), in both spellings", async () => {
    const either = ["one", "two", "four", "five"];
    expect(names(await list({ states: ["pending", "claimed"] }))).toEqual(either);
    expect(names(await list({ anyOf: [{ states: ["pending"] }, { states: ["claimed"] }] }))).toEqual(either);
    // Of unlike things, with a condition on all of them.
    const unlike: Contract["task.list"]["params"] = {
      anyOf: [{ priority: "high" }, { states: ["claimed"] }, { tags: ["y"] }],
    };
    expect(names(await list(unlike))).toEqual(["one", "two", "three", "four"]);
  });

  test("order_by(created_at.desc()).offset(2).limit(2)", async () => {
    const first = await list({ sort: "-added", limit: 2 });
    expect(names(first)).toEqual(["five", "four"]);
    expect(names(await list({ sort: "-added", limit: 2, cursor: first.nextCursor! }))).toEqual(["three", "two"]);
  });

  test("get by id", async () => {
    const { tasks } = await list({ names: ["four"] });
    expect(await service.call("task.get", { id: tasks[0]!.id })).toEqual(tasks[0]!);
  });

  test("selectinload: a list brings what is related", async () => {
    expect((await list({ limit: 1 })).tasks).toMatchObject([
      { name: "one", project: "default", tags: ["x", "y"], categories: ["chores"] },
    ]);
  });
});

test("DATABASE_URL as platforms write it", () => {
  for (const scheme of ["postgres", "postgresql"])
    expect(parseDatabaseUrl(`${scheme}://user:pass@host:6543/db?sslmode=require`)).toMatchObject({
      host: "host",
      port: 6543,
      user: "user",
      password: "pass",
      database: "db",
      sslMode: "require",
    });
});
