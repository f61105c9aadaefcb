import { afterEach, beforeEach, expect, test } from "bun:test";
import { type Client, type ClientOptions, createClient, Worker, type WorkerOptions } from "../../src/client/index.ts";
import { until } from "../support/until.ts";
import { StubService } from "./stub-service.ts";
import type { Over } from "./support.ts";

const wrong: [WorkerOptions, string][] = [
  [{ queues: ["a"], queue: "a", handle: () => null }, "queue or queues"],
  [{ queues: [], handle: () => null }, "1 to 20 queues"],
  [{ queue: "a" }, "give handlers"],
  [{ queue: "a", handle: () => null, concurrency: 0 }, "concurrency"],
  [{ queue: "a", handle: () => null, prefetch: -1 }, "prefetch"],
  [{ queue: "a", handle: () => null, prefetch: 0.5 }, "prefetch"],
  [{ queue: "a", handle: () => null, waitSeconds: 0 }, "waitSeconds"],
  [{ queue: "a", handle: () => null, leaseSeconds: 0.5 }, "leaseSeconds"],
];

test.each(wrong)("options that cannot work are refused: %#", (options, message) => {
  expect(() => new Worker(options)).toThrow(message);
});

let service: StubService;
beforeEach(async () => {
  service = await new StubService().listen();
});
afterEach(() => service.close());

const ownFetch = (url: string, init: RequestInit) => fetch(url, init);
const transports: [string, ClientOptions, WorkerOptions["transport"], Over][] = [
  ["by itself", {}, undefined, "websocket"],
  ["with a client that was told HTTP", { transport: "http" }, undefined, "http"],
  ["with a client that calls by a fetch of its user's", { fetch: ownFetch }, undefined, "http"],
  ["with such a client that was told WebSockets", { fetch: ownFetch, transport: "websocket" }, undefined, "websocket"],
  ["told HTTP", { transport: "websocket" }, "http", "http"],
  ["told WebSockets", { transport: "http" }, "websocket", "websocket"],
];

test.each(transports)("which transport a worker uses: %s", async (_which, options, transport, over) => {
  const client = createClient({ url: service.url, ...options });
  const told = transport === undefined ? {} : { transport };
  const worker = new Worker({ client, queue: "q", handle: () => null, ...told }).start();
  const task = service.tasks.add("n");
  await until("it is done", () => task.state === "completed");
  await worker.stop();
  expect(new Set(service.calls.map((call) => call.over))).toEqual(new Set([over]));
  client.close();
});

test("a worker calls through a client that createClient() has not made as it is, and leaves it open", async () => {
  const inner = createClient({ url: service.url });
  const calls: string[] = [];
  const seen = <F extends (...args: never[]) => unknown>(name: string, call: F) =>
    ((...args: never[]) => {
      calls.push(name);
      return call(...args);
    }) as F;
  const client: Client = {
    ...inner,
    task: {
      ...inner.task,
      claim: seen("claim", inner.task.claim),
      completeMany: seen("done", inner.task.completeMany),
    },
    close: seen("close", inner.close),
  };
  const worker = new Worker({ client, queue: "q", handle: () => null }).start();
  const task = service.tasks.add("n");
  await until("it is done", () => task.state === "completed");
  await worker.stop();
  expect(calls).toContain("claim");
  expect(calls).toContain("done");
  expect(calls).not.toContain("close");
});
