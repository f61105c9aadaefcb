import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import type { ScratchImage } from "./scratch-image.ts";

export interface Ended {
  /** null: ended by a signal. */
  readonly code: number | null;
  readonly output: string;
}

/** A process as the image would run it, by its user and with nothing but its environment. */
export class Container {
  readonly #image: ScratchImage;
  readonly #env: Readonly<Record<string, string>>;
  readonly #running = new Set<ChildProcess>();

  constructor(image: ScratchImage, env: Readonly<Record<string, string>>) {
    this.#image = image;
    this.#env = env;
  }

  /** Starts the image's entry point, with its own command or another one; resolves when that has ended. */
  run(command: readonly string[] | null = null): { child: ChildProcess; ended: Promise<Ended> } {
    const { entrypoint, cmd } = this.#image.config;
    if (entrypoint === null || cmd === null) throw new Error("The image has no entry point in exec form.");
    return this.#spawn([...entrypoint, ...(command ?? cmd)]);
  }

  /** Runs a health check's words to their end, as Docker does inside the container; 0 is healthy. */
  async check(words: readonly string[] | null): Promise<number | null> {
    if (words === null) throw new Error("There is no health check in exec form.");
    return (await this.#spawn(words).ended).code;
  }

  /** Ends what a failed test has left. */
  async killAll(): Promise<void> {
    for (const child of this.#running) {
      child.kill("SIGKILL");
      await once(child, "close");
    }
  }

  #spawn([program, ...args]: readonly string[]): { child: ChildProcess; ended: Promise<Ended> } {
    if (program !== "bun") throw new Error(`The image has bun, not ${program}.`);
    const { root, bin, config } = this.#image;
    const child = spawn(join(bin, program), args, {
      cwd: join(root, config.workdir),
      // No HOME that could be written to, as in a container whose file system is read-only.
      env: { HOME: "/nonexistent", PATH: bin, ...config.env, ...this.#env },
      stdio: ["ignore", "pipe", "pipe"],
      ...userOf(config.user),
    });
    this.#running.add(child);
    child.once("close", () => this.#running.delete(child));
    return { child, ended: endOf(child) };
  }
}

/** Only root can be somebody else; anyone else runs the image as themselves, which is not root either. */
function userOf(user: string): { uid?: number; gid?: number } {
  const [uid, gid] = user.split(":").map(Number);
  if (!uid || !gid) throw new Error(`The image's user must be two numbers and not root, not ${user}.`);
  return process.getuid?.() === 0 ? { uid, gid } : {};
}

async function endOf(child: ChildProcess): Promise<Ended> {
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output };
}
