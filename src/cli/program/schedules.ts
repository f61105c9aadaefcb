import { type Command, Option } from "commander";
import { schedule, schedules } from "../commands/schedules.ts";
import type { CommandContext } from "../context.ts";
import { whole } from "../options.ts";

export function addScheduleCommands(program: Command, context: () => CommandContext): void {
  program
    .command("schedules")
    .description("show the schedules: when they fire, and when next and last; times are in UTC")
    .option("--limit <count>", "how many at most", whole(1, 1_000_000), 100)
    .action((options) => schedules(context(), options));
  program
    .command("schedule <name>")
    .description("show one schedule, or do one of these things with it")
    .addOption(new Option("--trigger", "make one task of it now").conflicts(["pause", "resume", "next"]))
    .addOption(new Option("--pause", "stop it from firing").conflicts(["resume", "next"]))
    .addOption(new Option("--resume", "let it fire again").conflicts(["next"]))
    .option("--next <count>", "show its next fire times, so many", whole(1, 100))
    .action((name: string, options) => schedule(context(), name, options));
}
