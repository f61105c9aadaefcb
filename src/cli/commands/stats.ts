import type { QueueStats } from "../../client/index.ts";
import type { CommandContext } from "../context.ts";
import { type Column, shortCount, shortSeconds, table } from "../text.ts";

const COLUMNS: readonly Column[] = [
  { title: "QUEUE", least: 8 },
  ...["READY", "DELAYED", "WAITING", "CLAIMED", "DONE", "DEAD", "OLDEST", "IN/S", "OUT/S"].map((title) => ({
    title,
    right: true,
  })),
];

export async function stats(context: CommandContext, queue: string | undefined): Promise<void> {
  const { client, inProject, signal } = context;
  const answer = await client.queue.stats({ ...inProject, name: queue }, { signal });
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
  return table(COLUMNS, rows, width);
}
