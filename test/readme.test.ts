/** What the README tells newcomers to type works as it stands, but for the port. */
import { afterAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { testService } from "./support/service.ts";
import { until } from "./support/until.ts";

const service = testService();
const readme = await Bun.file(new URL("../README.md", import.meta.url)).text();
// Beside the sources, so that `opensqs/client` is found the way a user's program finds it.
const program = (name: string) => fileURLToPath(new URL(`./readme-${name}.generated.ts`, import.meta.url));
const worker = program("worker");
const workflow = program("workflow");

afterAll(() => Promise.all([worker, workflow].map((path) => rm(path, { force: true }))));

/** The code block that follows a mark, with the port of this test's service. */
function block(mark: string): string {
  const found = new RegExp(`<!-- ${mark} -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\n\`\`\``).exec(readme);
  if (!found) throw new Error(`The README has no block after <!-- ${mark} -->.`);
  return found[1]!.replaceAll("http://127.0.0.1:8080", service.url);
}

test("the curl tour of one task's life", async () => {
  const child = spawn("sh", ["-euc", block("tour")], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  expect(await new Promise((resolve) => child.on("close", resolve))).toBe(0);
  const answers = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).result);
  expect(answers).toHaveLength(7);
  const [enqueued, claimed, noted, completed, again, listed, stats] = answers;
  expect(enqueued).toMatchObject({ state: "pending", duplicate: false });
  expect(claimed.tasks).toMatchObject([{ id: enqueued.id, payload: { to: "ada@example.com" }, attempt: 1 }]);
  expect(noted).toEqual({ id: enqueued.id });
  expect([completed, again]).toEqual(Array(2).fill({ id: enqueued.id, state: "completed" }));
  expect(listed.tasks).toMatchObject([{ id: enqueued.id, state: "completed", result: { messageId: "m-1" } }]);
  expect(stats).toMatchObject({ queue: "mail", completed: 1, pending: 0, claimed: 0 });
});

test("the worker in ten lines", async () => {
  await Bun.write(worker, block("worker"));
  const child = spawn(process.execPath, [worker], { stdio: ["ignore", "inherit", "inherit"] });
  const ended = new Promise((resolve) => child.on("exit", (code, signal) => resolve(code ?? signal)));
  try {
    await until("the worker has done its task", async () => {
      const { tasks } = await service.call("task.list", { queue: "mail", states: ["completed"], limit: 1 });
      return JSON.stringify(tasks[0]?.result) === '{"sentTo":"ada@example.com"}';
    });
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
  } finally {
    child.kill("SIGKILL");
  }
});

test("the workflow of an import", async () => {
  await Bun.write(workflow, block("workflow"));
  const child = spawn(process.execPath, [workflow], { stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  try {
    expect(await new Promise((resolve) => child.on("close", resolve))).toBe(0);
  } finally {
    child.kill("SIGKILL");
  }
  expect(text.replace(/\s+/g, " ").trim()).toBe("completed { euros: 500, orders: 250, }");
  const { workflows } = await service.call("workflow.list", {});
  expect(workflows).toMatchObject([{ name: "import", state: "completed", counts: { completed: 5 } }]);
  const page = await service.call("task.get", { id: workflows[0]!.tasks[1]!.id });
  expect(page.progress).toEqual({ percent: 100, note: "100 orders" });
});
