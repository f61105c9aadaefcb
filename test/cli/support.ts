import { type CliDeps, run } from "../../src/cli/index.ts";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

class Sink {
  text = "";
  write(text: string, written?: () => void): void {
    this.text += text;
    written?.();
  }
}

export interface Given extends Partial<CliDeps> {
  readonly url?: string;
  readonly key?: string | null;
  readonly input?: readonly (string | Uint8Array)[];
}

/** Runs one command line in this process with nothing but what is given. */
export async function cli(
  argv: readonly string[],
  { url = "http://127.0.0.1:1", key = null, input = [], ...deps }: Given = {},
): Promise<Ran> {
  const stdout = new Sink();
  const stderr = new Sink();
  const code = await run(argv, {
    config: { url, key, dataDir: "/nonexistent" },
    serve: () => Promise.reject(new Error("serve was not expected")),
    migrate: () => Promise.reject(new Error("migrate was not expected")),
    createAdminKey: () => Promise.reject(new Error("createAdminKey was not expected")),
    createUser: () => Promise.reject(new Error("createUser was not expected")),
    stdin: (async function* () {
      yield* input;
    })(),
    stdout,
    stderr,
    signal: new AbortController().signal,
    program: [],
    version: "1.2.3",
    ...deps,
  });
  return { code, out: stdout.text, err: stderr.text };
}
