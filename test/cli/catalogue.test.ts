/** What the command line says of tags, categories, projects, workers and single tasks, against a real service. */
import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createClient, type Task } from "../../src/client/index.ts";
import { testService } from "../support/service.ts";
import { until } from "../support/until.ts";
import { cli } from "./support.ts";

setDefaultTimeout(60_000);
const service = testService();
const client = () => createClient({ url: service.url });
const run = (...argv: string[]) => cli(argv, { url: service.url });

/** What a command printed that was to succeed. */
async function printed(argv: readonly string[]): Promise<string> {
  const { code, out, err } = await run(...argv);
  expect([code, err]).toEqual([0, ""]);
  return out;
}
const lines = (out: string) => out.trimEnd().split("\n");
const jsonLines = async <T>(...argv: string[]) =>
  lines(await printed([...argv, "--json"])).map((line) => JSON.parse(line) as T);
/** The names of the tasks that `list` shows. */
async function listed(...argv: string[]): Promise<string[]> {
  const out = await printed(["list", ...argv, "--json"]);
  return [...out.matchAll(/"name":"(\w+)"/g)].map(([, name]) => name!);
}

function expectNarrow(out: string): void {
  for (const line of lines(out)) expect([...line].length, line).toBeLessThanOrEqual(80);
}

/** Tasks by their names; each was made by the command line. */
const ids: Record<string, string> = {};
async function enqueue(name: string, ...options: string[]): Promise<void> {
  ids[name] = JSON.parse(await printed(["enqueue", "mail", "--name", name, ...options, "--json"])).id;
}

beforeAll(async () => {
  await client().category.create({ name: "work" });
  await client().category.create({ name: "admin", parent: "work", colour: "#112233" });
  await client().category.create({ name: "play" });
  await client().tag.create({ name: "Red", colour: "#FF0000" });
  const due = "2030-06-01T12:00:00+02:00";
  await enqueue("first", "--tag", "red", "blue sky", "--category", "admin", "play", "--owner", "ann", "--due", due);
  await enqueue("second", "--tag", "red", "--category", "play", "--priority", "high", "--description", "Letters");
  await enqueue(
    "third",
    "--owner",
    "bob",
    "--description",
    "A letter: letters from Rome",
    "--due",
    "2031-01-01T00:00:00Z",
  );
  await enqueue("fourth");
  await enqueue("gone", "--tag", "red");
  await client().task.delete({ id: ids.gone! });
});

test("enqueue says what a task is found by", async () => {
  expect(await client().task.get({ id: ids.first! })).toMatchObject({
    tags: ["Red", "blue sky"],
    categories: ["admin", "play"],
    ownerId: "ann",
    dueAt: "2030-06-01T10:00:00.000Z",
  });
  const input = ['{"n":1}\n{"n":2}\n'];
  const argv = ["enqueue", "many", "--lines", "--tag", "bulk", "--category", "play", "--owner", "eve"];
  expect((await cli(argv, { url: service.url, input })).out).toBe("2 tasks enqueued in many\n");
  const { tasks } = await client().task.list({ queue: "many" });
  expect(tasks.map(({ tags, categories, ownerId }) => ({ tags, categories, ownerId }))).toEqual(
    Array(2).fill({ tags: ["bulk"], categories: ["play"], ownerId: "eve" }),
  );
  await client().queue.delete({ name: "many", force: true });
});

test.each([
  [["enqueue", "mail", "--category", "no such"], 1, "Not found (noun: category, id: no such)."],
  [["enqueue", "mail", "--tag", " "], 1, "tags[0] must not be blank"],
  [["enqueue", "mail", "--tag"], 2, "--tag"],
  [["enqueue", "mail", "--due", "tomorrow"], 2, "--due"],
  [["enqueue", "mail", "--due", "2030-02-31T00:00:00Z"], 1, "dueAt must be an ISO 8601 time"],
  [["list", "--category", "no such"], 1, "Not found (noun: category, id: no such)."],
  [["list", "--owner", ""], 1, "ownerId must not be blank"],
  [["list", "--priority", "urgent"], 2, "--priority"],
  [["list", "--added-from", "2030-01-01"], 2, "--added-from"],
  [["list", "--due-to", "2030-01-01T00:00:00"], 2, "--due-to"],
  [["list", "--sort", "best"], 2, "--sort"],
  [["list", "--sort", "relevance"], 2, "--sort relevance needs --text"],
  [["show"], 2, "missing required argument 'id'"],
  [["show", "1234"], 1, "id must be a task's id"],
  [["show", "01a1ffb9-8076-75fa-9679-060400000002"], 1, "Not found (noun: task"],
  [["tags", "--sort", "used"], 2, "--sort"],
  [["tags", "a".repeat(51)], 1, "prefix must not be longer than 50 characters"],
  [["workers", "--limit", "0"], 2, "--limit"],
  [["categories", "work"], 2, "too many arguments"],
  [["list", "--project", "no such"], 1, "Not found (noun: project, id: no such)."],
  [["categories", "--project", "no such"], 1, "Not found (noun: project, id: no such)."],
  [["show", "01a1ffb9-8076-75fa-9679-060400000002", "--project", " "], 1, "project must not be blank"],
])("%j ends with %d and says why", async (argv, code, message) => {
  const ran = await run(...argv);
  expect(ran).toMatchObject({ code, out: "" });
  expect(ran.err).toContain(message);
});

