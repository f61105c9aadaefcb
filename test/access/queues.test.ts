/** A key for some queues: names of others are forbidden, and what is in them is as what does not exist. */
import { beforeAll, describe, expect, test } from "bun:test";
import { QueuePatterns } from "../../src/domain/access/queue-patterns.ts";
import { SCOPES, type Scope } from "../../src/domain/access/scopes.ts";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { withClient } from "../support/postgres.ts";
import { refusal } from "../support/service.ts";
import { type Filled, fill, SECRET } from "./foreign.ts";
import type { Kind, Methods } from "./params.ts";
import { answerOf, guardedService } from "./stage.ts";
import { type Side, sideIn, told, trialsOf, tried } from "./trial.ts";

const service = guardedService();
const PROJECT = "queues-of-two";
const SCOPES_OF_ONE: readonly Scope[] = SCOPES.filter((scope) => scope !== "admin");
const HIDDEN = ["aleph-mail", "aleph-print"];
let filled: Filled;
let methods: Methods;
let side: Side;

const own = <M extends keyof Contract>(method: M, params: Contract[M]["params"]) =>
  service.call(method, params, side.key);

beforeAll(async () => {
  await service.makeProject(PROJECT);
  filled = await fill((method, params) => service.call(method, params), PROJECT);
  methods = await service.methods();
  side = await sideIn(service, PROJECT, "mail-own", { scopes: SCOPES_OF_ONE, queues: ["mail-*"] });
}, 60_000);

/** What a parameter has that names a queue. */
const PATTERN = /^[A-Za-z0-9_-]{1,80}$/;

describe("a queue's name", () => {
  test("of another queue is forbidden wherever one can be given", async () => {
    let places = 0;
    for (const method of methods.names) {
      const [scope] = methods.scopesOf(method);
      for (const { path, schema } of methods.leaves(method)) {
        if (schema.pattern !== String(PATTERN).slice(1, -1)) continue;
        places++;
        const answer = async (name: string) => {
          const given = new Map([[path, name]]);
          return (await answerOf(service.url, method, methods.params(method, side.give, given), side.key)).error?.data;
        };
        for (const name of ["aleph-mail", "nowhere", "mail", "Mail-a", "amail-"])
          expect({ method, path, data: await answer(name) }).toEqual({
            method,
            path,
            data: { type: "forbidden", scope: scope!, queue: name },
          });
        expect((await answer("mail-no"))?.type ?? "none", `${method} ${path}`).not.toBe("forbidden");
      }
    }
    expect(places).toBeGreaterThan(20);
  });
});

/** Kinds that belong to a queue, or are found by its tasks. Tags, categories and requestIds are the project's. */
const OF_QUEUE = new Set<Kind>([
  "task",
  "receipt",
  "workflow",
  "schedule",
  "worker",
  "owner",
  "taskName",
  "text",
  "payload",
]);

/** What tells of the hidden queues: their names, and what is in them now. */
async function marks(): Promise<string[]> {
  const { rows } = await withClient(service.databaseUrl, (client) =>
    client.query<{ mark: string }>(
      `select distinct unnest(array[t.id::text, t.workflow_id::text]) as mark from task t join queue q on q.id = t.queue_id
       where q.name = any($1)`,
      [HIDDEN],
    ),
  );
  const { schedule, worker } = filled.pairs;
  const names = [...schedule, ...worker].map(([foreign]) => String(foreign));
  return [...HIDDEN, SECRET, ...names, ...rows.map(({ mark }) => mark)].filter((mark) => mark !== null);
}

