import type { Command } from "commander";
import { createUser } from "../commands/user.ts";
import type { CommandContext } from "../context.ts";

export function addPeopleCommands(program: Command, context: () => CommandContext): void {
  program
    .command("user")
    .description("people who sign in")
    .command("create <email>")
    .description("make an account; its password is read from standard input, one line")
    .option("--name <name>", "what the person is called (without it: what stands before the @)")
    .action((email: string, options) => createUser(context(), email, options));
}
