/** What the command line says of workflows, against a real service. */
import { beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { createClient } from "../../src/client/index.ts";
import { testService } from "../support/service.ts";
import { until } from "../support/until.ts";
import { cli, type Given } from "./support.ts";

setDefaultTimeout(60_000);
const service = testService();
const client = () => createClient({ url: service.url });
let queue: string;
beforeEach(() => {
  queue = crypto.randomUUID();
});

const run = (argv: readonly string[], given: Given = {}) => cli(argv, { url: service.url, ...given });
const started = () =>
  client()
    .workflow("import", { queue })
    .task("fetch")
    .task("store", { dependsOn: ["fetch"] })
    .start();
const held = async () => (await client().task.claim({ queue, waitSeconds: 10 })).tasks[0]!;
async function complete(): Promise<void> {
  await client().task.complete({ receipt: (await held()).receipt });
}

/** An output that a test can read while the command runs. */
function screen(isTTY: boolean) {
  const output = {
    text: "",
    isTTY,
    columns: 80,
    rows: 24,
    write(text: string, written?: () => void) {
      output.text += text;
      written?.();
    },
  };
  return output;
}

test("a workflow is shown as it is, as a tree or as JSON", async () => {
  const flow = await started();
  expect(await run(["workflow", flow.id, "--once"])).toEqual({
    code: 0,
    out: "import  running  1 pending, 1 waiting of 2\n○ fetch  pending\n└─ ◌ store  waiting\n",
    err: "",
  });
  const { receipt } = await held();
  await client().task.progress({ receipt, percent: 40, note: "sorting" });
  expect((await run(["workflow", flow.id, "--once"])).out).toContain("▶ fetch  claimed  40 %, sorting\n");
  const { out } = await run(["workflow", flow.id, "--once", "--json"]);
  expect(JSON.parse(out)).toEqual(await flow.get());
});

test("it is followed until it has ended, by lines elsewhere than on a terminal", async () => {
  const flow = await started();
  const stdout = screen(false);
  const ended = run(["workflow", flow.id], { stdout });
  await until("it is shown", () => stdout.text.includes("\n"));
  await complete();
  await until("the change is told", () => stdout.text.includes("completed  fetch\n"));
  await complete();
  expect((await ended).code).toBe(0);
  expect(stdout.text).toStartWith("import  running  1 pending, 1 waiting of 2\n");
  expect(stdout.text).toEndWith(
    "completed  store\nimport  completed  2 completed of 2\n✓ fetch  completed\n└─ ✓ store  completed\n",
  );
  expect(stdout.text).not.toContain("\u001b");
  expect(await run(["workflow", flow.id])).toMatchObject({
    code: 0,
    out: "import  completed  2 completed of 2\n✓ fetch  completed\n└─ ✓ store  completed\n",
  });
});

test("on a terminal it is drawn anew, with how far tasks are", async () => {
  const flow = await started();
  const stdout = screen(true);
  const ended = run(["workflow", flow.id], { stdout });
  await until("it is drawn", () => stdout.text.includes("○ fetch  pending"));
  const { receipt } = await held();
  await client().task.progress({ receipt, percent: 40 });
  await until("its progress is drawn", () => stdout.text.includes("▶ fetch  claimed  40 %"));
  await client().task.fail({ receipt, error: { message: "no" }, retry: false });
  expect((await ended).code).toBe(1);
  expect(stdout.text).toContain("\u001b[3A\rimport  failed  1 failed, 1 cancelled of 2\u001b[K\n");
});

test("--json waits too and tells the end; a failure is an exit code", async () => {
  const flow = await started();
  const ended = run(["workflow", flow.id, "--json"]);
  await client().task.fail({ receipt: (await held()).receipt, error: { message: "no" }, retry: false });
  const { code, out } = await ended;
  expect([code, JSON.parse(out)]).toEqual([1, await flow.get()]);
});

test("Ctrl-C ends the display only", async () => {
  const flow = await started();
  const stop = new AbortController();
  const [stdout, stderr] = [screen(true), screen(false)];
  const ended = run(["workflow", flow.id], { stdout, stderr, signal: stop.signal });
  await until("it is drawn", () => stdout.text.includes("○ fetch  pending"));
  stop.abort();
  expect((await ended).code).toBe(1);
  expect(stderr.text).toBe("The workflow goes on; this was only its display.\n");
  expect((await flow.get()).state).toBe("running");
});

test("it is cancelled and retried", async () => {
  const flow = await started();
  expect(await run(["workflow", flow.id, "--cancel"])).toEqual({
    code: 0,
    out: "import  cancelled  2 cancelled of 2\n– fetch  cancelled\n└─ – store  cancelled\n",
    err: "",
  });
  expect((await run(["workflow", flow.id, "--retry", "--once"])).out).toContain("import  running  1 pending");
  await flow.cancel();
  const ended = run(["workflow", flow.id, "--retry"]);
  await complete();
  await complete();
  expect(await ended).toMatchObject({ code: 0 });
});

test("very many changes at once are a summary", async () => {
  const built = client().workflow("wide", { queue });
  for (let at = 0; at < 30; at++) built.task(`${at}`);
  const flow = await built.start();
  const stdout = screen(false);
  const ended = run(["workflow", flow.id], { stdout });
  await until("it is shown", () => stdout.text.includes("30 pending"));
  await flow.cancel();
  expect((await ended).code).toBe(1);
  const lines = stdout.text.trimEnd().split("\n");
  expect(lines.slice(0, 3)).toEqual([
    "wide  running  30 pending of 30",
    "wide  cancelled  30 cancelled of 30",
    "– 0  cancelled",
  ]);
  expect(lines.at(-1)).toBe("… 20 more: 20 cancelled");
});

test("workflows are listed, by state", async () => {
  await client().project.create({ name: queue });
  const list = async (...argv: string[]) => (await run(["workflows", "--project", queue, ...argv])).out;
  expect(await list()).toBe("No workflows.\n");
  const start = (name?: string) => client().workflow(name, { queue, project: queue }).task("a").task("b").start();
  const [one, two] = [await start(), await start("n".repeat(60))];
  await one.cancel();
  const all = await list();
  expect(all).toMatch(/^ID +STATE +NAME +ENDED +TASKS\n/);
  expect(all).toMatch(new RegExp(`^${two.id} +running +n+… +0 +2\n${one.id} +cancelled +- +2 +2$`, "m"));
  for (const line of all.split("\n")) expect([...line].length).toBeLessThanOrEqual(80);
  expect(await list("--state", "running", "failed", "--json")).toBe(`${JSON.stringify(await two.get())}\n`);
  expect(await list("--limit", "1")).toContain("There are more");
});

test.each([
  [["workflow"], 2, "missing required argument 'id'"],
  [["workflow", "1234"], 1, "id must be a workflow's id"],
  [["workflow", "01a1ffb9-8076-75fa-9679-060400000001"], 1, "Not found (noun: workflow"],
  [["workflow", "01a1ffb9-8076-75fa-9679-060400000001", "--retry"], 1, "Not found (noun: workflow"],
  [["workflow", "x", "--cancel", "--retry"], 2, "cannot be used with"],
  [["workflows", "--state", "waiting"], 2, "--state"],
  [["workflows", "--project", "nowhere"], 1, "Not found (noun: project, id: nowhere)."],
])("%j ends with %d and says why", async (argv, code, message) => {
  const ran = await run(argv);
  expect(ran).toMatchObject({ code, out: "" });
  expect(ran.err).toContain(message);
});

test("a refused change is told", async () => {
  const flow = await started();
  await flow.cancel();
  expect((await run(["workflow", flow.id, "--cancel"])).err).toContain("(state: cancelled)");
});