describe("lists and figures", () => {
  /** All that a list shows, page by page, with its cursors read. */
  async function walked<M extends keyof Contract>(method: M, params: Contract[M]["params"]): Promise<string> {
    let text = "";
    let cursor: string | null | undefined;
    for (let page = 0; cursor !== null; page++) {
      if (page === 500) throw new Error(`${method} has no end.`);
      const answer = (await own(method, { ...params, ...(cursor && { cursor }) })) as { nextCursor: string | null };
      cursor = answer.nextCursor;
      text += JSON.stringify(answer) + (cursor ? Buffer.from(cursor, "base64url").toString() : "");
    }
    return text;
  }

  const LISTS: readonly (readonly [keyof Contract, object])[] = [
    ...["added", "-added", "finished", "-finished", "dueAt", "priority"].map(
      (sort) => ["task.list", { sort, limit: 7 }] as const,
    ),
    ["task.list", { text: SECRET, sort: "relevance", limit: 1 }],
    ["task.list", { states: ["claimed", "waiting"], limit: 1 }],
    ["task.list", { states: ["claimed"], limit: 7 }],
    ["task.list", { anyOf: [{ ownerId: "aleph-owner" }, { tags: ["aleph-tag"] }], limit: 1 }],
    ["task.list", { deleted: true, limit: 1 }],
    ["queue.list", { limit: 1 }],
    ["workflow.list", { limit: 1 }],
    ["workflow.list", { limit: 3, states: ["running"] }],
    ["schedule.list", { limit: 1 }],
    ["worker.list", { limit: 1 }],
    ["worker.tasks", { id: "mail-own-work", limit: 1 }],
  ];

  test.each(LISTS)("%s %j", async (method, params) => {
    // Between two that are known.
    await service.call("workflow.create", { project: PROJECT, queue: "aleph-mail", tasks: [{ key: "a" }] });
    await service.call("workflow.create", { project: PROJECT, queue: "mail-own", tasks: [{ key: "a" }] });
    if (method === "worker.tasks") {
      // A worker of both.
      await service.call("task.enqueue", { project: PROJECT, queue: "aleph-mail", name: "both" });
      const claim = { project: PROJECT, worker: "mail-own-work", names: ["both"], leaseSeconds: 43_200 };
      expect((await service.call("task.claim", { ...claim, queue: "aleph-mail" })).tasks).toHaveLength(1);
      await service.call("task.enqueue", { project: PROJECT, queue: "mail-own", name: "both" });
      expect((await service.call("task.claim", { ...claim, queue: "mail-own" })).tasks).toHaveLength(1);
    }
    const text = await walked(method, params as never);
    expect((await marks()).filter((mark) => text.includes(mark))).toEqual([]);
  });

  test("every list that there is has been walked", () => {
    const walkedOnes = new Set<string>(LISTS.map(([method]) => method));
    // Of the project, not of its queues; and of one task.
    const others = ["tag.list", "category.list", "project.list", "project.members", "apiKey.list", "task.attempts"];
    const lists = methods.names.filter((method) => methods.leaves(method).some(({ kind }) => kind === "cursor"));
    expect(lists.filter((method) => !walkedOnes.has(method) && !others.includes(method))).toEqual([]);
  });

  test("a page is as long as it was asked to be, whatever is hidden in between", async () => {
    for (let at = 0; at < 3; at++) {
      await service.call("workflow.create", { project: PROJECT, queue: "mail-own", tasks: [{ key: "a" }] });
      await service.call("workflow.create", { project: PROJECT, queue: "aleph-mail", tasks: [{ key: "a" }] });
    }
    expect((await own("workflow.list", { limit: 3 })).workflows).toHaveLength(3);
    expect((await own("queue.list", { limit: 2 })).queues).toHaveLength(2);
    expect((await own("schedule.list", { limit: 2 })).schedules).toHaveLength(2);
  });

  test("counts and stats count what may be known", async () => {
    const queues = (await own("queue.list", { limit: 1000 })).queues.map(({ name }) => name);
    expect(queues.every((name) => name.startsWith("mail-"))).toBe(true);
    const { rows } = await withClient(service.databaseUrl, (client) =>
      client.query<{ n: number }>(
        `select count(*)::int as n from task t join queue q on q.id = t.queue_id join project p on p.id = q.project_id
         where p.name = $1 and q.name like 'mail-%' and t.deleted_at is null`,
        [PROJECT],
      ),
    );
    expect(await own("task.count", {})).toEqual({ count: rows[0]!.n, exact: true });
    for (const filter of [{ tags: ["aleph-other"] }, { category: "aleph-category" }, { ownerId: "aleph-nobody" }])
      expect((await own("task.count", filter)).exact).toBe(true);
    expect((await own("task.count", { dueFrom: "2098-12-31T00:00:00.000Z" })).count).toBe(0);
    const stats = (await own("queue.stats", {})) as { queues: { queue: string }[] };
    expect(stats.queues.map(({ queue }) => queue).sort()).toEqual([...queues].sort());
  });

  test("a workflow with a task in a hidden queue is hidden as a whole", async () => {
    const { id } = await service.call("workflow.create", {
      project: PROJECT,
      tasks: [
        { key: "a", queue: "mail-own" },
        { key: "b", queue: "aleph-mail" },
      ],
    });
    const missing = { type: "not_found", noun: "workflow", id };
    expect(await refusal(own("workflow.get", { id }))).toEqual(missing);
    expect(await refusal(own("workflow.cancel", { id }))).toEqual(missing);
    expect(await refusal(own("workflow.retry", { id }))).toEqual(missing);
    expect(await refusal(own("workflow.add", { id, queue: "mail-own", tasks: [{ key: "c" }] }))).toEqual(missing);
    expect((await own("workflow.list", { limit: 1000 })).workflows.map((one) => one.id)).not.toContain(id);
  });

  test("a schedule of a hidden queue does not tell that queue's limits", async () => {
    await service.call("queue.update", { project: PROJECT, name: "aleph-mail", maxPayloadBytes: 100 });
    const payload = { text: "x".repeat(200) };
    const answer = (name: string) => refusal(own("schedule.update", { name, task: { payload } }));
    expect(await answer("aleph-schedule")).toEqual({ type: "not_found", noun: "schedule", id: "aleph-schedule" });
    expect(await answer("no-schedule")).toEqual({ type: "not_found", noun: "schedule", id: "no-schedule" });
  });
});

