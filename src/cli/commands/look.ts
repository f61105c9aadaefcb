import type { JsonObject, Params, QueueStats, Task } from "../../client/index.ts";
import type { CommandContext } from "../context.ts";
import { type Column, cut, printable, shortCount, shortSeconds, shortTime, table } from "../text.ts";

export interface ListOptions {
  readonly state?: Task["state"][];
  readonly name?: string[];
  readonly payload?: JsonObject;
  readonly sort?: Params<"task.list">["sort"];
  readonly limit: number;
}

/** The most one task.list answers. */
const PAGE_MAX = 1000;

const TASK_COLUMNS: readonly Column[] = [
  { title: "ID" },
  { title: "STATE" },
  { title: "NAME", least: 8 },
  { title: "TRIES", right: true },
  { title: "ADDED (UTC)", least: 11 },
];

export async function list(context: CommandContext, queue: string | undefined, options: ListOptions): Promise<void> {
  const tasks: Task[] = [];
  let cursor: string | null = null;
  do {
    const page: { tasks: Task[]; nextCursor: string | null } = await context.client.task.list(
      {
        queue,
        states: options.state,
        names: options.name,
        payload: options.payload,
        sort: options.sort,
        limit: Math.min(options.limit - tasks.length, PAGE_MAX),
        ...(cursor === null ? {} : { cursor }),
      },
      { signal: context.signal },
    );
    tasks.push(...page.tasks);
    cursor = page.nextCursor;
  } while (cursor !== null && tasks.length < options.limit);
  if (context.json) for (const task of tasks) context.stdout.write(`${JSON.stringify(task)}\n`);
  else context.stdout.write(tasks.length === 0 ? "No tasks.\n" : taskTable(tasks, cursor !== null, context.width));
}

function taskTable(tasks: readonly Task[], more: boolean, width: number): string {
  const rows = tasks.map((task) => [
    task.id,
    task.state,
    task.name ?? "-",
    `${task.attempts}/${task.maxAttempts}`,
    shortTime(task.added),
  ]);
  // Why a task is dead is what people look for.
  const reasons = tasks.flatMap(({ id, state, errors }) => {
    const last = state === "failed" ? errors.at(-1) : undefined;
    return last === undefined ? [] : [`${cut(`${id}: ${printable(last.message)}`, width)}\n`];
  });
  const why = reasons.length === 0 ? "" : `\nLast errors of the dead:\n${reasons.join("")}`;
  return `${table(TASK_COLUMNS, rows, width)}${why}${more ? "\nThere are more; see --limit.\n" : ""}`;
}

const STATS_COLUMNS: readonly Column[] = [
  { title: "QUEUE", least: 8 },
  ...["READY", "DELAYED", "WAITING", "CLAIMED", "DONE", "DEAD", "OLDEST", "IN/S", "OUT/S"].map((title) => ({
    title,
    right: true,
  })),
];

export async function stats(context: CommandContext, queue: string | undefined): Promise<void> {
  const answer = await context.client.queue.stats({ name: queue }, { signal: context.signal });
  const queues = "queues" in answer ? answer.queues : [answer];
  context.print(answer, () => (queues.length === 0 ? "No queues yet.\n" : statsTable(queues, context.width)));
}

function statsTable(queues: readonly QueueStats[], width: number): string {
  const rows = queues.map((each) => [
    each.queue,
    ...[each.pending, each.delayed, each.waiting, each.claimed, each.completed, each.failed].map(shortCount),
    shortSeconds(each.oldestReadySeconds),
    shortCount(each.enqueuedPerSecond),
    shortCount(each.completedPerSecond),
  ]);
  return table(STATS_COLUMNS, rows, width);
}
