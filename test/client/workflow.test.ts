import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  type Client,
  createClient,
  type HandlerContext,
  isRefusal,
  TimeoutError,
  Worker,
  type WorkerOptions,
  type Workflow,
} from "../../src/client/index.ts";
import { partsOf } from "../../src/client/workflow-parts.ts";
import { testService } from "../support/service.ts";
import { until } from "../support/until.ts";
import { caught, gate, TRANSPORTS } from "./support.ts";

/** Workflows by the client and the worker, on a real service. */
const service = testService();
let client: Client;
let queue: string;
const workers: Worker[] = [];

beforeEach(() => {
  client = createClient({ url: service.url });
  queue = `q-${crypto.randomUUID()}`;
});
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop({ graceSeconds: 0 })));
  client.close();
  expect(await service.call("admin.verify", {})).toEqual({ ok: true, violations: [] });
});

function work(options: Partial<WorkerOptions>): void {
  workers.push(new Worker({ client, queue, waitSeconds: 5, onEvent: () => undefined, ...options }).start());
}

/** Ends the one task that is ready. */
async function complete(result: string | null = null): Promise<void> {
  const [task] = (await client.task.claim({ queue, waitSeconds: 10 })).tasks;
  await client.task.complete({ receipt: task!.receipt, result });
}
const states = ({ tasks }: Workflow) => Object.fromEntries(tasks.map(({ key, state }) => [key, state]));

describe("a workflow that is built", () => {
  test("is made as it was told, in its queue, and the namespace stays", async () => {
    const flow = await client
      .workflow("import", { queue })
      .task("fetch", { name: "fetch", payload: { url: "x" }, priority: "high" })
      .task("store", { queue: `${queue}-2`, dependsOn: ["fetch"], onDependencyFailure: "run" })
      .start();
    expect(await client.workflow.get({ id: flow.id })).toEqual(await flow.get());
    expect(await flow.get()).toMatchObject({
      name: "import",
      state: "running",
      tasks: [
        { key: "fetch", id: flow.tasks.fetch!, queue, state: "pending" },
        { key: "store", id: flow.tasks.store!, queue: `${queue}-2`, state: "waiting", dependsOn: ["fetch"] },
      ],
    });
    expect(await client.task.get({ id: flow.tasks.fetch! })).toMatchObject({ payload: { url: "x" }, priority: 2 });
  });

  test("may be nameless, of another project, and is started as often as one likes", async () => {
    await client.project.create({ name: queue });
    const built = client.workflow(undefined, { queue, project: queue }).task("a");
    const one = await built.start();
    const two = await built.start({ requestId: "r" });
    expect((await built.start({ requestId: "r" })).id).toBe(two.id);
    expect(two.id).not.toBe(one.id);
    expect(await one.get()).toMatchObject({ name: null });
    await one.add([{ key: "b" }]);
    expect(await one.cancel()).toEqual({ id: one.id, state: "cancelled" });
    expect((await one.wait()).counts).toMatchObject({ cancelled: 2 });
    expect(await one.retry()).toEqual({ id: one.id, state: "running" });
  });

  test("a key twice is a TypeError at once; too many tasks when it starts", async () => {
    const built = client.workflow("twice", { queue }).task("a");
    expect(() => built.task("a")).toThrow(new TypeError('The workflow has a task "a" already.'));
    for (let at = 0; at < 1000; at++) built.task(`${at}`);
    const refused = await caught(built.start());
    expect(refused).toBeInstanceOf(TypeError);
    expect(String(refused)).toContain("1001 tasks are more than the 1000 of one call");
    expect((await client.workflow.list()).workflows.filter(({ name }) => name === "twice")).toEqual([]);
  });

  test("is refused by the service for what only it can know", async () => {
    const nobody = await caught(
      client
        .workflow("x", { queue })
        .task("a", { dependsOn: ["nobody"] })
        .start(),
    );
    expect(nobody).toMatchObject({ type: "invalid_params", data: { issues: [{ path: "tasks[0].dependsOn[0]" }] } });
  });

  test("adds to itself, and knows the ids", async () => {
    const flow = await client.workflow("grows", { queue }).task("a").start();
    await flow.add([{ key: "__proto__", dependsOn: ["a"] }], { requestId: "once" });
    await flow.add([{ key: "__proto__", dependsOn: ["a"] }], { requestId: "once" });
    expect(Object.keys(flow.tasks).sort()).toEqual(["__proto__", "a"]);
    await complete();
    await complete();
    expect((await flow.wait()).state).toBe("completed");
    const late = await caught(flow.add([{ key: "c" }]));
    expect(isRefusal(late, "wrong_state") && late.data.state).toBe("completed");
    expect(await caught(flow.add(Array.from({ length: 1001 }, (_, at) => ({ key: `${at}` }))))).toBeInstanceOf(
      TypeError,
    );
  });
});

