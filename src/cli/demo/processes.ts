import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { sleep } from "../wait.ts";

const ENDS_WITHIN_MS = 15_000;
const LOG_TAIL = 4000;
const READY_WITHIN_MS = 90_000;

/** A process of the demo's own. */
export interface Child {
  readonly pid: number;
  /** The end of what it wrote to standard error. */
  log(): string;
  readonly running: boolean;
  kill(): void;
  /** Asks it to end, and makes it after a while; resolves when it has ended. */
  end(): Promise<void>;
}

/**
 * Starts a command with some variables of the environment set, or (null) removed. /usr/bin/env does that, because only
 * src/config.ts reads this process's environment. The child's standard input ends when this process does, however it
 * ends; the demo's commands take that as their sign to stop.
 */
export function startChild(command: readonly string[], variables: Record<string, string | null>): Child {
  const settings = Object.entries(variables).flatMap(([name, value]) => (value === null ? ["-u", name] : []));
  const values = Object.entries(variables).flatMap(([name, value]) => (value === null ? [] : [`${name}=${value}`]));
  const child = spawn("/usr/bin/env", [...settings, ...values, ...command], { stdio: ["pipe", "ignore", "pipe"] });
  let tail = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    tail = (tail + text).slice(-LOG_TAIL);
  });
  child.on("error", (error) => {
    tail += error.message;
  });
  const isRunning = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  return {
    pid: child.pid ?? 0,
    log: () => tail.trim(),
    get running() {
      return isRunning();
    },
    kill: () => void child.kill("SIGKILL"),
    end: () => (isRunning() ? endChild(child) : Promise.resolve()),
  };
}

function endChild(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), ENDS_WITHIN_MS);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill("SIGTERM");
  });
}

/** A port that nobody listens on just now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        typeof address === "object" && address !== null ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}

/** Resolves when the service takes calls. Throws with the end of its log when it ended instead, or took too long. */
export async function untilReady(url: string, service: Child, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (!(await isReady(url, signal))) {
    if (!service.running) throw new Error(`The service ended before it was ready:\n${service.log()}`);
    if (performance.now() > deadline) throw new Error(`The service is not ready after 90 s:\n${service.log()}`);
    await sleep(100, signal);
  }
}

async function isReady(url: string, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(`${url}/readyz`, { signal });
    await response.text();
    return response.ok;
  } catch {
    return false;
  }
}
