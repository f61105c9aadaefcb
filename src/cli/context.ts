import { type Client, createClient } from "../client/index.ts";
import type { CliDeps } from "./deps.ts";

/** What every command is given: the outside world, and what the options before or after its name said. */
export interface CommandContext extends CliDeps {
  readonly client: Client;
  readonly json: boolean;
  readonly width: number;
  /** One JSON value a line where --json was given, else the text (which brings its own line feeds). */
  print(value: unknown, text: () => string): void;
}

export interface GlobalOptions {
  readonly url?: string;
  readonly json?: boolean;
}

export function commandContext(deps: CliDeps, { url = deps.config.url, json = false }: GlobalOptions): CommandContext {
  return {
    ...deps,
    client: createClient({ url, retry: { tries: 4, deadlineSeconds: 15 } }),
    json,
    width: deps.stdout.columns ?? 80,
    print(value, text) {
      deps.stdout.write(json ? `${JSON.stringify(value)}\n` : text());
    },
  };
}
