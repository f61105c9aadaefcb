import { readFileSync, realpathSync, statSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Identity } from "./identity.ts";
import { isRunning } from "./presence.ts";
import { run } from "./run.ts";

/** What a running server says of itself in its data folder's postmaster.pid. */
export interface Postmaster {
  readonly pid: number;
  /** 0 while it has not bound its port yet. */
  readonly port: number;
  readonly ready: boolean;
}

/** Lines of postmaster.pid: process id, data folder, start time, port, socket folder, listen address, memory key, status. */
const LINES = { pid: 0, port: 3, status: 7 } as const;

/** What postmaster.pid says, or null where there is none to be read. */
export async function readPostmaster(cluster: string): Promise<Postmaster | null> {
  const text = await readFile(pidFile(cluster), "utf8").catch(() => "");
  const lines = text.split("\n");
  const pid = Number(lines[LINES.pid]);
  if (!Number.isInteger(pid) || pid <= 0) return null;
  return { pid, port: Number(lines[LINES.port]) || 0, ready: lines[LINES.status]?.trim() === "ready" };
}

/** No system gives a process this number. */
const NOBODY = "2147483647";

/**
 * Makes postmaster.pid name no process, so that PostgreSQL starts although the number in it is a stranger's by now. The file
 * stays: by its memory key PostgreSQL sees whether processes of the old server still have their hands on the data.
 */
export async function disownPidFile(cluster: string): Promise<void> {
  const path = pidFile(cluster);
  const [pid, ...rest] = (await readFile(path, "utf8").catch(() => "")).split("\n");
  // Emptied by a crash of the machine: it protects nothing any more, and PostgreSQL would refuse to start over it.
  if (!pid || rest.length === 0) await rm(path, { force: true });
  else await writeFile(path, [NOBODY, ...rest].join("\n"));
}

function pidFile(cluster: string): string {
  return join(cluster, "postmaster.pid");
}

/**
 * Whether process `pid` is a server on this very data folder. After a crash of the machine or in a new container the number
 * in postmaster.pid may be anybody's, and PostgreSQL would refuse to start beside the stranger. In doubt the answer is yes:
 * a second server on the same data would destroy it.
 */
export async function servesCluster(pid: number, cluster: string, identity: Identity): Promise<boolean> {
  if (!isRunning(pid)) return false;
  const folder = realpathSync(cluster);
  if (process.platform !== "linux") {
    const { output } = await run({ file: "ps", args: ["-o", "command=", "-p", String(pid)] });
    return output.includes("postgres") && (output.includes(folder) || output.includes(cluster));
  }
  const { name, uid } = processOf(pid);
  // A server runs as the owner of its data; PostgreSQL insists on it.
  if (name !== "postgres" || uid !== statSync(cluster).uid) return false;
  // It stands in its data folder. Asked as its own user: root may not look, in a container without SYS_PTRACE.
  const { code, output } = await run(identity.as({ file: "readlink", args: [`/proc/${pid}/cwd`] }));
  return code !== 0 || output === folder;
}

function processOf(pid: number): { name: string | undefined; uid: number } {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return { name: /^Name:\s*(.*)$/m.exec(status)?.[1], uid: Number(/^Uid:\s*(\d+)/m.exec(status)?.[1]) };
  } catch {
    return { name: undefined, uid: Number.NaN };
  }
}
