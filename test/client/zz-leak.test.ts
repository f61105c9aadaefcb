import { test } from "bun:test";
import { createClient, Worker } from "/work/main/src/client/index.ts";
import { testService } from "/work/main/test/support/service.ts";
const service = testService();
test("leak", async () => {
  const client = createClient({ url: service.url });
  let leaked = 0, ran = 0, rel = 0;
  for (let i = 0; i < 150; i++) {
    const queue = `l${i}`;
    await client.queue.create({ name: queue, leaseSeconds: 600 });
    const events: string[] = [];
    const w = new Worker({ client, queue, handle: () => null, onEvent: (e) => events.push(e.type) }).start();
    await new Promise((r) => setTimeout(r, 10));
    const e = client.task.enqueue({ queue });
    await new Promise((r) => setTimeout(r, (i % 15)));
    await w.stop();
    await e;
    await new Promise((r) => setTimeout(r, 30));
    const s = await client.queue.stats({ name: queue });
    if (!("queues" in s)) leaked += s.claimed;
    ran += events.filter((x) => x === "completed").length; rel += events.filter((x) => x === "released").length;
  }
  console.log({ leaked, ran, rel });
}, 60000);
