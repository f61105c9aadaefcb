import { afterAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "../support/until.ts";

/** The demo as a user starts it: processes, embedded PostgreSQL, kill and all. */
const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

async function startDemo(...options: string[]) {
  const folder = await mkdtemp(join(tmpdir(), "opensqs-demo-"));
  folders.push(folder);
  const child = spawn(process.execPath, [MAIN, "demo", ...options], {
    env: { ...process.env, DATA_DIR: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const written = { out: "", err: "" };
  child.stdout.on("data", (text) => {
    written.out += text;
  });
  child.stderr.on("data", (text) => {
    written.err += text;
  });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  return { child, written, ended, data: join(folder, "demo") };
}

test("nothing is lost and nothing done twice although a worker is killed", async () => {
  const { written, ended, data } = await startDemo("--json");
  const code = await ended;
  expect({ code, ...written }).toMatchObject({ code: 0 });
  const counts = JSON.parse(written.out) as Record<string, number>;
  expect(counts).toMatchObject({ completed: 1980, dead: 20, lost: 0, double: 0, verified: true });
  // The killed worker held something, and others did it.
  expect(counts.takenOver).toBeGreaterThan(0);
  expect(counts.retried).toBeGreaterThan(100);
  expect(existsSync(data)).toBe(false);
}, 180_000);

test("interrupted, it takes its processes and files with it", async () => {
  const { child, written, ended, data } = await startDemo();
  const url = await until("the workers run", () => /listens at (\S+?)\.\n[\s\S]*Two worker/.exec(written.out)?.[1], {
    timeoutMs: 90_000,
  });
  child.kill("SIGINT");
  expect(await ended).toBe(1);
  expect(existsSync(data)).toBe(false);
  expect(await fetch(url).catch(() => "gone")).toBe("gone");
}, 180_000);

test("killed, its service and workers end by themselves", async () => {
  const { child, written, ended, data } = await startDemo();
  const url = await until("the service listens", () => /listens at (\S+?)\.\n/.exec(written.out)?.[1], {
    timeoutMs: 90_000,
  });
  const postgres = join(data, "data", "postgres", "postmaster.pid");
  expect(existsSync(postgres)).toBe(true);
  child.kill("SIGKILL");
  await ended;
  // Stopped in order: only a PostgreSQL that shut down by itself takes its pid file away.
  await until("its PostgreSQL has stopped", () => !existsSync(postgres), { timeoutMs: 60_000 });
  expect(await fetch(url).catch(() => "gone")).toBe("gone");
}, 180_000);
