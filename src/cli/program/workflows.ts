import { type Command, Option } from "commander";
import { workflow, workflows } from "../commands/workflow.ts";
import type { CommandContext } from "../context.ts";
import { whole } from "../options.ts";

const STATES = ["running", "completed", "failed", "cancelled"];

const AFTER_WORKFLOW = `
Each task stands below the first of those it depends on; the others are named.
Where many tasks are alike, some are shown and the rest is counted. On a
terminal the tree is drawn anew as it changes, elsewhere each change is a line
and the tree comes at the end. Ctrl-C ends the display, not the workflow.
Exit code 0 if the workflow completed, 1 if it failed or was cancelled or is
still running; with --once or --cancel 0 once it is shown.`;

export function addWorkflowCommands(
  program: Command,
  context: () => CommandContext,
  ended: (code: number) => void,
): void {
  program
    .command("workflows")
    .description("show the workflows, the newest first; times are in UTC")
    .addOption(new Option("--state <state...>", "only workflows in these states").choices(STATES))
    .option("--limit <count>", "how many at most", whole(1, 1_000_000), 20)
    .action((options) => workflows(context(), options));
  program
    .command("workflow <id>")
    .description("show a workflow as a tree of its tasks, until it has ended")
    .option("--once", "show it as it is now")
    .addOption(new Option("--cancel", "cancel its unfinished tasks, and show it").conflicts("retry"))
    .option("--retry", "run its failed and cancelled tasks again")
    .addHelpText("after", AFTER_WORKFLOW)
    .action(async (id: string, options) => ended(await workflow(context(), id, options)));
}
