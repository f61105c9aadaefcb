/** Tasks that come to lie before those that were claimed last: a claim begins where the last one came to. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { story } from "./story.ts";

setDefaultTimeout(60_000);
const race = story();

/** Claims one by one on the first instance from a queue that never runs dry, until `wanted` comes. Answers how many came before. */
async function claimUntil(queue: string, wanted: string, most: number): Promise<number> {
  for (let count = 0; count < most; count++) {
    const { tasks } = await race.call("task.claim", { queue, leaseSeconds: 600 });
    if (tasks[0]!.id === wanted) return count;
  }
  return most;
}

async function floodedQueue(tasks: number) {
  const queue = race.queue();
  for (let at = 0; at < tasks; at += 1_000)
    await race.call("task.enqueueMany", { queue, tasks: Array.from({ length: 1_000 }, () => ({})) });
  for (let at = 0; at < 20; at++) await race.call("task.claim", { queue, limit: 10, leaseSeconds: 600 });
  return queue;
}

test("another instance's task for an earlier time is found while the queue never runs dry", async () => {
  const queue = await floodedQueue(3_000);
  const { id } = await race.call("task.enqueue", { queue, runAt: "2020-01-01T00:00:00.000Z" }, 1);
  expect(await claimUntil(queue, id, 2_000)).toBeLessThan(2_000);
});

test("so is a task that was put there behind the service's back", async () => {
  const queue = await floodedQueue(3_000);
  const { id } = await race.call("task.enqueue", { queue, delaySeconds: 3_600 }, 1);
  await race.client.query("update task_ready set run_at = now() - interval '1 day' where id = $1", [id]);
  await race.client.query("update task set run_at = now() - interval '1 day' where id = $1", [id]);
  expect(await claimUntil(queue, id, 2_000)).toBeLessThan(2_000);
});

test("a waiting claim finds it too, with no word from anybody", async () => {
  const queue = race.queue();
  const { id } = await race.call("task.enqueue", { queue, delaySeconds: 3_600 });
  await race.call("task.enqueue", { queue });
  await race.call("task.claim", { queue, leaseSeconds: 600 });
  const waiting = race.call("task.claim", { queue, waitSeconds: 30, leaseSeconds: 600 });
  await race.client.query("update task_ready set run_at = '2001-01-01' where id = $1", [id]);
  await race.client.query("update task set run_at = '2001-01-01' where id = $1", [id]);
  expect((await waiting).tasks).toMatchObject([{ id }]);
});
