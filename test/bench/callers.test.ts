/** The bench's own callers: what they count is what happened. */
import { afterAll, expect, test } from "bun:test";
import { drain, endPolls, holdPolls } from "../../bench/callers/drain.ts";
import { enqueue, fill } from "../../bench/callers/enqueue.ts";
import { QUEUE } from "../../bench/callers/payload.ts";
import { openTransports } from "../../bench/callers/transport.ts";
import type { TransportName } from "../../bench/options.ts";
import { testService } from "../support/service.ts";
import { until } from "../support/until.ts";

const service = testService();
const target = (transport: TransportName) => ({ urls: [service.url], transport, connections: 2 });

async function counts() {
  const stats = await service.call("queue.stats", { name: QUEUE });
  if ("queues" in stats) throw new Error("queue.stats answered for all queues.");
  return stats;
}

for (const transport of ["HTTP", "WebSocket"] as const) {
  test(`over ${transport}, each task that is counted is there, and each completion too`, async () => {
    const before = await service.call("queue.stats", { name: QUEUE }).catch(() => null);
    const completedBefore = before && "completed" in before ? before.completed : 0;
    const { all } = await enqueue({ target: target(transport), callers: 4, seconds: 0.1, batch: 1 });
    await fill({ target: target(transport), count: 1500 });
    expect((await counts()).pending).toBe(all + 1500);
    const single = await drain({ target: target(transport), callers: 4, limit: 1, tasks: 20, capSeconds: 20 });
    expect((await counts()).completed - completedBefore).toBe(single.completed);
    const rest = all + 1500 - single.completed;
    const batches = await drain({ target: target(transport), callers: 4, limit: 250, tasks: rest, capSeconds: 20 });
    expect(batches.completed).toBe(rest);
    expect(await counts()).toMatchObject({ pending: 0, claimed: 0, completed: completedBefore + all + 1500 });
  });

  test(`over ${transport}, polls are held until they are let go, and answers counted`, async () => {
    await holdPolls({ target: target(transport), count: 10 });
    expect(await endPolls()).toEqual({ answered: 0, failed: 0 });
    await holdPolls({ target: target(transport), count: 10 });
    const queue = `${QUEUE}-empty`;
    await service.call("task.enqueueMany", { queue, tasks: Array.from({ length: 20 }, () => ({})) });
    // Ten polls can only have taken twenty tasks after ten answers.
    await until("all is taken", async () => {
      const stats = await service.call("queue.stats", { name: queue });
      return "pending" in stats && stats.pending === 0;
    });
    expect((await endPolls()).answered).toBeGreaterThanOrEqual(10);
  });

  test(`over ${transport}, a refusal fails the call`, async () => {
    const [caller] = await openTransports(target(transport));
    const call = caller!.call("task.get", { id: "no id" });
    await expect(call).rejects.toThrow("The service refused: -32602");
    caller!.close();
  });
}

/** Answers the last call first, and hangs up on a call of "queue.list". */
const contrary = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (request, self) => (self.upgrade(request) ? undefined : new Response(null, { status: 400 })),
  websocket: {
    message(socket, message) {
      const { id, method } = JSON.parse(String(message)) as { id: number; method: string };
      if (method === "queue.list") return void socket.close();
      held.push(() => void socket.send(JSON.stringify({ jsonrpc: "2.0", id, result: method })));
    },
  },
});
const held: (() => void)[] = [];
afterAll(() => contrary.stop(true));

test("answers over WebSocket go to the calls they are for, in any order, and a connection that ends fails its calls", async () => {
  const url = `http://127.0.0.1:${contrary.port}`;
  const [caller] = await openTransports({ urls: [url], transport: "WebSocket", connections: 1 });
  const calls = [caller!.call("admin.health", {}), caller!.call("admin.verify", {})];
  await until("both calls are there", () => held.length === 2);
  for (const answer of held.toReversed()) answer();
  expect(await Promise.all<unknown>(calls)).toEqual(["admin.health", "admin.verify"]);
  await expect(caller!.call("queue.list", {})).rejects.toThrow("The WebSocket closed");
});
