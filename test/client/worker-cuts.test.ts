import { afterAll, expect, test } from "bun:test";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { createClient, type QueueStats, Worker } from "../../src/client/index.ts";
import { testService } from "../support/service.ts";
import { until } from "../support/until.ts";
import { Heard, TRANSPORTS } from "./support.ts";

/** The worker and the service, and between them a network that cuts connections. */
const sockets = new Set<Socket>();
const network = createServer((near) => {
  const far = connect(Number(new URL(service.url).port), "127.0.0.1");
  for (const [socket, other] of [
    [near, far],
    [far, near],
  ] as const) {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      sockets.delete(socket);
      other.destroy();
    });
    socket.pipe(other);
  }
});
await new Promise<void>((resolve) => network.listen(0, "127.0.0.1", resolve));
const host = `127.0.0.1:${(network.address() as AddressInfo).port}`;
const service = testService({ ALLOWED_HOSTS: host });
const cut = () => {
  for (const socket of sockets) socket.destroy();
};
afterAll(() => {
  cut();
  network.close();
});

test.each(TRANSPORTS)(
  "over %s: however often connections are cut, each task is completed once",
  async (transport) => {
    const client = createClient({ url: service.url });
    const queue = `q-${transport}`;
    const backoff = { baseSeconds: 0, jitter: false };
    await client.queue.create({ name: queue, leaseSeconds: 1, maxAttempts: 100, backoff });
    const total = 600;
    await client.task.enqueueMany({ queue, tasks: Array.from({ length: total }, (_, n) => ({ payload: { n } })) });
    const stats = async () => (await client.queue.stats({ name: queue })) as QueueStats;
    const heard = new Heard();
    const worker = new Worker({
      client: createClient({ url: `http://${host}` }),
      transport,
      queue,
      concurrency: 5,
      prefetch: 10,
      handle: async (task) => {
        // A cut in the middle of all that is going on: claims, reports and renewals.
        if ((task.payload.n as number) % 60 === 0) cut();
        await new Promise((resolve) => setTimeout(resolve, 1));
        return task.payload.n;
      },
      onEvent: heard.listen,
    }).start();
    await until("all are completed", async () => (await stats()).completed === total, {
      timeoutMs: 60_000,
    });
    await worker.stop();
    expect(heard.of("trouble").length).toBeGreaterThan(0);
    expect(new Set(heard.of("completed").map(({ task }) => task.id)).size).toBe(heard.of("completed").length);
    expect(await stats()).toMatchObject({
      completed: total,
      failed: 0,
      claimed: 0,
      pending: 0,
    });
    expect(await client.admin.verify()).toMatchObject({ ok: true });
  },
  90_000,
);