test.each([
  [
    ["--tag", "RED"],
    ["second", "first"],
  ],
  [["--tag", "red", "Blue Sky"], ["first"]],
  [["--tag", "red", "no such"], []],
  [
    ["--category", "play"],
    ["second", "first"],
  ],
  [["--category", "work"], ["first"]],
  [["--owner", "bob"], ["third"]],
  [["--priority", "high"], ["second"]],
  [["--priority", "2"], ["second"]],
  [
    ["--due-from", "2030-06-01T10:00:00Z"],
    ["third", "first"],
  ],
  [["--due-to", "2031-01-01T00:00:00Z"], ["first"]],
  [["--added-from", "2999-01-01T00:00:00Z"], []],
  [
    ["--added-to", "2999-01-01T00:00:00Z"],
    ["fourth", "third", "second", "first"],
  ],
  [
    ["--text", "letter"],
    ["third", "second"],
  ],
  [
    ["--text", "letter", "--sort", "added"],
    ["second", "third"],
  ],
  [["--text", "letter -rome"], ["second"]],
  [["--text", "letter", "--tag", "red", "--owner", "bob"], []],
  [["--deleted"], ["gone"]],
  [["--deleted", "--tag", "red"], ["gone"]],
])("list mail %j", async (options, names) => {
  expect(await listed("mail", ...options)).toEqual(names);
});

test("tags stand in the list where there are any, or were asked for, within 80 columns", async () => {
  const tagged = await printed(["list", "mail"]);
  expectNarrow(tagged);
  expect(lines(tagged)[0]).toMatch(/^ID {36}STATE {4}NAME +TAGS +TRIES/);
  expect(tagged).toMatch(/first +Red, blue sky +0\/5/);
  expect(tagged).toMatch(/fourth +- +0\/5/);
  const plain = await printed(["list", "--owner", "bob"]);
  expect(lines(plain)[0]).toMatch(/NAME +TRIES +ADDED \(UTC\)$/);
  await client().task.enqueue({ queue: "long", name: "n".repeat(100), tags: ["a long tag", "another long tag"] });
  const long = await printed(["list", "long"]);
  expectNarrow(long);
  expect(long).toMatch(/nnnnn… +a long /);
  expect(await printed(["list", "--tag", "nobody has it"])).toBe("No tasks.\n");
});

