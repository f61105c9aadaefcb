/**
 * task.list and task.count against the same filters applied in memory: random tasks, plain and catalogued, random filters,
 * every sort, pages of any size. Text is left to search.test.ts, where PostgreSQL's word stems are known.
 */
import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { testService } from "../support/service.ts";

setDefaultTimeout(120_000);
const service = testService();
type Task = Contract["task.get"]["result"];
type Filter = NonNullable<Contract["task.list"]["params"]["anyOf"]>[number];
type ListParams = Contract["task.list"]["params"];

const QUEUES = ["qa", "qb"];
const NAMES = ["mail", "scan", "Report weekly"];
const TAGS = ["red", "Grün", "blue", "rare"];
const OWNERS = ["ann", "bob"];
/** A tree: work > (admin > tax), play. */
const CATEGORIES = { work: ["work", "admin", "tax"], admin: ["admin", "tax"], tax: ["tax"], play: ["play"] };
const DUE = ["2030-01-01T00:00:00.000Z", "2030-06-01T00:00:00.000Z", "2031-01-01T00:00:00.000Z"];

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const plain = {
  queue: fc.constantFrom(...QUEUES),
  name: fc.constantFrom(...NAMES),
  priority: fc.integer({ min: 0, max: 9 }),
  payload: fc.record({ kind: fc.constantFrom("a", "b"), n: fc.integer({ min: 0, max: 3 }) }),
  delaySeconds: fc.constantFrom(0, 3600),
};
const catalogued = fc.record(
  {
    ...plain,
    ownerId: fc.constantFrom(...OWNERS),
    dueAt: fc.constantFrom(...DUE),
    tags: fc.uniqueArray(fc.constantFrom(...TAGS), { maxLength: 3 }),
    categories: fc.uniqueArray(fc.constantFrom(...Object.keys(CATEGORIES)), { maxLength: 2 }),
    description: fc.constantFrom("one", "two"),
  },
  { requiredKeys: ["queue"] },
);
const newTask = fc.oneof(catalogued, fc.record(plain, { requiredKeys: ["queue"] }));

let all: Task[] = [];

beforeAll(async () => {
  for (const name of ["work", "play"]) await service.call("category.create", { name });
  await service.call("category.create", { name: "admin", parent: "work" });
  await service.call("category.create", { name: "tax", parent: "admin" });
  const tasks = fc.sample(newTask, { numRuns: 200, seed: 4 });
  for (let at = 0; at < tasks.length; at += 40)
    await service.call("task.enqueueMany", { tasks: tasks.slice(at, at + 40) });
  // In all states: some claimed, completed, failed, cancelled, deleted, waiting.
  const { tasks: claimed } = await service.call("task.claim", { queues: QUEUES, limit: 1000, worker: "w" });
  const more = await service.call("task.claim", { queue: "qb", limit: 1000 });
  const leases = [...claimed, ...more.tasks];
  expect(leases.length).toBeGreaterThan(80);
  for (const [at, { receipt, id }] of leases.entries()) {
    if (at % 5 === 0) continue;
    if (at % 5 === 1) await service.call("task.fail", { receipt, error: { message: "no" }, retry: false });
    else if (at % 5 === 2) await service.call("task.cancel", { id });
    else await service.call("task.complete", { receipt });
    if (at % 3 === 0) await service.call("task.delete", { id });
  }
  const [on] = leases;
  await service.call("task.enqueueMany", {
    queue: "qa",
    tasks: [{ dependsOn: [on!.id], tags: ["blue"] }, { dependsOn: [on!.id] }],
  });
  all = [...(await everything({ deleted: false })), ...(await everything({ deleted: true }))];
  expect(all).toHaveLength(202);
  expect(new Set(all.map(({ state }) => state)).size).toBe(6);
});

