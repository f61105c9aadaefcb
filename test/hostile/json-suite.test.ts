/** The JSON parsing test suite through the whole service, on Bun and on Deno: as bodies, and as what a task carries. */
import { afterAll, describe, expect, test } from "bun:test";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { testDatabase } from "../support/postgres.ts";
import { type SpawnedService, spawnService } from "../support/service.ts";
import { JSON_CASES, type JsonCase, LOST } from "./json-suite.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const database = testDatabase();

/** Deno's own program: the launcher in node_modules/.bin is a Node process around it, which would take the signals. */
const denoProgram = () =>
  (createRequire(import.meta.url)("deno/install_api.cjs") as { runInstall(): string }).runInstall();
const COMMANDS = {
  Bun: () => [process.execPath, MAIN, "serve"],
  // No lock file: the project has Bun's.
  Deno: () => [denoProgram(), "run", "--quiet", "--no-lock", "-A", MAIN, "serve"],
};

type Answer = ReturnType<typeof JSON.parse>;

test("the suite is whole", () => {
  expect(JSON_CASES).toHaveLength(318);
  expect(LOST).toEqual([]);
});

for (const [runtime, command] of Object.entries(COMMANDS))
  describe(runtime, () => {
    let starting: Promise<SpawnedService> | undefined;
    const service = () => {
      starting ??= spawnService({ DATABASE_URL: database.url, ROW_CHECKS: "on" }, command());
      return starting;
    };
    afterAll(async () => void (await (await starting)?.stop()));

    async function send(body: Buffer<ArrayBuffer>): Promise<Answer> {
      const headers = { "content-type": "application/json" };
      const response = await fetch(`${(await service()).url}/rpc`, { method: "POST", headers, body });
      expect(response.status).toBe(200);
      return await response.json();
    }
    const call = (method: string, params: object) =>
      send(Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })));
    const queue = `json-${runtime}`;

    test("every text as a whole body is answered as what it is, and nothing is done", async () => {
      const wrong: unknown[] = [];
      for (const { name, bytes, verdict } of JSON_CASES) {
        const answer = await send(bytes);
        const types = (Array.isArray(answer) ? answer : [answer]).map(({ error }) => error?.data.type);
        // What is JSON is no request.
        const expected = verdict === "parse_error" ? "parse_error" : "invalid_request";
        if (types.length === 0 || !types.every((type) => type === expected)) wrong.push({ name, answer });
      }
      expect(wrong).toEqual([]);
    });

    test("every text in a payload is kept as it was, or refused, and then nothing is stored", async () => {
      await call("queue.create", { name: queue, maxPayloadBytes: 1_000_000 });
      const wrong: unknown[] = [];
      let kept = 0;
      for (const one of JSON_CASES) {
        const answer = await send(enqueueOf(one));
        const came = answer.error?.data.type ?? "kept";
        if (came !== one.verdict) wrong.push({ name: one.name, came });
        if (one.verdict !== "kept" || came !== "kept") continue;
        kept++;
        const { result } = await call("task.get", { id: answer.result.id });
        const value = result.payload.value;
        // Minus zero is zero: the same decimal value.
        const sent = JSON.parse(one.bytes.toString(), (_key, inner) => (inner === 0 ? 0 : inner));
        if (!Bun.deepEquals(value, sent, true)) wrong.push({ name: one.name, value });
      }
      expect(wrong).toEqual([]);
      expect((await call("task.count", { queue })).result).toEqual({ count: kept, exact: true });
    });

    /** The text's bytes as they are, where a value stands. */
    function enqueueOf({ bytes }: JsonCase): Buffer<ArrayBuffer> {
      const head = `{"jsonrpc":"2.0","id":1,"method":"task.enqueue","params":{"queue":"${queue}","payload":{"value":`;
      return Buffer.concat([Buffer.from(head), bytes, Buffer.from("}}}")]);
    }
  });