test("show tells all of a task and its attempts, within 80 columns", async () => {
  const payload = { to: "ada", text: `${"long ".repeat(40)}${"x".repeat(200)}` };
  const options = ["--attempts", "2", "--tag", "red", "--category", "play", "--owner", "ann", "--key", "k"];
  const description = `Two lines,\n${"of which one is long ".repeat(10)}`;
  const argv = ["enqueue", "shown", ...options, "--payload", JSON.stringify(payload), "--description", description];
  const { id } = JSON.parse(await printed([...argv, "--json"])) as Task;
  const worker = `host-${"w".repeat(60)}:1`;
  const failure = { message: `mailbox\u001b[2J\n${"does not exist ".repeat(10)}`, code: "gone", data: { try: 1 } };
  const first = await client().task.claim({ queue: "shown", worker });
  await client().task.fail({ receipt: first.tasks[0]!.receipt, error: failure, delaySeconds: 0 });
  const second = await client().task.claim({ queue: "shown", worker: "w2", waitSeconds: 10 });
  await client().task.progress({ receipt: second.tasks[0]!.receipt, percent: 40, note: "sorting" });

  const held = await printed(["show", id]);
  expectNarrow(held);
  expect(held).toMatch(new RegExp(`^id +${id}\nstate +claimed\nqueue +shown\nproject +default\n`));
  for (const field of [
    /^description +Two lines,\n {16}of which one is long/m,
    /^attempts +2 of 2$/m,
    /^tags +Red$/m,
    /^categories +play$/m,
    /^ownerId +ann$/m,
    /^worker +w2$/m,
    /^leaseExpiresAt +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/m,
    /^progress +40 %, sorting$/m,
    /^dedupeKey +k$/m,
  ])
    expect(held).toMatch(field);
  // Nothing is left out of what was cut into lines.
  expect(held.replace(/\s/g, "")).toContain(JSON.stringify(payload.text).replace(/\s/g, ""));
  expect(held).toMatch(/^ATTEMPT +WORKER +CLAIMED +FINISHED +OUTCOME +MESSAGE$/m);
  expect(held).toMatch(/^ {6}1 +host-w+… +[\d-]{10} [\d:]{8} +([\d-]{10} )?[\d:]{8} +failed +mailbox\S*…?$/m);
  expect(held).toMatch(/^ {6}2 +w2 +[\d-]{10} [\d:]{8} +- +claimed +-$/m);
  expect(held).toMatch(/\n\nErrors by attempt:\n1 {2}[\d-]{10} [\d:]{8} UTC {2}gone\n {3}mailbox\?\[2J\n {3}does not/);
  expect(held).toEndWith('\n   {"try":1}\n');
  expect(held).not.toContain("\u001b");

  await client().task.complete({ receipt: second.tasks[0]!.receipt, result: { sent: true } });
  const done = await printed(["show", id]);
  expect(done).toMatch(/^state +completed$/m);
  expect(done).toMatch(/^result +\{"sent":true\}$/m);
  expect(done).not.toContain("leaseExpiresAt");
  expect(done).toMatch(/^ {6}2 +w2 .* completed +-$/m);
  const [json] = await jsonLines<{ task: Task; attempts: unknown[] }>("show", id);
  expect(json!.task).toEqual(await client().task.get({ id }));
  expect(json!.attempts).toEqual((await client().task.attempts({ id })).attempts);
});

test("show of a task that nobody tried has no table; a deleted one is shown too", async () => {
  const fresh = await printed(["show", ids.fourth!]);
  expect(fresh).toMatch(/^payload +\{\}$/m);
  expect(fresh).not.toContain("ATTEMPT");
  const { id } = await client().task.enqueue({ queue: "mail", dependsOn: [ids.first!, ids.second!] });
  expect(await printed(["show", id])).toMatch(new RegExp(`^dependsOn +${ids.first}\n +${ids.second}$`, "m"));
  await client().task.delete({ id });
  expect(await printed(["show", ids.gone!])).toMatch(/^state +cancelled$[\s\S]*^deletedAt +\d{4}-/m);
});

test("tags: by name or by use, those that begin so", async () => {
  await client().project.create({ name: "tags" });
  const inIt = ["--project", "tags"];
  expect(await printed(["tags", ...inIt])).toBe("No tags.\n");
  await client().tag.create({ project: "tags", name: "Rare", colour: "#00FF00" });
  for (const tags of [["much"], ["much", "Rat\u001b[2J"]])
    await client().task.enqueue({ project: "tags", queue: "q", tags });
  expect(lines(await printed(["tags", ...inIt]))).toEqual([
    "NAME     USED  COLOUR",
    "much        2  -",
    "Rare        0  #00FF00",
    "Rat?[2J     1  -",
  ]);
  const sorted = await jsonLines<{ name: string }>("tags", "--sort", "-used", ...inIt);
  expect(sorted).toEqual([
    { name: "much", colour: null, used: 2 },
    { name: "Rat\u001b[2J", colour: null, used: 1 },
    { name: "Rare", colour: "#00FF00", used: 0 },
  ] as never);
  expect((await jsonLines<{ name: string }>("tags", "RA", ...inIt)).map(({ name }) => name)).toEqual([
    "Rare",
    "Rat\u001b[2J",
  ]);
  expect(lines(await printed(["tags", "--limit", "2", ...inIt]))).toEqual([
    "NAME  USED  COLOUR",
    "much     2  -",
    "Rare     0  #00FF00",
    "",
    "There are more; see --limit.",
  ]);
  expect(await printed(["tags", "--json", "nobody", ...inIt])).toBe("");
});

test("categories are shown below the one they belong to", async () => {
  await client().project.create({ name: "tree" });
  const inIt = ["--project", "tree"];
  expect(await printed(["categories", ...inIt])).toBe("No categories.\n");
  await client().category.create({ project: "tree", name: "work" });
  await client().category.create({ project: "tree", name: "admin", parent: "work", colour: "#112233" });
  await client().category.create({ project: "tree", name: "play" });
  await client().task.enqueueMany({
    project: "tree",
    queue: "q",
    tasks: [{ categories: ["play", "admin"] }, { categories: ["play"] }],
  });
  expect(lines(await printed(["categories", ...inIt]))).toEqual([
    "NAME     TASKS  COLOUR",
    "play         2  #3B82F6",
    "work         0  #3B82F6",
    "  admin      1  #112233",
  ]);
  expect(await jsonLines("categories", ...inIt)).toEqual([await client().category.tree({ project: "tree" })]);
  let parent = "admin";
  for (let level = 2; level < 6; level++) {
    const name = `${level} ${"n".repeat(70)}`;
    await client().category.create({ project: "tree", name, parent });
    parent = name;
  }
  const deep = await printed(["categories", ...inIt]);
  expectNarrow(deep);
  expect(deep).toMatch(/^ {10}5 n+… +0 {2}#3B82F6$/m);
});

test("projects, and what is in which", async () => {
  await client().project.create({ name: "second", description: "What it is for. ".repeat(10) });
  const projects = await printed(["projects"]);
  expectNarrow(projects);
  expect(lines(projects)[0]).toMatch(/^NAME +DESCRIPTION +ADDED \(UTC\)$/);
  expect(projects).toMatch(/^second +What it is for\. .*… +\d{4}-\d\d-\d\d \d\d:\d\d$/m);
  expect((await jsonLines<{ name: string }>("projects")).map(({ name }) => name)).toContain("default");

  const inIt = ["--project", "second"];
  const { id } = JSON.parse(await printed([...inIt, "enqueue", "mail", "--name", "ours", "--tag", "ours", "--json"]));
  expect((await cli(["enqueue", "mail", "--lines", ...inIt], { url: service.url, input: ["{}"] })).code).toBe(0);
  expect(await listed("--tag", "ours")).toEqual([]);
  expect(await listed("--tag", "ours", ...inIt)).toEqual(["ours"]);
  expect((await run("show", id)).err).toContain("Not found (noun: task");
  expect(await printed(["show", id, ...inIt])).toMatch(/^project +second$/m);
  expect(await printed(["stats", ...inIt])).toMatch(/^mail +2 /m);
  expect(await printed(["tags", ...inIt])).toMatch(/^ours +1 /m);

  const stop = new AbortController();
  const working = cli([...inIt, "work", "mail", "--exec", "cat"], { url: service.url, signal: stop.signal });
  await until("its tasks are done", async () => {
    const { count } = await client().task.count({ project: "second", states: ["completed"] });
    return count === 2;
  });
  stop.abort();
  expect((await working).code).toBe(0);
  expect(await listed("mail", "--state", "completed")).toEqual([]);
});

test("workers: what they are at, the last seen first", async () => {
  await client().project.create({ name: "staffed" });
  const inIt = ["--project", "staffed"];
  expect(await printed(["workers", ...inIt])).toBe("No workers yet.\n");
  const claim = async (queue: string, worker: string) => {
    await client().task.enqueue({ project: "staffed", queue });
    return (await client().task.claim({ project: "staffed", queue, worker })).tasks[0]!.receipt;
  };
  const one = `host-${"w".repeat(100)}:1`;
  await client().task.complete({ project: "staffed", receipt: await claim("q", one) });
  await client().task.fail({
    project: "staffed",
    receipt: await claim("a_queue_with_a_long_name_as_they_go", one),
    error: { message: "no" },
  });
  await until("the first is not the last seen", async () => {
    await claim("q", "two");
    return (await printed(["workers", ...inIt])).split("\n")[1]!.startsWith("two");
  });
  const workers = await printed(["workers", ...inIt]);
  expectNarrow(workers);
  expect(lines(workers)[0]).toMatch(/^ID +QUEUES +SEEN +CLAIMED +DONE +FAILED$/);
  expect(workers).toMatch(/^two +q +\d{4}-\d\d-\d\d \d\d:\d\d +\d+ +0 +0$/m);
  expect(workers).toMatch(/^host-w+… +a_queue_\S*… +\d{4}-\d\d-\d\d \d\d:\d\d +2 +1 +1$/m);
  expect((await jsonLines<{ id: string }>("workers", ...inIt)).map(({ id }) => id)).toEqual(["two", one]);
  expect(await printed(["workers", "--limit", "1", ...inIt])).toEndWith("\nThere are more; see --limit.\n");
});

test("help of what is new fits 80 columns", async () => {
  for (const command of ["show", "tags", "categories", "projects", "workers", "list", "enqueue"])
    expectNarrow(await printed([command, "--help"]));
});

test("the client knows the catalogue's methods by their names", async () => {
  expect(await client().tag.suggest({ prefix: "RE" })).toEqual({ tags: ["Red"] });
  expect(await client().category.get({ name: "admin" })).toMatchObject({ parent: "work", tasks: 1 });
  expect((await client().project.list()).projects.map(({ name }) => name)).toContain("default");
});
