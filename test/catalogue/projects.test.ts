/** project.create, get, list, update, delete: what each answers, refuses, repeats, and leaves behind. */
import { describe, expect, test } from "bun:test";
import pg from "pg";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { withClient } from "../support/postgres.ts";
import { refusal, rpc, startInstance, testService } from "../support/service.ts";
import { until } from "../support/until.ts";

const service = testService();
const notFound = (id: string) => ({ type: "not_found", noun: "project", id }) as const;
const conflict = (field: string) => ({ type: "conflict", field }) as const;
let names = 0;
const newName = () => `project ${++names}`;

/** A statement's transaction, held open: what others do then waits for it. */
async function held(statement: string, values: unknown[]) {
  const client = new pg.Client({ connectionString: service.databaseUrl });
  await client.connect();
  await client.query("begin");
  await client.query(statement, values);
  return {
    waiting: () =>
      until("a statement waits for a lock", () =>
        withClient(service.databaseUrl, async (other) => {
          const waiting = "datname = current_database() and wait_event_type = 'Lock'";
          return (await other.query(`select from pg_stat_activity where ${waiting}`)).rowCount === 1;
        }),
      ),
    async commit() {
      await client.query("commit");
      await client.end();
    },
  };
}

async function listed(limit: number): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await service.call("project.list", { limit, ...(cursor === undefined ? {} : { cursor }) });
    expect(page.projects.length).toBeLessThanOrEqual(limit);
    found.push(...page.projects.map(({ name }) => name));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return found;
}

describe("create and get", () => {
  test("answer the project", async () => {
    const name = newName();
    const created = await service.call("project.create", { name, description: "Ünïcode ☃" });
    expect(created).toEqual({
      id: created.id,
      name,
      description: "Ünïcode ☃",
      added: created.added,
      updated: created.added,
    });
    expect(await service.call("project.get", { name })).toEqual(created);
    const bare = await service.call("project.create", { name: newName() });
    expect(bare.description).toBeNull();
    expect(bare.id).not.toBe(created.id);
  });

  test("a name is there once, with regard to case", async () => {
    const name = newName();
    await service.call("project.create", { name });
    expect(await refusal(service.call("project.create", { name }))).toEqual(conflict("name"));
    expect(await refusal(service.call("project.create", { name: "default" }))).toEqual(conflict("name"));
    expect((await service.call("project.create", { name: name.toUpperCase() })).name).toBe(name.toUpperCase());
  });

  test("an unknown one is not found, wherever it is named", async () => {
    expect(await refusal(service.call("project.get", { name: "none" }))).toEqual(notFound("none"));
    const project = "none";
    const refused = await Promise.all([
      refusal(service.call("task.enqueue", { project, queue: "q" })),
      refusal(service.call("task.list", { project })),
      refusal(service.call("tag.create", { project, name: "t" })),
      refusal(service.call("tag.list", { project })),
      refusal(service.call("tag.suggest", { project, prefix: "t" })),
      refusal(service.call("category.create", { project, name: "c" })),
      refusal(service.call("category.list", { project })),
      refusal(service.call("category.tree", { project })),
    ]);
    for (const data of refused) expect(data).toEqual(notFound("none"));
  });

  test("an unknown one is not found by the methods of queues and workers either", async () => {
    const project = "none";
    const refused = await Promise.all([
      refusal(service.call("worker.list", { project })),
      refusal(service.call("queue.list", { project })),
      refusal(service.call("queue.create", { project, name: "q" })),
      refusal(service.call("task.claim", { project, queue: "q" })),
    ]);
    for (const data of refused) expect(data).toEqual(notFound("none"));
  });

  test("of several that create one name at once, one does", async () => {
    const name = newName();
    const answers = await Promise.allSettled(Array.from({ length: 8 }, () => service.call("project.create", { name })));
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const answer of answers)
      if (answer.status === "rejected") expect(answer.reason.data).toEqual(conflict("name"));
  });
});

test("list gives all by name, in pages of any size", async () => {
  for (let n = 0; n < 5; n++) await service.call("project.create", { name: newName() });
  const all = await listed(1000);
  expect(all).toContain("default");
  expect(new Set(all).size).toBe(all.length);
  for (const limit of [1, 2, all.length, all.length + 1]) expect(await listed(limit)).toEqual(all);
});

