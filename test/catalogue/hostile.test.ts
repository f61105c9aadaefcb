/**
 * What people, and programs that mean no good, send in names, colours, searches, prefixes and cursors: it is refused with the
 * place that is wrong, or it is text like any other and answered rightly. It is never an internal error.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { rawRpc, refusal, testService } from "../support/service.ts";

const service = testService();
const { call } = service;

/** What a call is refused for: each place with what is said of it. */
async function issues(asked: Promise<unknown>): Promise<{ path: string; message: string }[]> {
  const data = await refusal(asked);
  expect(data.type).toBe("invalid_params");
  return data.issues as { path: string; message: string }[];
}
const paths = async (asked: Promise<unknown>) => (await issues(asked)).map(({ path }) => path);
/** A call as text: for what JSON.stringify would not write. */
async function rawIssues(method: string, params: string) {
  const { error } = await rawRpc(service.url, `{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}`);
  return [error?.data.type, ...((error?.data.issues ?? []) as { path: string }[]).map(({ path }) => path)];
}

const BLANK = ["", " ", "\t", "\r\n", "\u00a0", "\u2003\u3000", "\ufeff"];
/** Text that means something to somebody: SQL, patterns, formats, scripts, terminals. All of it is a name like any other. */
const ODD = [
  "'; drop table task; --",
  '"quoted"',
  "%",
  "_",
  "%_%",
  "\\",
  "a\\b\\",
  "\\x00",
  "$1",
  "#{x}",
  "{{x}}",
  "<script>alert(1)</script>",
  "null",
  "undefined",
  "__proto__",
  "constructor",
  "toString",
  "0",
  "-1",
  "NaN",
  "😀",
  "👩‍👩‍👧‍👦",
  "e\u0301",
  "\u202eright to left",
  "\u0001\u001f",
  "a\nb",
  "İstanbul",
  "ſtraße",
  "Ǆ",
  "ΟΔΟΣ",
  "  spaces around  ",
  ".*",
  "[a-z]",
  "ㅤ",
];

beforeAll(async () => {
  await call("task.enqueueMany", {
    queue: "some",
    tasks: [
      { name: "report", description: "yearly", tags: ["tag"], ownerId: "ann", dueAt: "2030-01-01T00:00:00Z" },
      { name: "letter" },
      { name: "report" },
    ],
  });
});