describe.each(TRANSPORTS)("waiting for a workflow over %s", (transport) => {
  beforeEach(() => {
    client = createClient({ url: service.url, transport });
  });

  test("resolves when it has ended, with what changed on the way", async () => {
    const flow = await client
      .workflow("w", { queue })
      .task("a")
      .task("b", { dependsOn: ["a"] })
      .start();
    const seen: Record<string, string>[] = [];
    const ended = flow.wait({ onChange: (workflow) => void seen.push(states(workflow)) });
    await until("it was looked at", () => seen.length === 1);
    await complete();
    await until("the first end is seen", () => seen.length === 2);
    await complete();
    expect(await ended).toMatchObject({ id: flow.id, state: "completed" });
    expect(seen).toEqual([
      { a: "pending", b: "waiting" },
      { a: "completed", b: "pending" },
      { a: "completed", b: "completed" },
    ]);
    expect(await client.waitForWorkflow(flow.id)).toEqual(await flow.get());
  });

  test("goes on when tasks are added, and ends with a failure or a cancellation too", async () => {
    const flow = await client.workflow("w", { queue }).task("a").start();
    const ended = flow.wait();
    await flow.add([{ key: "b" }]);
    await complete();
    await flow.cancel();
    expect(await ended).toMatchObject({ state: "cancelled", counts: { completed: 1, cancelled: 1 } });
  });

  test("survives that the task it waits for is purged", async () => {
    const flow = await client
      .workflow("w", { queue })
      .task("a")
      .task("z", { queue: `${queue}-2` })
      .start();
    let looks = 0;
    const ended = flow.wait({ onChange: () => void looks++ });
    await until("it was looked at", () => looks === 1);
    await client.queue.purge({ name: `${queue}-2` });
    await complete();
    expect(await ended).toMatchObject({ state: "cancelled" });
  });

  test("rejects when the time is up, when it is told to end, and when there is no such workflow", async () => {
    const flow = await client.workflow("w", { queue }).task("a").start();
    const late = await caught(flow.wait({ timeoutSeconds: 0.2 }));
    expect(late).toBeInstanceOf(TimeoutError);
    expect(late).toMatchObject({ noun: "workflow", id: flow.id, timeoutSeconds: 0.2 });
    expect(await caught(flow.wait({ timeoutSeconds: 0 }))).toBeInstanceOf(TimeoutError);
    const stop = new AbortController();
    const stopped = caught(flow.wait({ signal: stop.signal }));
    stop.abort("enough");
    expect(await stopped).toBe("enough");
    const own = new Error("mine");
    const throws = () => {
      throw own;
    };
    expect(await caught(flow.wait({ onChange: throws }))).toBe(own);
    const other = await caught(client.waitForWorkflow("01a1ffb9-8076-75fa-9679-060400000001"));
    expect(isRefusal(other, "not_found") && other.data.noun).toBe("workflow");
    await complete();
    expect(await flow.wait({ timeoutSeconds: 0 })).toMatchObject({ state: "completed" });
  });
});

