import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const inProject = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Deno's own program: the launcher in node_modules/.bin is a Node process around it, which would take the signals. */
function denoProgram(): string {
  const installer = createRequire(import.meta.url)("deno/install_api.cjs") as { runInstall(): string };
  return installer.runInstall();
}

const COMMANDS = {
  bun: () => [process.execPath],
  // No lock file: the project has bun's.
  deno: () => [denoProgram(), "run", "--quiet", "--no-lock", "-A"],
} as const;

/** One thing that the child told. */
export type ChildEvent = { event: string } & Record<string, unknown>;

/** service.ts as a process of its own, on the runtime told. */
export class ChildService {
  static readonly #all: ChildService[] = [];
  readonly #child: ChildProcess;
  readonly #events: ChildEvent[] = [];
  #next: PromiseWithResolvers<void> = Promise.withResolvers();
  url = "";
  port = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    ChildService.#all.push(this);
    child.on("exit", () => this.#next.resolve());
    createInterface({ input: child.stdout! }).on("line", (line) => {
      this.#events.push(JSON.parse(line) as ChildEvent);
      this.#next.resolve();
      this.#next = Promise.withResolvers();
    });
  }

  static async start(runtime: keyof typeof COMMANDS, graceSeconds: number): Promise<ChildService> {
    const [command, ...words] = [...COMMANDS[runtime](), inProject("test/runtime/service.ts"), String(graceSeconds)];
    const service = new ChildService(spawn(command!, words, { stdio: ["pipe", "pipe", "inherit"] }));
    const { port, url } = await service.event("listening");
    service.port = Number(port);
    service.url = String(url);
    return service;
  }

  /** Ends whatever a failed test has left. */
  static async killAll(): Promise<void> {
    for (const service of ChildService.#all) {
      service.signal("SIGKILL");
      await service.exited();
    }
  }

  /** The first event of that name that was not taken yet. Waits for it; rejects if the process ends before. */
  async event(name: string): Promise<ChildEvent> {
    for (;;) {
      const at = this.#events.findIndex(({ event }) => event === name);
      if (at !== -1) return this.#events.splice(at, 1)[0]!;
      if (this.#hasEnded()) throw new Error(`The service ended before it told "${name}".`);
      await this.#next.promise;
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  go(): void {
    this.#child.stdin!.write("go\n");
  }

  /** The exit code, when the process has ended. */
  async exited(): Promise<number | null> {
    if (!this.#hasEnded()) await once(this.#child, "exit");
    return this.#child.exitCode;
  }

  #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}