describe("update", () => {
  test("describes, and null takes the description away", async () => {
    const name = newName();
    const created = await service.call("project.create", { name });
    const described = await service.call("project.update", { name, description: "text" });
    expect(described).toEqual({ ...created, description: "text", updated: described.updated });
    expect(described.updated > created.updated).toBe(true);
    expect((await service.call("project.update", { name })).description).toBe("text");
    expect((await service.call("project.update", { name, description: null })).description).toBeNull();
  });

  test("renames: tasks and labels are found under the new name at once, and under the old one no more", async () => {
    const [name, next] = [newName(), newName()];
    await service.call("project.create", { name });
    const { id } = await service.call("task.enqueue", { project: name, queue: "q", tags: ["t"] });
    expect((await service.call("project.update", { name, newName: next })).name).toBe(next);
    expect(await service.call("task.get", { project: next, id })).toMatchObject({ project: next, tags: ["t"] });
    expect((await service.call("tag.list", { project: next })).tags).toMatchObject([{ name: "t", used: 1 }]);
    expect(await refusal(service.call("task.get", { project: name, id }))).toEqual(notFound(name));
    expect(await refusal(service.call("project.get", { name }))).toEqual(notFound(name));
    // The old name is free for another project, which does not see the first one's tasks.
    await service.call("project.create", { name });
    expect((await service.call("task.list", { project: name })).tasks).toEqual([]);
    expect(await refusal(service.call("task.get", { project: name, id }))).toMatchObject({ noun: "task", id });
  });

  test("to its own name changes nothing; to another's is a conflict", async () => {
    const [name, other] = [newName(), newName()];
    const { id } = await service.call("project.create", { name });
    await service.call("project.create", { name: other });
    expect(await service.call("project.update", { name, newName: name })).toMatchObject({ id, name });
    expect(await refusal(service.call("project.update", { name, newName: other }))).toEqual(conflict("newName"));
    expect(await refusal(service.call("project.update", { name: "none", newName: newName() }))).toEqual(
      notFound("none"),
    );
  });

  test("the default project is described, and keeps its name", async () => {
    expect(await refusal(service.call("project.update", { name: "default", newName: newName() }))).toEqual(
      conflict("name"),
    );
    expect((await service.call("project.update", { name: "default", description: "ours" })).description).toBe("ours");
    expect((await service.call("project.update", { name: "default", newName: "default" })).name).toBe("default");
  });

  test("to a name that another project takes at the same moment is a conflict", async () => {
    const [name, wanted] = [newName(), newName()];
    await service.call("project.create", { name });
    const holder = await held("insert into project (name) values ($1)", [wanted]);
    const renamed = refusal(service.call("project.update", { name, newName: wanted }));
    await holder.waiting();
    await holder.commit();
    expect(await renamed).toEqual(conflict("newName"));
  });

  test("of a project that is deleted at the same moment is not found", async () => {
    const name = newName();
    await service.call("project.create", { name });
    const holder = await held("delete from project where name = $1", [name]);
    const described = refusal(service.call("project.update", { name, description: "late" }));
    await holder.waiting();
    await holder.commit();
    expect(await described).toEqual(notFound(name));
  });
});

