import { type Listener, Worker, type WorkerEvent } from "../../client/index.ts";
import type { CommandContext } from "../context.ts";
import { execHandler } from "../exec.ts";
import { describeError } from "../failure.ts";
import { printable } from "../text.ts";
import { aborted } from "../wait.ts";

export interface WorkOptions {
  readonly exec: string;
  readonly name?: string[];
  readonly concurrency: number;
  readonly lease?: number;
  readonly grace: number;
}

/** Works until the signal is aborted, then lets what runs finish. */
export async function work(context: CommandContext, queues: string[], options: WorkOptions): Promise<void> {
  const handler = execHandler(options.exec, context.stderr);
  const names = options.name ?? [];
  const worker = new Worker({
    client: context.client,
    ...context.inProject,
    queues,
    ...(names.length === 0
      ? { handle: handler }
      : { handlers: Object.fromEntries(names.map((name) => [name, handler])) }),
    concurrency: options.concurrency,
    ...(options.lease === undefined ? {} : { leaseSeconds: options.lease }),
    onEvent: reporting(context),
  });
  context.stderr.write(`Working on ${queues.join(", ")} as ${worker.name}. Ctrl-C lets what runs finish.\n`);
  worker.start();
  await aborted(context.signal);
  if (worker.running > 0) context.stderr.write(`Stopping; up to ${options.grace} s for ${worker.running} running.\n`);
  await worker.stop({ graceSeconds: options.grace });
}

function reporting(context: CommandContext): Listener {
  return (event) => {
    const text = lineOf(event);
    if (text === null) return;
    const output = event.type === "trouble" || event.type === "unreported" ? context.stderr : context.stdout;
    output.write(context.json ? `${JSON.stringify(plain(event))}\n` : `${printable(text)}\n`);
  };
}

function lineOf(event: WorkerEvent): string | null {
  if (event.type === "trouble") {
    return `${event.during} failed, again in ${event.retryInSeconds.toFixed(1)} s: ${describeError(event.error)}`;
  }
  const task = `${event.type.padEnd(10)}  ${event.task.id}  ${event.task.name ?? "-"}`;
  switch (event.type) {
    case "started":
      return null;
    case "completed":
      return `${task}  ${event.seconds.toFixed(2)} s`;
    case "failed":
      return `${task}  ${event.state === "failed" ? "dead" : `again at ${event.runAt}`}: ${describeError(event.error)}`;
    case "released":
      return `${task}  ${event.reason}`;
    case "lease_lost":
      return `${task}  ${event.state}`;
    case "discarded":
      return `${task}  its lease was lost before it ended`;
    case "unreported":
      return `${task}  the service was not told: ${describeError(event.error)}`;
  }
}

/** The event as JSON: errors become their text, and the receipt, which is a credential of a kind, stays out. */
function plain(event: WorkerEvent): Record<string, unknown> {
  const fields: Record<string, unknown> = { ...event };
  if ("task" in event) {
    const { id, queue, name, attempt } = event.task;
    fields.task = { id, queue, name, attempt };
  }
  if ("error" in event) fields.error = describeError(event.error);
  if ("outcome" in event && event.outcome !== null && "error" in event.outcome) {
    fields.outcome = { error: describeError(event.outcome.error) };
  }
  return fields;
}
