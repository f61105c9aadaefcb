import { afterEach, describe, expect, test } from "bun:test";
import { type Client, createClient, isRefusal, type Progress, TimeoutError } from "../../src/client/index.ts";
import { startInstance, testService } from "../support/service.ts";
import { until } from "../support/until.ts";
import { caught, TRANSPORTS } from "./support.ts";

const service = testService();
const open: Client[] = [];
afterEach(() => {
  for (const client of open.splice(0)) client.close();
});

describe.each(TRANSPORTS)("client.waitFor over %s", (transport) => {
  function connect(url = service.url): Client {
    const client = createClient({ url, transport });
    open.push(client);
    return client;
  }
  /** A task that this test has claimed. */
  async function held(client: Client, queue: string) {
    await client.task.enqueue({ queue });
    return (await client.task.claim({ queue })).tasks[0]!;
  }

  test("resolves with the task, also when it failed or was cancelled before", async () => {
    const client = connect();
    const { id, receipt } = await held(client, "ends");
    const task = client.waitFor(id);
    await client.task.fail({ receipt, error: { message: "broken" }, retry: false });
    expect(await task).toMatchObject({ id, state: "failed", errors: [{ message: "broken" }] });
    const { id: other } = await client.task.enqueue({ queue: "ends" });
    await client.task.cancel({ id: other });
    expect(await client.waitFor(other)).toMatchObject({ state: "cancelled" });
  });

  test("tells each progress that it sees, the last before the end", async () => {
    const client = connect();
    const { id, receipt } = await held(client, "progress");
    await client.task.progress({ receipt, percent: 10 });
    const seen: (Progress | null)[] = [];
    const task = client.waitFor(id, {
      onProgress(progress, { progress: shown }) {
        expect(shown).toEqual(progress);
        seen.push(progress);
      },
    });
    await until("the first is seen", () => seen.length === 1);
    await client.task.progress({ receipt, percent: 20, note: "half" });
    await until("the second is seen", () => seen.length === 2);
    await client.task.extend({ receipts: [receipt], progress: { percent: 30 } });
    await client.task.complete({ receipt });
    expect((await task).progress).toEqual({ percent: 30, note: null });
    expect(seen).toEqual([10, 20, 30].map((percent) => ({ percent, note: percent === 20 ? "half" : null })));
  });

  test("what onProgress throws is thrown", async () => {
    const client = connect();
    const { id, receipt } = await held(client, "throws");
    const own = new Error("mine");
    await client.task.progress({ receipt, percent: 10 });
    const onProgress = () => {
      throw own;
    };
    expect(await caught(client.waitFor(id, { onProgress }))).toBe(own);
  });

  test("rejects when the time is up, when it is told to end, and when the task is gone", async () => {
    const client = connect();
    const { id, receipt } = await held(client, "in-vain");
    const late = await caught(client.waitFor(id, { timeoutSeconds: 0.2 }));
    expect(late).toBeInstanceOf(TimeoutError);
    expect(late).toMatchObject({ noun: "task", id, timeoutSeconds: 0.2 });
    expect(await caught(client.waitFor(id, { timeoutSeconds: 0 }))).toBeInstanceOf(TimeoutError);
    const stop = new AbortController();
    const stopped = caught(client.waitFor(id, { signal: stop.signal, timeoutSeconds: 60 }));
    stop.abort("enough");
    expect(await stopped).toBe("enough");
    expect(await caught(client.waitFor(id, { signal: stop.signal }))).toBe("enough");
    const gone = caught(client.waitFor(id));
    await client.task.complete({ receipt });
    expect(await gone).toBeUndefined();
    await client.queue.purge({ name: "in-vain", states: ["completed"] });
    expect(isRefusal(await caught(client.waitFor(id)), "not_found")).toBe(true);
    const other = await caught(client.waitFor(id, { project: "elsewhere" }));
    expect(isRefusal(other, "not_found") && other.data.noun).toBe("project");
  });

  test("goes on when the service is started anew", async () => {
    const first = await startInstance(service.databaseUrl);
    const client = connect(first.url);
    const { id, receipt } = await held(client, `anew-${transport}`);
    let seen = 0;
    const task = client.waitFor(id, { onProgress: () => void seen++, timeoutSeconds: 60 });
    await service.call("task.progress", { receipt, percent: 1 });
    await until("it waits", () => seen === 1);
    await first.stop();
    await service.call("task.complete", { receipt });
    const second = await startInstance(service.databaseUrl, { PORT: new URL(first.url).port });
    expect(await task).toMatchObject({ id, state: "completed" });
    await second.stop();
  });
});