describe("names", () => {
  test("blank ones are refused, each where it stands", async () => {
    for (const name of BLANK) {
      const wrong = (path: string) => [{ path, message: "must not be blank" }];
      expect(await issues(call("project.create", { name }))).toEqual(wrong("name"));
      expect(await issues(call("project.update", { name: "default", newName: name }))).toEqual(wrong("newName"));
      expect(await issues(call("tag.create", { name }))).toEqual(wrong("name"));
      expect(await issues(call("tag.rename", { name: "tag", newName: name }))).toEqual(wrong("newName"));
      expect(await issues(call("category.create", { name }))).toEqual(wrong("name"));
      expect(await issues(call("category.create", { name: "x", parent: name }))).toEqual(wrong("parent"));
      expect(await issues(call("category.tree", { root: name }))).toEqual(wrong("root"));
      expect(await issues(call("task.enqueue", { queue: "q", name }))).toEqual(wrong("name"));
      expect(await issues(call("task.enqueue", { queue: "q", tags: ["x", name] }))).toEqual(wrong("tags[1]"));
      expect(await issues(call("task.enqueue", { queue: "q", categories: [name] }))).toEqual(wrong("categories[0]"));
      expect(await issues(call("task.enqueue", { queue: "q", ownerId: name }))).toEqual(wrong("ownerId"));
      expect(await issues(call("task.list", { tags: [name] }))).toEqual(wrong("tags[0]"));
      expect(await issues(call("task.list", { anyOf: [{}, { category: name }] }))).toEqual(wrong("anyOf[1].category"));
      expect(await issues(call("worker.tasks", { id: name }))).toEqual(wrong("id"));
    }
  });

  test("over-long ones are refused; the longest there may be is not", async () => {
    for (const unit of ["x", "ä", "😀"]) {
      const name = unit.repeat(80);
      expect((await call("project.create", { name })).name).toBe(name);
      expect((await call("category.create", { name })).name).toBe(name);
      expect(await issues(call("project.create", { name: `${name}x` }))).toEqual([
        { path: "name", message: "must not be longer than 80 characters" },
      ]);
      expect(await paths(call("category.update", { name, newName: `${name}x` }))).toEqual(["newName"]);
    }
    expect((await call("tag.create", { name: "😀".repeat(50) })).used).toBe(0);
    expect(await paths(call("tag.create", { name: "x".repeat(51) }))).toEqual(["name"]);
    expect(await paths(call("tag.create", { name: "x".repeat(1_000_000) }))).toEqual(["name"]);
    expect(
      await paths(call("task.enqueue", { queue: "q", tags: Array.from({ length: 51 }, (_, n) => `${n}`) })),
    ).toEqual(["tags"]);
    // Lower case, and the composed form, may be longer than what was sent.
    const growing = "İ".repeat(50);
    expect((await call("tag.create", { name: growing })).name).toBe(growing);
    expect((await call("tag.suggest", { prefix: "İ".repeat(49) })).tags).toEqual([growing]);
    const composed = "\u0958".repeat(50);
    expect((await call("tag.create", { name: composed })).name).toBe(composed);
    expect((await call("tag.list", { prefix: composed })).tags).toMatchObject([{ name: composed }]);
  });

  test("whatever else stands in them, they come back as they were sent", async () => {
    await call("project.create", { name: "odd" });
    const project = "odd";
    for (const name of ODD) {
      expect((await call("project.create", { name: `p ${name}` })).name).toBe(`p ${name}`);
      expect(await call("tag.create", { project, name })).toEqual({ name, colour: null, used: 0 });
      const category = await call("category.create", { project, name, description: name });
      expect(category).toMatchObject({ name, description: name });
      expect(await call("category.get", { project, name })).toEqual(category);
      const task = { name, description: name, ownerId: name, tags: [name], categories: [name] };
      const { id } = await call("task.enqueue", { project, queue: "q", ...task });
      expect(await call("task.get", { project, id })).toMatchObject(task);
      const found = { names: [name], ownerId: name, tags: [name], category: name };
      expect((await call("task.list", { project, ...found })).tasks.map((one) => one.id)).toEqual([id]);
      expect(await call("task.count", { project, ...found })).toEqual({ count: 1, exact: true });
    }
    for (const limit of [1, 7, 1000]) {
      const tags: string[] = [];
      const categories: string[] = [];
      let cursor: string | undefined;
      do {
        const page: Contract["tag.list"]["result"] = await call("tag.list", {
          project,
          limit,
          ...(cursor === undefined ? {} : { cursor }),
        });
        tags.push(...page.tags.map(({ name }) => name));
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined);
      do {
        const page: Contract["category.list"]["result"] = await call("category.list", {
          project,
          limit,
          ...(cursor === undefined ? {} : { cursor }),
        });
        categories.push(...page.categories.map(({ name }) => name));
        cursor = page.nextCursor ?? undefined;
      } while (cursor !== undefined);
      expect(tags.toSorted()).toEqual(ODD.toSorted());
      expect(categories.toSorted()).toEqual(ODD.toSorted());
    }
    const { categories } = await call("category.tree", { project });
    expect(categories.map(({ name }) => name).toSorted()).toEqual(ODD.toSorted());
    for (const name of ODD) {
      await call("tag.rename", { project, name, newName: `x${name}` });
      await call("tag.delete", { project, name: `x${name}` });
      await call("category.update", { project, name, newName: `x${name}` });
      await call("category.delete", { project, name: `x${name}` });
      await call("project.delete", { name: `p ${name}` });
    }
    expect((await call("tag.list", { project })).tags).toEqual([]);
    expect((await call("task.count", { queue: "some" })).count).toBe(3);
  });

  test("a zero byte, and half of a surrogate pair, are refused with their place", async () => {
    for (const bad of ["\\u0000", "\\ud83d", "\\ude00x"]) {
      expect(await rawIssues("tag.create", `{"name":"a${bad}"}`)).toEqual(["invalid_params", "name"]);
      expect(await rawIssues("tag.suggest", `{"prefix":"${bad}"}`)).toEqual(["invalid_params", "prefix"]);
      expect(await rawIssues("category.create", `{"name":"x","description":"${bad}"}`)).toEqual([
        "invalid_params",
        "description",
      ]);
      expect(await rawIssues("task.list", `{"text":"${bad}"}`)).toEqual(["invalid_params", "text"]);
      expect(await rawIssues("task.list", `{"anyOf":[{"tags":["x","${bad}"]}]}`)).toEqual([
        "invalid_params",
        "anyOf[0].tags[1]",
      ]);
      expect(await rawIssues("project.get", `{"name":"${bad}"}`)).toEqual(["invalid_params", "name"]);
    }
  });

  test("what is no text at all is refused with its place", async () => {
    for (const name of [null, 1, true, [], {}, ["x"]] as never[]) {
      expect(await paths(call("tag.create", { name }))).toEqual(["name"]);
      expect(await paths(call("category.get", { name }))).toEqual(["name"]);
      expect(await paths(call("project.update", { name: "default", newName: name }))).toEqual(["newName"]);
    }
    expect(await paths(call("tag.suggest", {} as never))).toEqual(["prefix"]);
    expect(await paths(call("task.list", { tags: "tag" as never }))).toEqual(["tags"]);
    expect(await paths(call("task.list", { tags: [] }))).toEqual(["tags"]);
    expect(await paths(call("task.list", { anyOf: [] }))).toEqual(["anyOf"]);
    expect(await paths(call("task.list", { anyOf: Array(6).fill({}) }))).toEqual(["anyOf"]);
    expect(await paths(call("task.list", { anyOf: [{ deleted: true } as never] }))).toEqual(["anyOf[0].deleted"]);
    expect(await paths(call("category.delete", { name: "x", children: "keep" as never }))).toEqual(["children"]);
  });
});