describe("a handler", () => {
  test("gets the inputs, and adds to its workflow once however often it runs", async () => {
    const flow = await client.workflow("pages", { queue }).task("count", { name: "count" }).start();
    let runs = 0;
    work({
      handlers: {
        async count(_task, { workflow, inputs }) {
          expect(workflow).toMatchObject({ id: flow.id, key: "count" });
          expect(inputs).toEqual({});
          const pages = ["1", "2", "3"];
          await workflow!.add([
            ...pages.map((key) => ({ key, name: "page", payload: { page: Number(key) } })),
            { key: "sum", name: "sum", dependsOn: pages },
          ]);
          runs += 1;
          if (runs === 1) throw Object.assign(new Error("after all"), { retryAfterSeconds: 0 });
        },
        page: (task) => Number(task.payload.page) * 10,
        sum: async (_task, { inputs, input }) => [Object.values(inputs), await input("2"), await caught(input("4"))],
      },
    });
    await client.queue.update({ name: queue, backoff: { baseSeconds: 0 } });
    expect(await flow.wait({ timeoutSeconds: 60 })).toMatchObject({ state: "completed", counts: { completed: 5 } });
    expect(runs).toBe(2);
    const sum = (await flow.get()).tasks.find(({ key }) => key === "sum")!;
    expect((await client.task.get({ id: sum.id })).result).toEqual([[10, 20, 30], 20, {}]);
  });

  test("is outside a workflow where its task is", async () => {
    const { id } = await client.task.enqueue({ queue });
    work({ handle: (_task, { workflow }) => ({ workflow }) });
    expect((await client.waitFor(id)).result).toEqual({ workflow: null });
  });

  test("is handed what its claim left out when it asks", async () => {
    // Keys that JavaScript would put into an order of their own.
    const keys = ["9", "b", "1"];
    const built = client.workflow("large", { queue: `${queue}-in` });
    for (const key of keys) built.task(key);
    const flow = await built.task("last", { queue, dependsOn: keys }).start();
    const { tasks } = await client.task.claim({ queue: `${queue}-in`, limit: 3 });
    const bytes = (of: string) => `${of} ${noise()}`;
    for (const { receipt, workflow } of tasks)
      await client.task.complete({ receipt, result: workflow!.key === "9" ? "small" : bytes(workflow!.key) });
    const got = gate<unknown>();
    work({
      handle: async (task, { inputs, input }: HandlerContext) => {
        const all = await Promise.all(keys.map(async (key) => String(await input(key)).slice(0, 5)));
        got.resolve([Object.keys(inputs), Object.keys(task.inputsOmitted ?? {}).sort(), all]);
      },
    });
    expect(await got.promise).toEqual([["9"], ["1", "b"], ["small", "b AAA", "1 AAA"]]);
    expect((await flow.wait()).state).toBe("completed");
  });

  test("adds more than a call takes, every task after those it depends on", async () => {
    const flow = await client.workflow("many", { queue }).task("count", { name: "count" }).start();
    const tasks = Array.from({ length: 1500 }, (_, at) => ({
      key: `${at}`,
      queue: `${queue}-2`,
      dependsOn: [`${at + 1}`],
    }));
    tasks.at(-1)!.dependsOn = ["count"];
    const added = gate<number>();
    work({
      handlers: {
        count: async (_task, { workflow }) => added.resolve(Object.keys(await workflow!.add(tasks)).length),
      },
    });
    expect(await added.promise).toBe(1500);
    await flow.cancel();
    expect((await flow.wait()).tasks).toHaveLength(1501);
  });
});

/** Three million characters of which PostgreSQL can make no fewer, behind some that are known. */
function noise(): string {
  let text = "AAA";
  while (text.length < 3_000_000)
    text += Buffer.from(crypto.getRandomValues(new Uint8Array(65_536))).toString("base64");
  return text;
}

test("parts are of a call's size, and the same for the same tasks; what cannot run comes last", () => {
  const tasks = [
    { key: "late", dependsOn: ["early", "elsewhere"] },
    { key: "x", dependsOn: ["y"] },
    { key: "y", dependsOn: ["x"] },
    { key: "early" },
  ];
  expect(partsOf(tasks).map((part) => part.map(({ key }) => key))).toEqual([["early", "late", "x", "y"]]);
  const large = Array.from({ length: 5 }, (_, at) => ({ key: `${at}`, payload: { text: "x".repeat(400_000) } }));
  expect(partsOf(large).map((part) => part.length)).toEqual([2, 2, 1]);
  expect(partsOf([{ key: "huge", payload: { text: "x".repeat(2_000_000) } }]).map((part) => part.length)).toEqual([1]);
  expect(partsOf(Array.from({ length: 2001 }, (_, at) => ({ key: `${at}` }))).map((part) => part.length)).toEqual([
    1000, 1000, 1,
  ]);
  expect(partsOf([])).toEqual([]);
});