describe("delete", () => {
  test("takes along what was in it, and its name is free", async () => {
    const name = newName();
    await service.call("project.create", { name });
    await service.call("category.create", { project: name, name: "c" });
    const { id } = await service.call("task.enqueue", { project: name, queue: "q", tags: ["t"], categories: ["c"] });
    const { tasks } = await service.call("task.claim", { project: name, queue: "q", worker: "w" });
    await service.call("task.complete", { project: name, receipt: tasks[0]!.receipt });
    expect(await service.call("project.delete", { name })).toEqual({ name });
    expect(await refusal(service.call("project.get", { name }))).toEqual(notFound(name));
    expect(await refusal(service.call("task.get", { project: name, id }))).toEqual(notFound(name));
    const left = await withClient(service.databaseUrl, (client) =>
      client.query(
        `select id from task where id = $1 union all select id from task_catalogue where id = $1
         union all select task_id from task_tag where task_id = $1`,
        [id],
      ),
    );
    expect(left.rows).toEqual([]);
    await service.call("project.create", { name });
    expect((await service.call("task.list", { project: name })).tasks).toEqual([]);
    expect((await service.call("tag.list", { project: name })).tags).toEqual([]);
    expect((await service.call("category.list", { project: name })).categories).toEqual([]);
    expect((await service.call("queue.list", { project: name })).queues).toEqual([]);
    expect((await service.call("worker.list", { project: name })).workers).toEqual([]);
  });

  test("is refused while a task is unfinished, whatever its state, but by force", async () => {
    const states: Record<string, (project: string) => Promise<unknown>> = {
      pending: (project) => service.call("task.enqueue", { project, queue: "q" }),
      delayed: (project) => service.call("task.enqueue", { project, queue: "q", delaySeconds: 600 }),
      claimed: async (project) => {
        await service.call("task.enqueue", { project, queue: "q" });
        await service.call("task.claim", { project, queue: "q" });
      },
      waiting: async (project) => {
        const { id } = await service.call("task.enqueue", { project, queue: "q" });
        await service.call("task.claim", { project, queue: "q" });
        await service.call("task.enqueue", { project, queue: "q2", dependsOn: [id] });
      },
    };
    for (const [state, make] of Object.entries(states)) {
      const name = newName();
      await service.call("project.create", { name });
      await make(name);
      expect([state, await refusal(service.call("project.delete", { name }))]).toEqual([state, conflict("tasks")]);
      expect((await service.call("project.get", { name })).name).toBe(name);
      expect(await service.call("project.delete", { name, force: true })).toEqual({ name });
      expect(await refusal(service.call("project.delete", { name, force: true }))).toEqual(notFound(name));
    }
    expect((await service.call("admin.verify", {})).violations).toEqual([]);
  });

  test("of the default project is refused, by force too", async () => {
    for (const force of [true, false])
      expect(await refusal(service.call("project.delete", { name: "default", force }))).toEqual(conflict("name"));
  });

  test("a worker's receipt from it is void", async () => {
    const name = newName();
    await service.call("project.create", { name });
    await service.call("task.enqueue", { project: name, queue: "q" });
    const { tasks } = await service.call("task.claim", { project: name, queue: "q" });
    await service.call("project.delete", { name, force: true });
    const completion = service.call("task.complete", { project: name, receipt: tasks[0]!.receipt });
    expect(await refusal(completion)).toEqual(notFound(name));
  });
});

describe("requestId", () => {
  const repeated = async <M extends keyof Contract>(method: M, params: Contract[M]["params"]) => {
    const first = await service.call(method, params);
    expect(await service.call(method, params)).toEqual(first);
    return first;
  };

  test("a repeat answers what the first answered, and does nothing", async () => {
    const [name, next] = [newName(), newName()];
    const created = await repeated("project.create", { name, requestId: "create" });
    await repeated("project.update", { name, newName: next, description: "d", requestId: "update" });
    await service.call("project.update", { name: next, description: "later" });
    // Also where the project is not what it was any more.
    expect(await service.call("project.create", { name, requestId: "create" })).toEqual(created);
    expect((await service.call("project.get", { name: next })).description).toBe("later");
    await repeated("project.delete", { name: next, requestId: "delete" });
  });

  test("with other parameters, or by another method, it is a conflict", async () => {
    const name = newName();
    await service.call("project.create", { name, requestId: "once" });
    const other = service.call("project.create", { name: newName(), requestId: "once" });
    expect(await refusal(other)).toEqual(conflict("requestId"));
    expect(await refusal(service.call("project.delete", { name, requestId: "once" }))).toEqual(conflict("requestId"));
    expect((await service.call("project.get", { name })).name).toBe(name);
  });
});

test("another instance learns of a rename and of a deletion within two seconds, and meanwhile harms nothing", async () => {
  const other = await startInstance(service.databaseUrl);
  try {
    const [name, next] = [newName(), newName()];
    await service.call("project.create", { name });
    const { id } = await rpc(other.url, "task.enqueue", { project: name, queue: "q", tags: ["t"] });
    await service.call("project.update", { name, newName: next });
    expect((await rpc(other.url, "task.get", { project: next, id })).project).toBe(next);
    await service.call("project.delete", { name: next, force: true });
    // The other still remembers its number: what it is told then is not found, not a fault.
    const refused = await Promise.all([
      refusal(rpc(other.url, "tag.create", { project: next, name: "late" })),
      refusal(rpc(other.url, "category.create", { project: next, name: "late" })),
      refusal(rpc(other.url, "task.enqueue", { project: next, queue: "late", tags: ["later"] })),
      refusal(rpc(other.url, "task.get", { project: next, id })),
    ]);
    expect(refused.map(({ type }) => type)).toEqual(refused.map(() => "not_found"));
    const listed = () => refusal(rpc(other.url, "tag.list", { project: next })).catch(() => null);
    expect(await until("the other has forgotten it", listed)).toEqual(notFound(next));
  } finally {
    await other.stop();
  }
});