async function everything(params: ListParams): Promise<Task[]> {
  const tasks: Task[] = [];
  let cursor: string | undefined;
  do {
    const page = await service.call("task.list", { ...params, ...(cursor === undefined ? {} : { cursor }) });
    expect(page.tasks.length).toBeLessThanOrEqual(params.limit ?? 100);
    tasks.push(...page.tasks);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return tasks;
}

/** One to three of all that can be asked for: with more, next to nothing would ever be found. */
const filter: fc.Arbitrary<Filter> = fc
  .tuple(
    fc.infiniteStream(fc.nat()),
    fc.integer({ min: 0, max: 3 }),
    fc.record({
      queue: fc.constantFrom(...QUEUES),
      states: fc.uniqueArray(
        fc.constantFrom("waiting", "pending", "claimed", "completed", "failed", "cancelled" as const),
        { minLength: 1, maxLength: 3 },
      ) as fc.Arbitrary<NonNullable<Filter["states"]>>,
      names: fc.uniqueArray(fc.constantFrom(...NAMES, "nobody"), { minLength: 1, maxLength: 2 }),
      priority: fc.integer({ min: 0, max: 9 }),
      tags: fc.uniqueArray(fc.constantFrom("RED", "grün", "blue", "rare", "no such tag"), {
        minLength: 1,
        maxLength: 2,
      }),
      category: fc.constantFrom(...Object.keys(CATEGORIES)),
      ownerId: fc.constantFrom(...OWNERS, "nobody"),
      dueFrom: fc.constantFrom(...DUE),
      dueTo: fc.constantFrom(...DUE),
      addedFrom: fc.constantFrom("2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"),
      payload: fc.constantFrom({ kind: "a" }, { n: 1 }, { kind: "b", n: 2 }, { x: 1 }),
    }),
  )
  .map(([numbers, size, every]) => {
    const keys = Object.keys(every);
    const chosen = new Set(Array.from({ length: size }, () => keys[numbers.next().value! % keys.length]!));
    return Object.fromEntries(Object.entries(every).filter(([key]) => chosen.has(key))) as Filter;
  });

function fits(task: Task, f: Filter): boolean {
  const keys = task.tags.map((tag) => tag.toLowerCase());
  const subtree = f.category === undefined ? [] : CATEGORIES[f.category as keyof typeof CATEGORIES];
  const payload = Object.entries(f.payload ?? {});
  return (
    (f.queue === undefined || task.queue === f.queue) &&
    (!f.states || f.states.includes(task.state)) &&
    (!f.names || f.names.includes(task.name ?? "")) &&
    (f.priority === undefined || task.priority === f.priority) &&
    (!f.tags || f.tags.every((tag) => keys.includes(tag.toLowerCase()))) &&
    (f.category === undefined || task.categories.some((name) => subtree.includes(name))) &&
    (f.ownerId === undefined || task.ownerId === f.ownerId) &&
    (f.dueFrom === undefined || (task.dueAt !== null && task.dueAt >= f.dueFrom)) &&
    (f.dueTo === undefined || (task.dueAt !== null && task.dueAt < f.dueTo)) &&
    (f.addedFrom === undefined || task.added >= f.addedFrom) &&
    payload.every(([key, value]) => task.payload[key] === value)
  );
}

const byText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
const ORDERS: Record<string, (a: Task, b: Task) => number> = {
  added: (a, b) => byText(a.id, b.id),
  "-added": (a, b) => byText(b.id, a.id),
  finished: (a, b) => byText(a.finished ?? "9", b.finished ?? "9") || byText(a.id, b.id),
  "-finished": (a, b) => byText(b.finished ?? "0", a.finished ?? "0") || byText(b.id, a.id),
  dueAt: (a, b) => byText(a.dueAt ?? "9", b.dueAt ?? "9") || byText(a.id, b.id),
  priority: (a, b) => a.priority - b.priority || byText(a.id, b.id),
};

test("lists and counts show what fits, in every order and in pages of any size", async () => {
  const selection = fc.record({
    filter,
    anyOf: maybe(fc.array(filter, { minLength: 1, maxLength: 3 })),
    deleted: fc.boolean(),
    sort: fc.constantFrom("added", "-added", "finished", "-finished", "dueAt", "priority" as const),
    limit: fc.integer({ min: 1, max: 60 }),
  });
  await fc.assert(
    fc.asyncProperty(selection, async ({ filter: own, anyOf, deleted, sort, limit }) => {
      const expected = all
        .filter((task) => (task.deletedAt !== null) === deleted && fits(task, own))
        .filter((task) => !anyOf || anyOf.some((one) => fits(task, one)))
        .sort(ORDERS[sort]);
      const params = { ...own, ...(anyOf ? { anyOf } : {}), deleted };
      const found = await everything({ ...params, sort: sort as "added", limit });
      // Times are shown in milliseconds; tasks of one millisecond may come either way round.
      if (sort.endsWith("finished")) {
        expect(found.map(({ finished }) => finished)).toEqual(expected.map(({ finished }) => finished));
        expect(found.map(({ id }) => id).sort()).toEqual(expected.map(({ id }) => id).sort());
      } else expect(found.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
      expect(await service.call("task.count", params)).toEqual({ count: expected.length, exact: true });
    }),
    { numRuns: Number(process.env.LIST_RUNS ?? 150) },
  );
});

test("sorted by added, tasks are in the order of their times", async () => {
  const times = (await everything({ sort: "added" })).map(({ added }) => added);
  expect(times).toEqual([...times].sort());
});

test("a walk neither skips nor repeats a task while others come and finish", async () => {
  const queue = "moving";
  const first = (await service.call("task.enqueueMany", { queue, tasks: Array.from({ length: 60 }, () => ({})) }))
    .tasks;
  for (const sort of ["added", "-added", "priority", "dueAt"] as const) {
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await service.call("task.list", {
        queue,
        sort,
        limit: 7,
        ...(cursor === undefined ? {} : { cursor }),
      });
      seen.push(...page.tasks.map(({ id }) => id));
      cursor = page.nextCursor ?? undefined;
      await service.call("task.enqueueMany", { queue, tasks: [{}, { priority: 1, tags: ["new"] }] });
      const { tasks } = await service.call("task.claim", { queue, limit: 2 });
      await service.call("task.completeMany", { items: tasks.map(({ receipt }) => ({ receipt })) });
    } while (cursor !== undefined);
    expect(new Set(seen).size).toBe(seen.length);
    const known = new Set(seen);
    expect(first.filter(({ id }) => !known.has(id))).toEqual([]);
  }
});

test("the catalogue says what the tasks say, after all that", async () => {
  expect(await service.call("admin.verify", {})).toEqual({ ok: true, violations: [] });
});
