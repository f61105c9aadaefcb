import { beforeAll } from "bun:test";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Config, readConfig } from "../../src/config.ts";
import { createLogger } from "../../src/lib/log.ts";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { type Service, startService as start } from "../../src/serve.ts";
import { testDatabase } from "./postgres.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

export interface RpcError {
  code: number;
  message: string;
  data: { type: string; [key: string]: unknown };
}

/** What a call brings beside its parameters. */
export interface CallOptions {
  signal?: AbortSignal;
  /** An API key, shown as programs show it. */
  key?: string | undefined;
}

/** One call over HTTP; gives the result, or throws the error object that was answered. */
export async function rpc<M extends keyof Contract>(
  url: string,
  method: M,
  params: Contract[M]["params"],
  options: CallOptions = {},
): Promise<Contract[M]["result"]> {
  const answer = await rawRpc(url, { jsonrpc: "2.0", id: 1, method, params }, options);
  if (answer.error) throw answer.error;
  return answer.result as Contract[M]["result"];
}

export async function rawRpc(url: string, body: unknown, options: CallOptions = {}) {
  const response = await post(url, body, options);
  return (await response.json()) as { id: unknown; result?: unknown; error?: RpcError };
}

/** One body over HTTP, and its answer as it comes. */
export function post(url: string, body: unknown, { signal, key }: CallOptions = {}): Promise<Response> {
  return fetch(`${url}/rpc`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(key !== undefined && { authorization: `Bearer ${key}` }) },
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...(signal && { signal }),
  });
}

/** The error that a call is refused with; fails if it is not. */
export async function refusal(call: Promise<unknown>): Promise<RpcError["data"]> {
  try {
    await call;
  } catch (error) {
    const { data } = error as RpcError;
    if (data?.type) return data;
    throw error;
  }
  throw new Error("The call was answered, not refused.");
}

/** A configuration for tests: any free port, the given database, a server that may be in a hurry. */
export function testConfig(databaseUrl: string, env: Record<string, string> = {}): Config {
  return readConfig({
    DATABASE_URL: databaseUrl,
    PORT: "0",
    LOG_LEVEL: "warn",
    ALLOW_UNSAFE_DATABASE: "on",
    ROW_CHECKS: "on",
    ...env,
  });
}

const quiet = createLogger({ level: "error" });

/**
 * Gives the calling file a service of its own on a database of its own, in this process and over real HTTP. Call it at the
 * top of a test file.
 */
export function testService(env: Record<string, string> = {}) {
  const database = testDatabase();
  let service: Service;
  beforeAll(async () => {
    service = await start(testConfig(database.url, env), quiet);
  });
  database.atEnd(() => service?.stop());
  return {
    get url() {
      return service.url;
    },
    get databaseUrl() {
      return database.url;
    },
    atEnd: database.atEnd,
    call: <M extends keyof Contract>(method: M, params: Contract[M]["params"], options?: CallOptions) =>
      rpc(service.url, method, params, options),
  };
}

/** A further service in this process, for tests of several instances on one database. */
export async function startInstance(databaseUrl: string, env: Record<string, string> = {}): Promise<Service> {
  return await start(testConfig(databaseUrl, env), quiet);
}

export interface SpawnedService {
  readonly url: string;
  readonly pid: number;
  /** What it wrote to standard error so far: its log. */
  log(): string;
  /** Resolves with the exit code, or the signal's name, once it has ended. */
  readonly ended: Promise<number | string>;
  /** Asks it to stop and waits. */
  stop(): Promise<number | string>;
  kill(signal: NodeJS.Signals): void;
}

/** Starts the service as a process of its own, by Bun or by `command`, and waits until it listens. */
export async function spawnService(
  env: Record<string, string>,
  command: readonly string[] = [process.execPath, MAIN, "serve"],
): Promise<SpawnedService> {
  const child = spawn(command[0]!, command.slice(1), {
    env: { ...process.env, PORT: "0", ALLOW_UNSAFE_DATABASE: "on", ...env },
    stdio: ["ignore", "inherit", "pipe"],
  });
  let text = "";
  const ended = new Promise<number | string>((resolve) => child.on("exit", (code, signal) => resolve(code ?? signal!)));
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on("data", (chunk) => {
      text += chunk;
      const line = text.split("\n").find((line) => line.includes('"message":"listening"'));
      if (line) resolve((JSON.parse(line) as { url: string }).url);
    });
    void ended.then((how) => reject(new Error(`The service ended (${how}) before it listened:\n${text}`)));
  });
  return {
    url,
    pid: child.pid!,
    log: () => text,
    ended,
    stop() {
      child.kill("SIGTERM");
      return ended;
    },
    kill: (signal) => child.kill(signal),
  };
}
