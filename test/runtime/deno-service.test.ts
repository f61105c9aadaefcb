/** The whole service on Deno: the same program, the same API, the same database. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { connectPaused } from "../rpc/raw-http.ts";
import { testDatabase } from "../support/postgres.ts";
import { rpc, type SpawnedService, spawnService, startInstance } from "../support/service.ts";
import { rpcSocket } from "../support/socket.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const database = testDatabase();

/** Deno's own program: the launcher in node_modules/.bin is a Node process around it, which would take the signals. */
function denoProgram(): string {
  return (createRequire(import.meta.url)("deno/install_api.cjs") as { runInstall(): string }).runInstall();
}

function startDeno(env: Record<string, string> = {}): Promise<SpawnedService> {
  // No lock file: the project has Bun's.
  const command = [denoProgram(), "run", "--quiet", "--no-lock", "-A", MAIN, "serve"];
  return spawnService({ DATABASE_URL: database.url, ...env }, command);
}

test("drives one task through on Deno, and hands another to an instance on Bun", async () => {
  const deno = await startDeno();
  const bun = await startInstance(database.url);
  try {
    const payload = { text: "日本語", list: [1, null] };
    const { id } = await rpc(deno.url, "task.enqueue", { queue: "deno", payload, name: "first", requestId: "once" });
    expect(
      await rpc(deno.url, "task.enqueue", { queue: "deno", payload, name: "first", requestId: "once" }),
    ).toMatchObject({ id });
    const { tasks } = await rpc(deno.url, "task.claim", { queue: "deno", names: ["first"], worker: "w" });
    expect(tasks.map((task) => [task.id, task.payload])).toEqual([[id, payload]]);
    const { receipt } = tasks[0]!;
    await rpc(deno.url, "task.progress", { receipt, percent: 50 });
    expect(await rpc(deno.url, "task.complete", { receipt, result: [true] })).toEqual({ id, state: "completed" });
    expect(await rpc(bun.url, "task.get", { id })).toMatchObject({ state: "completed", result: [true], attempts: 1 });

    // A claim that waits on Deno is woken by a task that Bun takes in.
    const waiting = rpc(deno.url, "task.claim", { queue: "deno", waitSeconds: 30 });
    const second = await rpc(bun.url, "task.enqueue", { queue: "deno" });
    expect((await waiting).tasks.map((task) => task.id)).toEqual([second.id]);
    expect((await rpc(deno.url, "admin.verify", {})).violations).toEqual([]);
  } finally {
    await bun.stop();
    expect(await deno.stop()).toBe(0);
  }
});

test("serves calls over a WebSocket on Deno, and lets a claim that waits end when it stops", async () => {
  const deno = await startDeno();
  try {
    const { call, closed } = await rpcSocket(deno.url);
    const waiting = call("task.claim", { queue: "socket", waitSeconds: 60 });
    const { id } = await call("task.enqueue", { queue: "socket", payload: { text: "日本語" } });
    const { tasks } = await waiting;
    expect(tasks).toMatchObject([{ id, payload: { text: "日本語" } }]);
    expect(await call("task.complete", { receipt: tasks[0]!.receipt })).toEqual({ id, state: "completed" });
    const next = call("task.claim", { queue: "socket", waitSeconds: 60, worker: "w" });
    // Answered behind the claim's first look, or beside it: either way the claim is there.
    await call("task.get", { id });
    expect(await deno.stop()).toBe(0);
    expect(await next).toEqual({ tasks: [] });
    expect(await closed).toMatchObject({ code: 1001 });
  } finally {
    expect(await deno.stop()).toBe(0);
  }
});

test("bounds answers that nobody reads on Deno, and forgets those whose readers have gone", async () => {
  const MIB = 1024 * 1024;
  const deno = await startDeno({ ANSWER_BYTES_MAX: `${8 * MIB}`, ANSWERS_BYTES_MAX: `${16 * MIB}` });
  try {
    await rpc(deno.url, "queue.create", { name: "large", maxPayloadBytes: 4 * MIB });
    for (let count = 0; count < 2; count++) {
      await rpc(deno.url, "task.enqueue", { queue: "large", payload: { a: "x".repeat(4 * MIB - 5000) } });
    }
    const list = () => rpc(deno.url, "task.list", { queue: "large" });
    const isRefused = () =>
      list().then(
        () => false,
        ({ data }) => data.type === "overloaded",
      );
    expect((await list()).tasks).toHaveLength(2);
    const port = Number(new URL(deno.url).port);
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "task.list", params: { queue: "large" } });
    const lines = ["POST /rpc HTTP/1.1", `Host: localhost:${port}`, "Content-Type: application/json"];
    const paused = await Promise.all([1, 2].map(() => connectPaused(port)));
    for (const { write } of paused) write([...lines, `Content-Length: ${body.length}`, "", body].join("\r\n"));
    await until("there is no room", isRefused);
    for (const { hangUp } of paused) hangUp();
    await until("there is room again", async () => !(await isRefused()));
  } finally {
    expect(await deno.stop()).toBe(0);
  }
});
