/** A worker that stands still past its lease comes back late: its completion must change nothing. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { testService } from "../support/service.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const service = testService();
const WORKER = fileURLToPath(new URL("./late-worker.ts", import.meta.url));

test("a worker stopped past its lease and resumed is refused with lease_lost", async () => {
  const { id } = await service.call("task.enqueue", { queue: "late" });
  const child = spawn(process.execPath, [WORKER, service.url], { stdio: ["pipe", "pipe", "inherit"] });
  const lines: string[] = [];
  child.stdout.on("data", (chunk) => lines.push(...String(chunk).trim().split("\n")));
  try {
    await until("the worker holds the task", () => lines.includes("claimed"));
    child.kill("SIGSTOP");
    // Its lease of a second runs out, and another worker gets the task.
    const { tasks } = await service.call("task.claim", {
      queue: "late",
      waitSeconds: 20,
      leaseSeconds: 60,
      worker: "second",
    });
    expect(tasks.map((task) => [task.id, task.attempt])).toEqual([[id, 2]]);
    child.kill("SIGCONT");
    child.stdin.write("complete\n");
    const answer = JSON.parse(
      await until("the late worker was answered", () => lines.find((line) => line.startsWith("{"))),
    );
    expect(answer.data).toEqual({ type: "lease_lost", state: "claimed" });
    expect(await service.call("task.complete", { receipt: tasks[0]!.receipt, result: "second" })).toEqual({
      id,
      state: "completed",
    });
    const task = await service.call("task.get", { id });
    expect(task.result).toBe("second");
    expect(task.errors.map(({ attempt, worker, code }) => ({ attempt, worker, code }))).toEqual([
      { attempt: 1, worker: "late", code: "lease_expired" },
    ]);
  } finally {
    child.kill("SIGKILL");
  }
});
