/**
 * Calls that share a batch. All slots of the pipeline are kept busy by calls that wait for leases which a third party
 * holds, so that what comes next is gathered and goes together.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { socketRpc } from "../support/socket.ts";
import { type Hold, holds } from "./holds.ts";
import { story } from "./story.ts";

setDefaultTimeout(30_000);
const race = story();
const hold = holds(() => race.databaseUrl);
/** Batches of one kind that an instance has under way at a time (src/engine/create.ts). */
const SLOTS = 2;

/** Over one WebSocket, where calls are read in the order in which they are made. */
const call = <M extends keyof Contract>(method: M, params: Contract[M]["params"]) =>
  socketRpc(race.url(), method, params);

async function claimed(count: number) {
  const queue = race.queue();
  await race.call("task.enqueueMany", { queue, tasks: Array.from({ length: count }, () => ({})) });
  return (await race.call("task.claim", { queue, limit: count, leaseSeconds: 600 })).tasks;
}

/** Makes calls while every slot is busy, one after the other, and lets the slots go once all of them are gathered. */
async function inOneBatch<T>(busy: (receipt: string) => Promise<unknown>, calls: readonly (() => Promise<T>)[]) {
  const held: Hold[] = [];
  const waiting: Promise<unknown>[] = [];
  for (let slot = 1; slot <= SLOTS; slot++) {
    // Each in a queue of its own: calls of one queue would be gathered.
    const [task] = await claimed(1);
    held.push(await hold.lease(task!.id));
    waiting.push(busy(task!.receipt));
    await race.waiting(slot);
  }
  const answers = calls.map((one) => one());
  // An answer to anything shows that the calls before it have been read.
  await call("admin.health", {});
  for (const one of held) await one.release();
  await Promise.all(waiting);
  return await Promise.all(answers);
}

test("of two reports of progress the later one stands", async () => {
  const [task] = await claimed(1);
  const { receipt, id } = task!;
  const report = (percent: number) => () => call("task.progress", { receipt, percent });
  await inOneBatch((other) => call("task.progress", { receipt: other, percent: 1 }), [report(10), report(20)]);
  expect((await call("task.get", { id })).progress).toEqual({ percent: 20, note: null });
});

test("of two extensions the later one stands, but the progress of the one that has it, and both are told so", async () => {
  const [task] = await claimed(1);
  const { receipt, id } = task!;
  const progress = { percent: 10, note: null };
  const extensions = [{ leaseSeconds: 10, progress }, { leaseSeconds: 6000 }].map(
    (how) => () => call("task.extend", { receipts: [receipt], ...how }),
  );
  const answers = await inOneBatch((other) => call("task.extend", { receipts: [other] }), extensions);
  const { leaseExpiresAt } = await call("task.get", { id });
  expect(Date.parse(leaseExpiresAt!) - Date.now()).toBeGreaterThan(3_000_000);
  expect(answers.flatMap(({ items }) => items)).toEqual([
    { ok: true, id, leaseExpiresAt: leaseExpiresAt!, progress },
    { ok: true, id, leaseExpiresAt: leaseExpiresAt!, progress },
  ]);
});
