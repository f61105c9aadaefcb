import { type Command, Option } from "commander";
import { categories, projects, tags, workers } from "../commands/catalogue.ts";
import type { CommandContext } from "../context.ts";
import { whole } from "../options.ts";

const TAG_SORTS = ["name", "-used"];

export function addCatalogueCommands(program: Command, context: () => CommandContext): void {
  program
    .command("tags [prefix]")
    .description("show the tags, or those that begin so, and how many tasks have them")
    .addOption(new Option("--sort <order>", "by name, or the most used first").choices(TAG_SORTS))
    .option("--limit <count>", "how many at most", whole(1, 1_000_000), 100)
    .action((prefix: string | undefined, options) => tags(context(), prefix, options));
  program
    .command("categories")
    .description("show the categories, each below the one it belongs to, and how many tasks are in them")
    .action(() => categories(context()));
  program
    .command("projects")
    .description("show the projects")
    .option("--limit <count>", "how many at most", whole(1, 1_000_000), 100)
    .action((options) => projects(context(), options));
  program
    .command("workers")
    .description("show the workers that claimed under a name, the last seen first; times are in UTC")
    .option("--limit <count>", "how many at most", whole(1, 1_000_000), 100)
    .action((options) => workers(context(), options));
}
