import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StubService } from "./stub-service.ts";

/** What is handed to users: the built file for Node, the sources for Bun and Deno, the declarations for TypeScript. */
const root = join(import.meta.dir, "../..");
const bin = (name: string) => join(root, "node_modules/.bin", name);
const service = new StubService();
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "opensqs-client-"));
  await service.listen();
});
afterAll(async () => {
  await service.close();
  await rm(folder, { recursive: true });
});

async function run(...command: string[]): Promise<string> {
  const child = Bun.spawn(command, { cwd: folder, stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}:\n${out}\n${err}`);
  return out.trim();
}

/** Enqueues, works and retries once, with nothing but what the package exports. */
const program = (from: string, queue: string) => `
  import { createClient, Worker } from ${JSON.stringify(from)};
  const client = createClient({ url: ${JSON.stringify(service.url)}, headers: { authorization: "Bearer osqs_x" }, retry: { baseSeconds: 0.01 },
  });
  const { id } = await client.task.enqueue({ queue: ${JSON.stringify(queue)}, name: "${queue}", payload: { n: 20 } });
  const done = Promise.withResolvers ? Promise.withResolvers() : (() => {
    let resolve; const promise = new Promise((done) => { resolve = done; }); return { promise, resolve };
  })();
  const worker = new Worker({
    client, queue: "q", handlers: { "${queue}": (task) => task.payload.n + 1 },
    onEvent: (event) => event.type === "completed" && done.resolve(event),
  }).start();
  const event = await done.promise;
  await worker.stop();
  console.log(event.task.id === id, event.result);
`;

/** What the worker of a program called over. */
const workedOver = () => new Set(service.of("task.completeMany").map(({ over }) => over));

beforeEach(() => {
  service.calls.length = 0;
  service.sockets.handshakes.length = 0;
});

async function build(): Promise<void> {
  const built = join(folder, "client.js");
  await writeFile(join(folder, "package.json"), '{"type":"module"}');
  const entry = join(root, "src/client/index.ts");
  await run(bin("bun"), "build", entry, "--target", "node", "--format", "esm", "--outfile", built);
  expect(await readFile(built, "utf8")).not.toMatch(/from "(?!node:)|\bBun\./);
}

test("the built client runs on Node", async () => {
  await build();
  await writeFile(join(folder, "node.js"), program("./client.js", "node"));
  service.plan = ({ method }, nth) => (method === "task.enqueue" && nth === 1 ? "lost after" : undefined);
  expect(await run("node", "node.js")).toBe("true 21");
  expect(service.tasks.all.filter(({ name }) => name === "node")).toHaveLength(1);
  const hasSockets = (await run("node", "-p", "typeof WebSocket")) === "function";
  expect(workedOver()).toEqual(new Set([hasSockets ? "websocket" : "http"]));
}, 60_000);

test("on Node with WebSockets the worker uses one, and sends its headers with the handshake", async () => {
  await build();
  await writeFile(join(folder, "sockets.js"), program("./client.js", "sockets"));
  // Node 20 has them behind this flag, and later versions take it without a word.
  expect(await run("node", "--no-warnings", "--experimental-websocket", "sockets.js")).toBe("true 21");
  expect(workedOver()).toEqual(new Set(["websocket"]));
  expect(service.sockets.handshakes[0]?.authorization).toBe("Bearer osqs_x");
}, 60_000);

test("a program that does not close its client ends all the same", async () => {
  const source = `
    import { createClient } from ${JSON.stringify(join(root, "src/client/index.ts"))};
    const client = createClient({ url: ${JSON.stringify(service.url)}, transport: "websocket" });
    console.log(JSON.stringify(await client.queue.stats()));`;
  await writeFile(join(folder, "idle.mjs"), source);
  expect(await run(bin("bun"), "idle.mjs")).toBe('{"queues":[]}');
  expect(service.calls.map(({ over }) => over)).toEqual(["websocket"]);
}, 60_000);

test("the client's sources run on Deno", async () => {
  await writeFile(join(folder, "deno.mjs"), program(join(root, "src/client/index.ts"), "deno"));
  expect(await run(bin("deno"), "run", "-A", "--no-lock", "deno.mjs")).toBe("true 21");
  expect(workedOver()).toEqual(new Set(["websocket"]));
  expect(service.sockets.handshakes[0]?.authorization).toBe("Bearer osqs_x");
}, 60_000);

test("the client's declarations type a program that knows nothing of this project's settings", async () => {
  const installed = join(folder, "node_modules/opensqs");
  await mkdir(installed, { recursive: true });
  await run(bin("tsc"), "-p", join(root, "src/client/tsconfig.build.json"), "--outDir", join(installed, "types"));
  // The schemas' types come from zod, which the package depends on.
  await symlink(join(root, "node_modules/zod"), join(folder, "node_modules/zod"));
  const exports = { "./client": { types: "./types/client/index.d.ts" } };
  await writeFile(join(installed, "package.json"), JSON.stringify({ name: "opensqs", type: "module", exports }));
  await writeFile(
    join(folder, "user.ts"),
    `import { createClient, type Handler, isRefusal, Worker } from "opensqs/client";
    const client = createClient();
    export const added: { id: string; duplicate: boolean } = await client.task.enqueue({ queue: "q", payload: { a: 1 } });
    export const same: { id: string } = await client.call("task.enqueue", { queue: "q" });
    // @ts-expect-error a queue is a string
    await client.task.enqueue({ queue: 1 });
    // @ts-expect-error there is no such method
    await client.task.explode({});
    // @ts-expect-error a receipt is needed
    await client.task.complete({});
    export const handler: Handler = async (task) => ({ to: task.payload.to ?? null });
    export const state = (error: unknown): string => (isRefusal(error, "lease_lost") ? error.data.state : "?");
    const flow = await client.workflow("w", { queue: "q" }).task("a", { payload: { a: 1 } }).task("b", { dependsOn: ["a"] }).start();
    export const ended: "running" | "completed" | "failed" | "cancelled" = (await flow.wait({ timeoutSeconds: 1 })).state;
    export const got: { id: string } = await client.workflow.get({ id: flow.id });
    // @ts-expect-error a key is its own parameter
    client.workflow().task("c", { key: "c" });
    export const grow: Handler = (_task, { workflow }) => workflow?.add([{ key: "c" }]);
    client.close();
    const sockets = createClient({ transport: "websocket" });
    new Worker({ client: sockets, queue: "q", handlers: { mail: handler }, prefetch: 5, transport: "http" });`,
  );
  const options = ["--strict", "--noEmit", "--skipLibCheck", "--target", "es2022", "--lib", "es2022,dom"];
  await run(bin("tsc"), ...options, "--module", "nodenext", "--types", "", "user.ts");
}, 60_000);
