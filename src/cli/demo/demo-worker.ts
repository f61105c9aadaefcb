import { appendFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { type ClaimedTask, Worker } from "../../client/index.ts";
import type { CommandContext } from "../context.ts";
import { describeError } from "../failure.ts";
import { aborted, untilInputEnds } from "../wait.ts";
import { type DemoWork, LEASE_SECONDS } from "./plan.ts";

const CONCURRENCY = 30;

/** One completion that the service accepted, as the worker that made it wrote it down. */
export interface Accepted {
  readonly id: string;
  readonly attempt: number;
}

/**
 * The demo's worker process: works until the signal is aborted. Each accepted completion is appended to `report` before
 * anything else happens, by a call that has the line in the kernel when it returns: what a SIGKILL leaves in the file is
 * all that the worker knew.
 */
export async function demoWorker(context: CommandContext, queue: string, report: string): Promise<void> {
  const worker = new Worker({
    client: context.client,
    queue,
    concurrency: CONCURRENCY,
    leaseSeconds: LEASE_SECONDS,
    handle: (task, { attempt, signal }) => pretend(task, attempt, signal),
    onEvent(event) {
      // The demo shows this if the run ends badly.
      if (event.type === "trouble" || event.type === "unreported") {
        context.stderr.write(`${event.type} during ${event.during}: ${describeError(event.error)}\n`);
      }
      if (event.type !== "completed") return;
      const accepted: Accepted = { id: event.task.id, attempt: event.task.attempt };
      appendFileSync(report, `${JSON.stringify(accepted)}\n`);
    },
  }).start();
  await aborted(untilInputEnds(context.signal, context.stdin));
  await worker.stop({ graceSeconds: 5 });
}

/** The result names the attempt, so that the task as the service keeps it can be held against the workers' reports. */
async function pretend(task: ClaimedTask, attempt: number, signal: AbortSignal): Promise<{ attempt: number }> {
  const work = task.payload.demo as unknown as DemoWork;
  await pause(work.workMs, undefined, { signal });
  if (work.fails === "always") throw Object.assign(new Error("mailbox does not exist"), { code: "hopeless" });
  if (work.fails === "once" && attempt === 1)
    throw Object.assign(new Error("connection reset"), { code: "ECONNRESET" });
  return { attempt };
}
