import type { Command } from "commander";
import { migrate } from "../commands/migrate.ts";
import type { CommandContext } from "../context.ts";
import type { CliDeps } from "../deps.ts";

export function addServiceCommands(program: Command, deps: CliDeps, context: () => CommandContext): void {
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
