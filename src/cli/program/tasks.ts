import { type Command, Option } from "commander";
import { enqueue } from "../commands/enqueue.ts";
import { list } from "../commands/list.ts";
import { show } from "../commands/show.ts";
import { stats } from "../commands/stats.ts";
import type { CommandContext } from "../context.ts";
import { jsonObject, priority, seconds, time, whole } from "../options.ts";

const STATES = ["waiting", "pending", "claimed", "completed", "failed", "cancelled"];
const SORTS = ["added", "-added", "finished", "-finished", "dueAt", "priority", "relevance"];

export function addTaskCommands(program: Command, context: () => CommandContext): void {
  program
    .command("enqueue <queue>")
    .description("add a task to a queue, which is created if it is new")
    .option("--name <name>", "what kind of task it is")
    .option("--payload <json>", "a JSON object, or - to read it from standard input")
    .option("--priority <0-9>", "0 is first and 9 last, or high, medium or low", priority)
    .option("--delay <seconds>", "not before so many seconds from now", seconds(0))
    .option("--run-at <time>", "not before this time, such as 2026-01-31T12:00:00Z", time)
    .option("--key <key>", "add it only if no unfinished task of the queue has this key")
    .option("--attempts <count>", "how often it is tried before it is dead", whole(1, 1000))
    .option("--depends-on <id...>", "not before these tasks are completed")
    .option("--description <text>", "for people")
    .option("--tag <name...>", "tags, which are created if they are new")
    .option("--category <name...>", "categories it is in")
    .option("--owner <id>", "whose it is")
    .option("--due <time>", "when it should be done", time)
    .option("--lines", "read standard input, each line of it the payload of one task")
    .action((queue: string, options) => enqueue(context(), queue, options));
  program
    .command("list [queue]")
    .description("show tasks, the newest first; of a search the best first")
    .addOption(new Option("--state <state...>", "only tasks in these states").choices(STATES))
    .option("--name <name...>", "only tasks of these names")
    .option("--payload <json>", "only tasks whose payload contains this JSON object", jsonObject)
    .option("--tag <name...>", "only tasks that have all these tags")
    .option("--category <name>", "only tasks in this category or one below it")
    .option("--owner <id>", "only tasks of this owner")
    .option("--text <words>", "search name and description; of very many finds only the newest are ranked")
    .option("--priority <0-9>", "only tasks of this priority, or high, medium or low", priority)
    .option("--added-from <time>", "only tasks added then or later, such as 2026-01-31T12:00:00Z", time)
    .option("--added-to <time>", "only tasks added before", time)
    .option("--due-from <time>", "only tasks due then or later", time)
    .option("--due-to <time>", "only tasks due before", time)
    .option("--deleted", "deleted tasks instead of the others")
    .addOption(new Option("--sort <order>", "the order").choices(SORTS))
    .option("--limit <count>", "how many at most", whole(1, 1_000_000), 20)
    .action((queue: string | undefined, options) => list(context(), queue, options));
  program
    .command("show <id>")
    .description("show one task with all that is known of it, and its attempts")
    .action((id: string) => show(context(), id));
  program
    .command("stats [queue]")
    .description("show how many tasks each queue, or this one, holds in which state")
    .action((queue: string | undefined) => stats(context(), queue));
}
