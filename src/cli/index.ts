import { Command, CommanderError } from "commander";
import { commandContext } from "./context.ts";
import type { CliDeps } from "./deps.ts";
import { describeError, EXIT, UsageError } from "./failure.ts";
import { flushedOutput } from "./flushed-output.ts";
import { url } from "./options.ts";
import { addCatalogueCommands } from "./program/catalogue.ts";
import { addDemoCommands } from "./program/demo.ts";
import { addKeyCommands } from "./program/keys.ts";
import { addPeopleCommands } from "./program/people.ts";
import { addScheduleCommands } from "./program/schedules.ts";
import { addServiceCommands } from "./program/service.ts";
import { addTaskCommands } from "./program/tasks.ts";
import { addWorkCommand } from "./program/work.ts";
import { addWorkflowCommands } from "./program/workflows.ts";

export type { CliDeps, Migration, MigrationAction, TextOutput } from "./deps.ts";

const AFTER_HELP = `
Exit codes: 0 done; 1 refused, unreachable or failed; 2 wrong command line.
The service is reached at --url, or else at OPENSQS_URL, or else at
http://127.0.0.1 on the port that PORT names (8080).
It is called with the key in OPENSQS_KEY, if there is one: an argument would be
seen by everybody on the machine.`;

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
    .option("--project <name>", "the project to act in (without it: default)")
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
  addPeopleCommands(program, context);
  addTaskCommands(program, context);
  addCatalogueCommands(program, context);
  addScheduleCommands(program, context);
  addWorkflowCommands(program, context, ended);
  addWorkCommand(program, context);
  addKeyCommands(program, context);
  addDemoCommands(program, deps, context, ended);
  return program;
}
