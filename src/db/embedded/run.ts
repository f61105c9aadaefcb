import { spawn } from "node:child_process";

/** A program to start, and as whom where that is not the service's own user. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
}

export interface Outcome {
  /** null: ended by a signal. */
  readonly code: number | null;
  /** Standard output and standard error, as they came. */
  readonly output: string;
}

/**
 * The whole environment of what is started here: PGPORT, PGOPTIONS and the like, meant for other servers, would change what
 * PostgreSQL's programs do, and a translated message could not be recognised.
 */
const ENVIRONMENT = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", TZ: "UTC" };

/** Runs a command to its end. Throws only if it cannot be started at all. */
export function run({ file, args, uid, gid }: Command): Promise<Outcome> {
  const as = uid === undefined || gid === undefined ? {} : { uid, gid };
  return new Promise((resolve, reject) => {
    // In "/", because another user may not be allowed to stand where the service was started.
    const child = spawn(file, args, { cwd: "/", env: ENVIRONMENT, stdio: ["ignore", "pipe", "pipe"], ...as });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output: output.trim() }));
  });
}
