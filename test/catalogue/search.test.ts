/** Text search over names and descriptions: which tasks it finds, in which order, and that it follows every change. */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { refusal, testService } from "../support/service.ts";

setDefaultTimeout(30_000);
const service = testService();
const { call } = service;
type ListParams = Contract["task.list"]["params"];
type NewTask = Contract["task.enqueueMany"]["params"]["tasks"][number];

let queues = 0;
/** Adds tasks to a queue of their own, with names as given; a pair is a name and a description. */
async function written(...texts: readonly (string | readonly [name: string, description: string])[]) {
  const queue = `q${++queues}`;
  const tasks = texts.map(
    (text): NewTask => (typeof text === "string" ? { name: text } : { name: text[0], description: text[1] }),
  );
  const added = await call("task.enqueueMany", { queue, tasks });
  return { queue, ids: added.tasks.map(({ id }) => id) };
}
async function walked(params: ListParams) {
  const found = [];
  let cursor: string | undefined;
  do {
    const page = await call("task.list", { ...params, ...(cursor === undefined ? {} : { cursor }) });
    found.push(...page.tasks);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return found;
}
/** The names that a search finds, oldest first; the count, and the pages, say the same. */
async function found(queue: string, text: string, more: ListParams = {}): Promise<(string | null)[]> {
  const names = (await walked({ queue, text, sort: "added", ...more })).map(({ name }) => name);
  expect((await walked({ queue, text, sort: "-added", limit: 1, ...more })).map(({ name }) => name)).toEqual(
    names.toReversed(),
  );
  expect(await call("task.count", { queue, text, ...more })).toEqual({ count: names.length, exact: true });
  const ranked = await walked({ queue, text, sort: "relevance", limit: 2, ...more });
  expect(ranked.map(({ name }) => name).sort()).toEqual(names.toSorted());
  return names;
}
const ranked = async (queue: string, text: string, limit = 100) =>
  (await walked({ queue, text, sort: "relevance", limit })).map(({ name }) => name);

describe("words", () => {
  let queue: string;
  beforeAll(async () => {
    ({ queue } = await written(
      "Monthly report",
      ["Invoice", "Reports on all invoices of May"],
      ["Reporting line", "who reports to whom"],
      ["Water plants", "the plants on the roof, twice"],
      "portable",
      ["Backup", "of the yearly report"],
    ));
  });

  test("are found in every form of theirs, in name and description, in any case", async () => {
    const reports = ["Monthly report", "Invoice", "Reporting line", "Backup"];
    for (const text of ["report", "reports", "Reported", "REPORTING"])
      expect(await found(queue, text)).toEqual(reports);
    expect(await found(queue, "invoices")).toEqual(["Invoice"]);
    expect(await found(queue, "watering")).toEqual(["Water plants"]);
  });

  test("are whole words: not their beginnings, nor their middles", async () => {
    for (const text of ["rep", "port", "voic", "mon"]) expect(await found(queue, text)).toEqual([]);
  });

  test("must all be there, in name and description together, in any order", async () => {
    expect(await found(queue, "invoice reports")).toEqual(["Invoice"]);
    expect(await found(queue, "report monthly")).toEqual(["Monthly report"]);
    expect(await found(queue, "plants invoice")).toEqual([]);
  });

  test("in quotes: in a row", async () => {
    expect(await found(queue, '"yearly report"')).toEqual(["Backup"]);
    expect(await found(queue, '"report yearly"')).toEqual([]);
    // Stems there too.
    expect(await found(queue, '"yearly reports"')).toEqual(["Backup"]);
    expect(await found(queue, '"plants on the roof"')).toEqual(["Water plants"]);
  });

  test("with or: one of them", async () => {
    expect(await found(queue, "roof or may")).toEqual(["Invoice", "Water plants"]);
    expect(await found(queue, "roof OR nothing")).toEqual(["Water plants"]);
    expect(await found(queue, '"yearly report" or plants')).toEqual(["Water plants", "Backup"]);
  });

  test("with a minus: without them", async () => {
    expect(await found(queue, "report -yearly")).toEqual(["Monthly report", "Invoice", "Reporting line"]);
    expect(await found(queue, 'report -"yearly report" -invoice')).toEqual(["Monthly report", "Reporting line"]);
    // Alone it finds all others.
    expect(await found(queue, "-report")).toEqual(["Water plants", "portable"]);
  });

  test("such as the and of are not looked for; nothing else is nothing", async () => {
    expect(await found(queue, "the roof")).toEqual(["Water plants"]);
    expect(await found(queue, "the invoices of the may")).toEqual(["Invoice"]);
    for (const text of ["the", "of the", '"the"', "-the", ""]) expect(await found(queue, text)).toEqual([]);
  });
});

test("words of other languages, numbers, addresses and joined words are found as they are written", async () => {
  const { queue } = await written(
    "Größe prüfen",
    "メール 送信",
    ["order 4711", "for ada@example.com"],
    "re-import of ISO-8601 dates",
    "https://example.com/a/b?c=d",
    "naïve café",
  );
  expect(await found(queue, "größe")).toEqual(["Größe prüfen"]);
  expect(await found(queue, "PRÜFEN")).toEqual(["Größe prüfen"]);
  expect(await found(queue, "送信")).toEqual(["メール 送信"]);
  expect(await found(queue, "4711")).toEqual(["order 4711"]);
  expect(await found(queue, "ada@example.com")).toEqual(["order 4711"]);
  expect(await found(queue, "re-import")).toEqual(["re-import of ISO-8601 dates"]);
  expect(await found(queue, "import")).toEqual(["re-import of ISO-8601 dates"]);
  expect(await found(queue, "café")).toEqual(["naïve café"]);
  // PostgreSQL reads a colon in a search as the end of a word; in quotes it is text.
  for (const text of ['"https://example.com/a/b?c=d"', "example.com", "example.com/a/b?c=d"])
    expect(await found(queue, text)).toEqual(["https://example.com/a/b?c=d"]);
});

describe("plain tasks, which have a name alone,", () => {
  test("are found among the others, in the order of all", async () => {
    const { queue } = await written(
      "scan one",
      ["scan two", "described"],
      "scan three",
      ["four", "to be scanned"],
      "five",
    );
    expect(await found(queue, "scanning")).toEqual(["scan one", "scan two", "scan three", "four"]);
    expect(await found(queue, "scan", { states: ["pending"] })).toHaveLength(4);
  });

  test("are found in every state", async () => {
    const { queue } = await written("stamp");
    const { tasks } = await call("task.claim", { queue });
    expect(await found(queue, "stamps")).toEqual(["stamp"]);
    await call("task.complete", { receipt: tasks[0]!.receipt });
    expect(await found(queue, "stamps")).toEqual(["stamp"]);
    expect(await found(queue, "stamps", { states: ["completed"] })).toEqual(["stamp"]);
    expect(await found(queue, "stamps", { states: ["pending"] })).toEqual([]);
  });

  test("without a name are found by nothing", async () => {
    const queue = `q${++queues}`;
    await call("task.enqueueMany", { queue, tasks: [{}, { payload: { text: "report" } }] });
    expect(await found(queue, "report")).toEqual([]);
  });
});

describe("relevance", () => {
  test("a word in the name counts more than one in the description, both more than one", async () => {
    const { queue } = await written(["letter", "a stamp"], ["stamp", "a stamp"], ["envelope", "blue"], "stamp", [
      "box",
      "stamp",
    ]);
    expect((await ranked(queue, "stamp"))[0]).toBe("stamp");
    const names = await ranked(queue, "stamps");
    expect(names.slice(0, 2)).toEqual(["stamp", "stamp"]);
    expect(names.slice(2).sort()).toEqual(["box", "letter"]);
    const [first] = await walked({ queue, text: "stamp", sort: "relevance" });
    expect(first!.description).toBe("a stamp");
  });

  test("of tasks that fit alike the newest comes first", async () => {
    const { queue, ids } = await written(...Array.from({ length: 7 }, () => "same words"));
    for (const limit of [1, 2, 3, 7, 8]) {
      const all = await walked({ queue, text: "word", sort: "relevance", limit });
      expect(all.map(({ id }) => id)).toEqual(ids.toReversed());
    }
  });

  test("pages of any size show the same order, and what comes meanwhile is in none of them", async () => {
    const texts = ["red", "red red", "blue", "red blue red blue", "green red"];
    const { queue } = await written(
      ...Array.from({ length: 40 }, (_, n) => [texts[n % 5]!, texts[(n * 3) % 4]!] as const),
    );
    const all = (await walked({ queue, text: "red or blue", sort: "relevance" })).map(({ id }) => id);
    expect(all).toHaveLength(40);
    const params = { queue, text: "red or blue", sort: "relevance" } as const;
    for (const limit of [1, 7, 39, 40]) expect((await walked({ ...params, limit })).map(({ id }) => id)).toEqual(all);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await call("task.list", { ...params, limit: 7, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...page.tasks.map(({ id }) => id));
      cursor = page.nextCursor ?? undefined;
      await call("task.enqueue", { queue, name: "red red red blue", description: "red" });
    } while (cursor !== undefined);
    expect(seen).toEqual(all);
  });

  test("needs words to search for", async () => {
    for (const params of [{}, { anyOf: [{ text: "x" }] }])
      expect(await refusal(call("task.list", { ...params, sort: "relevance" }))).toEqual({
        type: "invalid_params",
        issues: [{ path: "sort", message: "relevance needs text to search for" }],
      });
  });
});

describe("a search follows", () => {
  test("changes of name and description, of tasks with and without one", async () => {
    const { queue, ids } = await written("alpha", ["beta", "gamma"]);
    const [plain, described] = ids as [string, string];
    await call("task.update", { id: plain, name: "delta" });
    expect(await found(queue, "alpha")).toEqual([]);
    expect(await found(queue, "delta")).toEqual(["delta"]);
    await call("task.update", { id: described, name: "epsilon" });
    expect(await found(queue, "beta")).toEqual([]);
    expect(await found(queue, "epsilon gamma")).toEqual(["epsilon"]);
    await call("task.update", { id: described, description: "zeta" });
    expect(await found(queue, "gamma")).toEqual([]);
    expect(await found(queue, "zeta")).toEqual(["epsilon"]);
    await call("task.update", { id: described, description: null, name: null });
    expect(await found(queue, "zeta or epsilon")).toEqual([]);
    await call("task.update", { id: plain, description: "eta" });
    expect(await found(queue, "delta eta")).toEqual(["delta"]);
  });

  test("deletion, restoring, and removal for good", async () => {
    const { queue, ids } = await written("plain word", ["described", "word"]);
    for (const id of ids) await call("task.delete", { id });
    expect(await found(queue, "word")).toEqual([]);
    expect(await found(queue, "word", { deleted: true })).toEqual(["plain word", "described"]);
    for (const id of ids) await call("task.restore", { id });
    expect(await found(queue, "words")).toEqual(["plain word", "described"]);
    await call("queue.purge", { name: queue });
    expect(await found(queue, "word")).toEqual([]);
  });
});

test("a search goes with the other filters", async () => {
  const { queue, ids } = await written("blue car", ["red car", "fast"], "blue bike", ["green car", "slow"]);
  await call("task.update", { id: ids[1]!, tags: ["mine"], priority: "high", ownerId: "ann" });
  await call("task.update", { id: ids[3]!, tags: ["mine"] });
  expect(await found(queue, "car", { tags: ["mine"] })).toEqual(["red car", "green car"]);
  expect(await found(queue, "cars", { tags: ["mine"], priority: "high" })).toEqual(["red car"]);
  expect(await found(queue, "car", { ownerId: "ann" })).toEqual(["red car"]);
  expect(await found(queue, "blue", { names: ["blue bike", "red car"] })).toEqual(["blue bike"]);
  const either = await walked({ queue, anyOf: [{ text: "bike" }, { text: "fast" }], sort: "added" });
  expect(either.map(({ name }) => name)).toEqual(["red car", "blue bike"]);
  expect(await found(queue, "car", { anyOf: [{ text: "slow" }, { text: "blue" }] })).toEqual(["blue car", "green car"]);
  // Another project's words are not found.
  await call("project.create", { name: "elsewhere" });
  await call("task.enqueue", { project: "elsewhere", queue: "q", name: "blue car" });
  expect((await call("task.list", { project: "elsewhere", text: "blue" })).tasks).toHaveLength(1);
  expect((await call("task.list", { text: "blue", queue })).tasks).toHaveLength(2);
});