// Behind the lists, which look for values that this sends itself.
test("what is in hidden queues answers as what does not exist", async () => {
  const faults: unknown[] = [];
  let count = 0;
  for (const trial of trialsOf(methods, filled)) {
    if (!OF_QUEUE.has(trial.leaf.kind!)) continue;
    // A schedule's name is taken, whoever may know of that one; and whoever claims under a worker's name makes it theirs.
    if ((trial.method === "schedule.create" && trial.leaf.kind === "schedule") || trial.method === "task.claim")
      continue;
    count++;
    const a = await tried(service.url, methods, side, trial, trial.pair[0]);
    const b = await tried(service.url, methods, side, trial, trial.pair[1]);
    const [foreign, twin] = [told(a, side, filled), told(b, side, filled)];
    if (JSON.stringify(foreign) !== JSON.stringify(twin)) faults.push({ where: trial.where, foreign, twin });
    if (/internal|invalid_params/.test(b.error?.data.type ?? "")) faults.push({ where: trial.where, error: b.error });
  }
  expect(faults).toEqual([]);
  expect(count).toBeGreaterThan(100);
});

test("what a visible task was given of hidden ones goes with it", async () => {
  const { id: on } = await service.call("task.enqueue", { project: PROJECT, queue: "aleph-print", name: "given" });
  const visible = await service.call("task.enqueue", {
    project: PROJECT,
    queue: "mail-own",
    name: "given",
    dependsOn: [on],
  });
  // Whoever made it depend on that one, and might know of both, hands the result on: a worker needs it.
  expect((await own("task.get", { id: visible.id })).dependsOn).toEqual([on]);
  expect(await refusal(own("task.get", { id: on }))).toEqual({ type: "not_found", noun: "task", id: on });
});

describe("patterns", () => {
  /** As plain as can be; exponential where the matcher must not be, so for short texts only. */
  const naive = (pattern: string, name: string) =>
    new RegExp(`^${[...pattern].map((c) => (c === "*" ? "[^]*" : c === "?" ? "[^]" : c)).join("")}$`).test(name);
  const draw = (alphabet: string, lengthMax: number) =>
    Array.from({ length: Math.floor(Math.random() * (lengthMax + 1)) }, () =>
      alphabet.charAt(Math.floor(Math.random() * alphabet.length)),
    ).join("");

  test("match as a regular expression that says the same", () => {
    let matched = 0;
    for (let run = 0; run < 50_000; run++) {
      const [pattern, name] = [draw("ab*?", 7), draw("ab", 8)];
      const expected = naive(pattern, name);
      expect({ pattern, name, allows: new QueuePatterns([pattern]).allows(name) }).toEqual({
        pattern,
        name,
        allows: expected,
      });
      if (expected) matched++;
    }
    expect(matched).toBeGreaterThan(1_000);
  });

  test("one of several is enough", () => {
    const patterns = new QueuePatterns(["mail-*", "?rint"]);
    expect(["mail-", "mail-a", "print", "mail", "sprint", ""].map((name) => patterns.allows(name))).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(new QueuePatterns([]).allows("mail")).toBe(false);
  });

  test("no pattern makes the matcher try all ways there are", () => {
    // By backtracking this would take longer than the universe has been there; the test would be stopped.
    const hostile = new QueuePatterns([`${"*a".repeat(39)}*b`]);
    expect(hostile.allows("a".repeat(80))).toBe(false);
    expect(hostile.allows(`${"a".repeat(79)}b`)).toBe(true);
    expect(new QueuePatterns([`${"*?a".repeat(26)}b`]).allows("a".repeat(80))).toBe(false);
  });
});
