import { Command, CommanderError, Option } from "commander";
import { enqueue } from "./commands/enqueue.ts";
import { list, stats } from "./commands/look.ts";
import { migrate } from "./commands/migrate.ts";
import { work } from "./commands/work.ts";
import { type CommandContext, commandContext } from "./context.ts";
import { demo } from "./demo/demo.ts";
import { demoWorker } from "./demo/demo-worker.ts";
import type { CliDeps } from "./deps.ts";
import { describeError, EXIT, UsageError } from "./failure.ts";
import { flushedOutput } from "./flushed-output.ts";
import { jsonObject, priority, seconds, url, whole } from "./options.ts";
import { untilInputEnds } from "./wait.ts";

export type { CliDeps, Migration, MigrationAction, TextOutput } from "./deps.ts";

const STATES = ["waiting", "pending", "claimed", "completed", "failed", "cancelled"];
const SORTS = ["added", "-added", "finished", "-finished", "dueAt", "priority"];

const AFTER_HELP = `
Exit codes: 0 done; 1 refused, unreachable or failed; 2 wrong command line.
The service is reached at --url, or else at OPENSQS_URL, or else at
http://127.0.0.1 on the port that PORT names (8080).`;

/**
 * Runs one command line (without the program's own name) and answers its exit code: 0 done, 1 refused or failed,
 * 2 usage. Writes only to the given outputs, and never throws.
 */
export async function run(argv: readonly string[], deps: CliDeps): Promise<number> {
  const stdout = flushedOutput(deps.stdout);
  const stderr = flushedOutput(deps.stderr);
  const code = await parseAndRun(argv, { ...deps, stdout, stderr });
  await Promise.all([stdout.flushed(), stderr.flushed()]);
  return code;
}

async function parseAndRun(argv: readonly string[], deps: CliDeps): Promise<number> {
  let code: number = EXIT.ok;
  const program = build(deps, (failed) => {
    code = failed;
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    // Help and version come as errors too; commander has written what there is to say.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    // Whoever pressed Ctrl-C knows why the command ended.
    if (deps.signal.aborted) return EXIT.failed;
    deps.stderr.write(`opensqs: ${describeError(error)}\n`);
    return error instanceof UsageError ? EXIT.usage : EXIT.failed;
  }
}

function build(deps: CliDeps, ended: (code: number) => void): Command {
  const program = new Command("opensqs")
    .description("A durable task queue for services.")
    .option("--url <url>", "the service to talk to", url)
    .option("--json", "write JSON for programs instead of text for people")
    .addHelpText("after", AFTER_HELP)
    .showHelpAfterError("Add --help to see how it is used.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void deps.stdout.write(text),
      writeErr: (text) => void deps.stderr.write(text),
      getOutHelpWidth: () => deps.stdout.columns ?? 80,
      getErrHelpWidth: () => deps.stderr.columns ?? 80,
    });
  if (deps.version !== undefined) program.version(deps.version);
  const context = () => commandContext(deps, program.opts());
  addServiceCommands(program, deps, context);
  addTaskCommands(program, context);
  addWorkCommand(program, context);
  addDemoCommands(program, deps, context, ended);
  return program;
}

function addServiceCommands(program: Command, deps: CliDeps, context: () => CommandContext): void {
  program
    .command("serve")
    .description("run the service until Ctrl-C; it is configured by environment variables, see the README")
    .action(() => deps.serve(deps.signal));
  const migrations = program
    .command("migrate")
    .description("apply the database migrations that are pending (serve does so by itself)")
    .action(() => migrate(context(), "up"));
  migrations
    .command("status")
    .description("show which migrations are applied")
    .action(() => migrate(context(), "status"));
  migrations
    .command("down")
    .description("take the last migration back")
    .action(() => migrate(context(), "down"));
}

function addTaskCommands(program: Command, context: () => CommandContext): void {
  program
    .command("enqueue <queue>")
    .description("add a task to a queue, which is created if it is new")
    .option("--name <name>", "what kind of task it is")
    .option("--payload <json>", "a JSON object, or - to read it from standard input")
    .option("--priority <0-9>", "0 is first and 9 last, or high, medium or low", priority)
    .option("--delay <seconds>", "not before so many seconds from now", seconds(0))
    .option("--run-at <time>", "not before this time, such as 2026-01-31T12:00:00Z")
    .option("--key <key>", "add it only if no unfinished task of the queue has this key")
    .option("--attempts <count>", "how often it is tried before it is dead", whole(1, 1000))
    .option("--depends-on <id...>", "not before these tasks are completed")
    .option("--description <text>", "for people")
    .option("--lines", "read standard input, each line of it the payload of one task")
    .action((queue: string, options) => enqueue(context(), queue, options));
  program
    .command("list [queue]")
    .description("show tasks, the newest first")
    .addOption(new Option("--state <state...>", "only tasks in these states").choices(STATES))
    .option("--name <name...>", "only tasks of these names")
    .option("--payload <json>", "only tasks whose payload contains this JSON object", jsonObject)
    .addOption(new Option("--sort <order>", "the order").choices(SORTS))
    .option("--limit <count>", "how many at most", whole(1, 1_000_000), 20)
    .action((queue: string | undefined, options) => list(context(), queue, options));
  program
    .command("stats [queue]")
    .description("show how many tasks each queue, or this one, holds in which state")
    .action((queue: string | undefined) => stats(context(), queue));
}

const AFTER_WORK = `
The command is run by /bin/sh. It gets the payload as JSON on standard input,
and OPENSQS_TASK_ID, OPENSQS_QUEUE, OPENSQS_TASK_NAME and OPENSQS_ATTEMPT in its
environment. Exit code 0 completes the task with what was written to standard
output as the result: as JSON if it is JSON, else as text. Any other exit code
fails the attempt, with the end of standard error as the message; the service
tries it again while attempts are left. If the task is cancelled or its lease
lost, the command gets SIGTERM, and SIGKILL five seconds later.

Example: opensqs work mail --exec 'jq -r .to | ./send' --concurrency 4`;

function addWorkCommand(program: Command, context: () => CommandContext): void {
  program
    .command("work <queue...>")
    .description("run a command for each task of these queues")
    .requiredOption("--exec <command>", "the shell command that does a task")
    .option("--name <name...>", "only tasks of these names")
    .option("--concurrency <count>", "how many at once", whole(1, 10_000), 1)
    .option("--lease <seconds>", "seconds until a task of a worker that died is given to another", seconds(1))
    .option("--grace <seconds>", "how long running commands may go on after Ctrl-C", seconds(0), 30)
    .addHelpText("after", AFTER_WORK)
    .action((queues: string[], options) => work(context(), queues, options));
}

function addDemoCommands(
  program: Command,
  deps: CliDeps,
  context: () => CommandContext,
  ended: (code: number) => void,
): void {
  program
    .command("demo")
    .description("see it work: a service of its own, 2,000 tasks, two workers, and one of them killed")
    .action(async () => ended((await demo(context())) ? EXIT.ok : EXIT.failed));
  // The demo's own processes end with it, even if it is killed: their standard input ends then.
  program.command("demo-serve", { hidden: true }).action(() => deps.serve(untilInputEnds(deps.signal, deps.stdin)));
  program
    .command("demo-worker <queue> <report>", { hidden: true })
    .action((queue: string, report: string) => demoWorker(context(), queue, report));
}