test("colours are six hexadecimal digits after a hash", async () => {
  for (const colour of [
    "",
    "#",
    "red",
    "#fff",
    "#ffffff00",
    "ffffff",
    "#fffffg",
    "#FFFFFF ",
    "#FFFFFF\n",
    "＃FFFFFF",
    "#٣٣٣٣٣٣",
  ]) {
    const wrong = [{ path: "colour", message: "must be a colour such as #3B82F6" }];
    expect(await issues(call("tag.create", { name: "coloured", colour }))).toEqual(wrong);
    expect(await issues(call("category.create", { name: "coloured", colour }))).toEqual(wrong);
  }
  expect(await paths(call("category.create", { name: "coloured", colour: null as never }))).toEqual(["colour"]);
  expect((await call("tag.list", { prefix: "coloured" })).tags).toEqual([]);
});

describe("cursors", () => {
  type Lists = "task.list" | "tag.list" | "category.list" | "project.list" | "worker.list";
  const forged = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString("base64url");
  const ID = "01900000-0000-7000-8000-000000000001";
  let worker = "";
  const ask = (method: string, params: object, cursor: string) =>
    call(method as Lists, { ...params, cursor } as Contract[Lists]["params"]);
  const LISTS: readonly (readonly [method: string, params: object])[] = [
    ["task.list", {}],
    ["task.list", { sort: "added" }],
    ["task.list", { sort: "finished" }],
    ["task.list", { sort: "-finished" }],
    ["task.list", { sort: "dueAt" }],
    ["task.list", { sort: "priority" }],
    ["task.list", { sort: "relevance", text: "report" }],
    ["tag.list", {}],
    ["tag.list", { sort: "-used" }],
    ["category.list", {}],
    ["project.list", {}],
    ["worker.list", {}],
    ["task.attempts", { id: "" }],
    ["worker.tasks", { id: "w" }],
  ];
  let task = "";
  beforeAll(async () => {
    task = (await call("task.enqueue", { queue: "cursors" })).id;
    await call("task.claim", { queue: "cursors", worker: "w" });
    worker = "w";
  });
  const filled = (params: object) => ({
    ...params,
    ...("id" in params ? { id: params.id === "w" ? worker : task } : {}),
  });

  test.each(LISTS)("that are none: %s %j", async (method, params) => {
    for (const cursor of [
      "",
      "x",
      "!!!",
      "null",
      Buffer.from("null").toString("base64url"),
      Buffer.from("{}").toString("base64url"),
      Buffer.from("[").toString("base64url"),
      Buffer.from('["\\u0000"]').toString("base64url"),
      Buffer.from('["\\ud800"]').toString("base64url"),
      forged(),
      forged(1),
      forged(null, null),
      forged("a", "b", "c", "d", "e"),
    ])
      expect([cursor, await paths(ask(method, filled(params), cursor))]).toEqual([cursor, ["cursor"]]);
    expect(await paths(ask(method, filled(params), "x".repeat(1001)))).toEqual(["cursor"]);
  });

  test("of another list, or of another sort, are refused, or show a page that is right for where they point", async () => {
    const real: string[] = [];
    await call("tag.create", { name: "another" });
    for (const name of ["c1", "c2"]) await call("category.create", { name });
    await call("task.enqueue", { queue: "cursors" });
    await call("task.claim", { queue: "cursors", worker: "w2" });
    for (const [method, params] of LISTS.slice(0, -2)) {
      const { nextCursor } = (await call(method as Lists, { ...params, limit: 1 } as Contract[Lists]["params"])) as {
        nextCursor: string | null;
      };
      expect([method, params, nextCursor]).toEqual([method, params, expect.any(String)]);
      real.push(nextCursor!);
    }
    for (const [at, [method, params]] of LISTS.entries())
      for (const [from, cursor] of real.entries()) {
        const answer = await ask(method, filled(params), cursor).then(
          () => "answered",
          ({ data }) => [data.type, data.issues[0].path],
        );
        if (at === from) expect(answer).toBe("answered");
        else if (answer !== "answered") expect(answer).toEqual(["invalid_params", "cursor"]);
      }
    // The sorts of task.list know one another's.
    for (const [at, cursor] of real.slice(0, 7).entries())
      for (const [of, [method, params]] of LISTS.slice(0, 7).entries())
        if (at !== of) expect(await paths(ask(method, params, cursor))).toEqual(["cursor"]);
  });

  test.each([
    ["task.list", {}, forged("-added", "not-an-id")],
    ["task.list", {}, forged("-added", `${ID}'`)],
    ["task.list", { sort: "priority" }, forged("priority", "10", ID)],
    ["task.list", { sort: "priority" }, forged("priority", "5; select 1", ID)],
    ["task.list", { sort: "dueAt" }, forged("dueAt", "tomorrow", ID)],
    ["task.list", { sort: "dueAt" }, forged("dueAt", "2026-99-99 99:99:99+99", ID)],
    ["task.list", { sort: "dueAt" }, forged("dueAt", "999999-01-01 00:00:00+00", ID)],
    ["task.list", { sort: "finished" }, forged("finished", "now", ID)],
    ["task.list", { sort: "relevance", text: "report" }, forged("relevance", "NaN", ID, ID)],
    ["task.list", { sort: "relevance", text: "report" }, forged("relevance", "1e400", ID, ID)],
    ["task.list", { sort: "relevance", text: "report" }, forged("relevance", "1", ID, "x")],
    ["tag.list", {}, forged("name", "many", "key")],
    ["tag.list", { sort: "-used" }, forged("-used", "1e3", "key")],
    ["worker.list", {}, forged("yesterday", "w")],
    ["worker.tasks", { id: "w" }, forged("x")],
    ["task.attempts", { id: "" }, forged("-1")],
    ["task.attempts", { id: "" }, forged("1.5")],
    ["task.attempts", { id: "" }, forged("x")],
  ] as const)("that somebody made, with nonsense in them: %s %j %s", async (method, params, cursor) => {
    expect(await paths(ask(method, filled(params), cursor))).toEqual(["cursor"]);
  });

  test.each([
    ["task.list", {}, forged("-added", "ffffffff-ffff-ffff-ffff-ffffffffffff")],
    ["task.list", { sort: "added" }, forged("added", "ffffffff-ffff-ffff-ffff-ffffffffffff")],
    ["task.list", { sort: "dueAt" }, forged("dueAt", "infinity", "ffffffff-ffff-ffff-ffff-ffffffffffff")],
    ["task.list", { sort: "dueAt" }, forged("dueAt", "-infinity", "00000000-0000-0000-0000-000000000000")],
    [
      "task.list",
      { sort: "relevance", text: "report" },
      forged("relevance", "1", ID, "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    ],
    [
      "task.list",
      { sort: "relevance", text: "report" },
      forged("relevance", "0", ID, "00000000-0000-0000-0000-000000000000"),
    ],
    ["tag.list", {}, forged("name", "0", "'; drop table tag; --")],
    ["tag.list", { sort: "-used" }, forged("-used", "-999999999999999", "%")],
    ["category.list", {}, forged("\u{10ffff}")],
    ["project.list", {}, forged("'")],
    ["worker.tasks", { id: "w" }, forged("ffffffff-ffff-ffff-ffff-ffffffffffff")],
    ["worker.tasks", { id: "w" }, forged("00000000-0000-0000-0000-000000000000")],
    ["task.attempts", { id: "" }, forged("999999999999999999999999")],
  ] as const)("that somebody made, at the ends of what there is: %s %j %s", async (method, params, cursor) => {
    const answer = await ask(method, filled(params), cursor).catch(({ data }) => data);
    if (answer.type !== undefined)
      expect(answer).toMatchObject({ type: "invalid_params", issues: [{ path: "cursor" }] });
    else expect(answer.nextCursor).toBeDefined();
  });
});

describe("searches", () => {
  const search = async (text: string) =>
    (await call("task.list", { queue: "some", text, sort: "added" })).tasks.map(({ name }) => name);

  test("of 1,001 characters are refused, of 1,000 answered", async () => {
    expect(await issues(call("task.list", { text: "x".repeat(1001) }))).toEqual([
      { path: "text", message: "must not be longer than 1000 characters" },
    ]);
    expect(await paths(call("task.count", { anyOf: [{ text: "x".repeat(1001) }] }))).toEqual(["anyOf[0].text"]);
    for (const text of ["x".repeat(1000), "a ".repeat(500), "x y ".repeat(250), "😀".repeat(500), '"'.repeat(1000)])
      expect(await search(text)).toEqual([]);
    expect(await search(`report ${"or x ".repeat(190)}`)).toEqual(["report", "report"]);
    expect(await search("-".repeat(1000))).toEqual([]);
    // So many negations of one another are none, or one.
    expect(await search(`${"-".repeat(40)}report`)).toEqual(["report", "report"]);
    expect(await search(`${"- ".repeat(41)}report`)).toEqual(["letter"]);
    expect(await search(`letter ${"-(! ".repeat(41)}report`)).toEqual(["letter"]);
    expect(await search(`${"report ".repeat(140)}`)).toEqual(["report", "report"]);
  });

  test.each([
    "'",
    "''",
    '"',
    '"""',
    '"report',
    'report"',
    "'; drop table task; --",
    "report & | ! ( ) <-> :*",
    "(((",
    ")))",
    "report:*",
    "report:A",
    "!!report",
    "report <-> yearly",
    "report <999999999999> yearly",
    "\\",
    "report\\",
    "\\'report\\'",
    "%",
    "_",
    "%report%",
    "rep_rt",
    "*",
    "or",
    "or or or",
    "- - -",
    "-",
    "--report",
    "and or not",
    "the of and",
    "\n\t\r",
    "😀",
    "report😀",
    "<b>report</b>",
    "a:b:c",
    "http://",
    "@",
    "\u0001",
    "$1 $2",
    "report\u0000".replace("\u0000", "\u200b"),
    "ㅤ",
    "\u202e",
  ])("%j is answered, alike by every sort, by count, and among alternatives", async (text) => {
    const found = await search(text);
    // What is found has the word that is looked for; nothing else may stand for it.
    for (const name of found) expect(name).toBe("report");
    const queue = "some";
    for (const sort of ["-added", "priority", "finished", "dueAt", "relevance"] as const)
      expect((await call("task.list", { queue, text, sort })).tasks).toHaveLength(found.length);
    expect(await call("task.count", { queue, text })).toEqual({ count: found.length, exact: true });
    const anyOf = [{ text }, { names: ["letter"] }];
    expect((await call("task.list", { queue, anyOf })).tasks).toHaveLength(found.length + 1);
    expect((await call("task.list", { queue, text, ownerId: "ann" })).tasks.length).toBeLessThanOrEqual(1);
  });

  test("what is searched may be odd as well", async () => {
    const long = "x".repeat(255);
    const { id } = await call("task.enqueue", { queue: "oddwords", name: long, description: "y".repeat(10_000) });
    expect((await call("task.list", { text: long })).tasks).toMatchObject([{ id }]);
    // A word of more than two thousand characters is no word to PostgreSQL; the task is there all the same.
    expect((await call("task.list", { queue: "oddwords", text: "y".repeat(1000) })).tasks).toEqual([]);
    const many = Array.from({ length: 1600 }, (_, n) => `w${n}`)
      .join(" ")
      .slice(0, 10_000);
    const { id: wordy } = await call("task.enqueue", { queue: "oddwords", description: many });
    expect((await call("task.list", { text: "w1234" })).tasks).toMatchObject([{ id: wordy }]);
  });
});

describe("prefixes", () => {
  const project = "prefixes";
  const TAGS = [
    "100%",
    "100 per cent",
    "a_b",
    "axb",
    "a\\b",
    "a%b",
    "\\",
    "'quoted'",
    "😀 fun",
    "Éa",
    "éb",
    "[x]",
    ".",
  ];
  beforeAll(async () => {
    await call("project.create", { name: project });
    for (const name of TAGS) await call("tag.create", { project, name });
  });
  const suggest = async (prefix: string) => (await call("tag.suggest", { project, prefix, limit: 50 })).tags;

  test.each([
    ["%", []],
    ["_", []],
    ["100%", ["100%"]],
    ["100", ["100 per cent", "100%"]],
    ["a_", ["a_b"]],
    ["a%", ["a%b"]],
    ["a\\", ["a\\b"]],
    ["\\", ["\\"]],
    ["\\\\", []],
    ["'", ["'quoted'"]],
    ["'; drop table tag; --", []],
    ["😀", ["😀 fun"]],
    ["É", ["Éa", "éb"]],
    ["e\u0301", ["Éa", "éb"]],
    ["[", ["[x]"]],
    [".", ["."]],
    [".*", []],
    ["*", []],
    ["A", ["a%b", "a\\b", "a_b", "axb"]],
    ["\u{10ffff}", []],
    ["\uffff", []],
    [" ", []],
  ])("%j finds what begins so, and no more", async (prefix, tags) => {
    expect(await suggest(prefix)).toEqual(tags);
    for (const sort of ["name", "-used"] as const)
      expect((await call("tag.list", { project, prefix, sort })).tags.map(({ name }) => name)).toEqual(tags);
  });

  test("an empty one finds all, an over-long one is refused", async () => {
    expect((await suggest("")).toSorted()).toEqual(TAGS.toSorted());
    expect(await suggest("x".repeat(50))).toEqual([]);
    expect(await issues(call("tag.suggest", { project, prefix: "x".repeat(51) }))).toEqual([
      { path: "prefix", message: "must not be longer than 50 characters" },
    ]);
    for (const limit of [0, -1, 51, 1.5])
      expect(await paths(call("tag.suggest", { prefix: "", limit }))).toEqual(["limit"]);
    for (const limit of [0, 1001]) expect(await paths(call("tag.list", { limit }))).toEqual(["limit"]);
  });
});

test("after all of it the tables are there, and every task is in one state", async () => {
  expect((await call("task.count", { queue: "some" })).count).toBe(3);
  expect(await call("admin.verify", {})).toEqual({ ok: true, violations: [] });
});
