import type { Command } from "commander";
import { work } from "../commands/work.ts";
import type { CommandContext } from "../context.ts";
import { seconds, whole } from "../options.ts";

const AFTER_WORK = `
The command is run by /bin/sh. It gets the payload as JSON on standard input,
and OPENSQS_TASK_ID, OPENSQS_QUEUE, OPENSQS_TASK_NAME and OPENSQS_ATTEMPT in its
environment; for a task of a workflow OPENSQS_WORKFLOW_ID and
OPENSQS_WORKFLOW_KEY too. If the task depends on others, OPENSQS_INPUTS is the
path of a file with their results: a JSON object, by key in a workflow, by id
outside. It goes when the command ends; else the variable is empty. The worker's
own OPENSQS_KEY, ADMIN_KEY and AUTH_SECRET are not in it: a command that calls
the service needs a key of its own, under another name. Exit code
0 completes the task with what was written to standard output as the result:
as JSON if it is JSON, else as text. Any other exit code fails the attempt,
with the end of standard error as the message; the service tries it again
while attempts are left. If the task is cancelled or its lease lost, the
command gets SIGTERM, and SIGKILL five seconds later.

Examples:
  opensqs work mail --exec 'jq -r .to | ./send' --concurrency 4
  opensqs work reports --exec 'jq "[.[].rows] | add" "$OPENSQS_INPUTS"'`;

export function addWorkCommand(program: Command, context: () => CommandContext): void {
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
