import type { Command } from "commander";
import { createKey, keys, revokeKey, rotateKey } from "../commands/keys.ts";
import type { CommandContext } from "../context.ts";
import { seconds, whole } from "../options.ts";

const each = (value: string, others: readonly string[] = []) => [...others, value];

export function addKeyCommands(program: Command, context: () => CommandContext): void {
  program
    .command("keys")
    .description("show the keys by which programs call; revoked ones stay for 30 days")
    .option("--limit <count>", "how many at most", whole(1, 1_000_000), 100)
    .action((options) => keys(context(), options));
  const key = program
    .command("key")
    .description("make, replace and end keys; the new key is written to standard output");
  key
    .command("create [name]")
    .description(
      "make a key of the project; with --admin by the database itself, as migrate works, else by the service",
    )
    .option("--admin", "a key that may do all, in all projects; of the other options it goes with --expires alone")
    .option("--scope <scope>", "what it may do, such as task:enqueue; may stand several times", each)
    .option("--queue <pattern>", "which queues it may know of, with * and ?; may stand several times", each)
    .option("--expires <seconds>", "when it ends by itself", seconds(1))
    .option("--everywhere", "in all projects, instead of one")
    .action((name: string | undefined, options) => createKey(context(), name ?? "command line", options));
  key
    .command("revoke <id>")
    .description("end a key")
    .action((id: string) => revokeKey(context(), id));
  key
    .command("rotate <id>")
    .description("make a key that may do the same, and end this one")
    .option("--overlap <seconds>", "how long the old key goes on", seconds(0), 0)
    .action((id: string, options) => rotateKey(context(), id, options.overlap));
}
