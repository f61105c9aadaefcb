import type { Command } from "commander";
import type { CommandContext } from "../context.ts";
import { demo } from "../demo/demo.ts";
import { demoWorker } from "../demo/demo-worker.ts";
import type { CliDeps } from "../deps.ts";
import { EXIT } from "../failure.ts";
import { untilInputEnds } from "../wait.ts";

export function addDemoCommands(
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
