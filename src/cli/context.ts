import { type Client, createClient } from "../client/index.ts";
import type { CliDeps } from "./deps.ts";

/** What every command is given: the outside world, and what the options before or after its name said. */
export interface CommandContext extends CliDeps {
  readonly client: Client;
  /** What every call says of the project. */
  readonly inProject: { readonly project?: string };
  readonly json: boolean;
  readonly width: number;
  /** One JSON value on a line where --json was given, else the text (which brings its own line feeds). */
  print(value: unknown, text: () => string): void;
  /** The same for a list: each of its values on a line. */
  printEach(values: readonly unknown[], text: () => string): void;
}

export interface GlobalOptions {
  readonly url?: string;
  readonly project?: string;
  readonly json?: boolean;
}

export function commandContext(
  deps: CliDeps,
  { url = deps.config.url, project, json = false }: GlobalOptions,
): CommandContext {
  const printEach = (values: readonly unknown[], text: () => string) => {
    if (!json) deps.stdout.write(text());
    else for (const value of values) deps.stdout.write(`${JSON.stringify(value)}\n`);
  };
  return {
    ...deps,
    client: createClient({
      url,
      ...(deps.config.key !== null && { key: deps.config.key }),
      retry: { tries: 4, deadlineSeconds: 15 },
    }),
    inProject: project === undefined ? {} : { project },
    json,
    width: deps.stdout.columns ?? 80,
    print: (value, text) => printEach([value], text),
    printEach,
  };
}
