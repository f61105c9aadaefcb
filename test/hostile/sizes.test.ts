/** How much of what callers send is kept, and how much of it goes out at once: each limit from both sides. */
import { expect, test } from "bun:test";
import type { Contract } from "../../src/rpc/methods/index.ts";
import { refusal, testService } from "../support/service.ts";

const KB = 1_024;
const { call } = testService({
  RESULT_BYTES_MAX: String(20 * KB),
  ERROR_DATA_BYTES_MAX: "1000",
  ANSWER_BYTES_MAX: String(100 * KB),
});

/** JSON text of so many bytes, which compresses to next to nothing. */
const textOf = (bytes: number) => "x".repeat(bytes - 2);
/** A number of five characters, and of 309 digits. */
const HUGE = 1e308;

async function claimOne(queue: string): Promise<string> {
  await call("task.enqueue", { queue });
  const { tasks } = await call("task.claim", { queue });
  return tasks[0]!.receipt;
}

test("RESULT_BYTES_MAX, of one result and of one among several", async () => {
  const limitBytes = 20 * KB;
  const receipt = await claimOne("results");
  const tooLarge = { type: "payload_too_large", limitBytes };
  expect(await refusal(call("task.complete", { receipt, result: textOf(limitBytes + 1) }))).toEqual(tooLarge);
  expect(await refusal(call("task.complete", { receipt, result: Array(70).fill(HUGE) }))).toEqual(tooLarge);
  const other = await claimOne("results");
  const { items } = await call("task.completeMany", {
    items: [
      { receipt: other, result: textOf(limitBytes + 1) },
      { receipt, result: textOf(limitBytes) },
      { receipt: other, result: Array(60).fill(HUGE) },
    ],
  });
  expect(items).toMatchObject([
    { ok: false, error: { code: 1005, data: tooLarge } },
    { ok: true, state: "completed" },
    { ok: true, state: "completed" },
  ]);
});

test("ERROR_DATA_BYTES_MAX, likewise", async () => {
  const tooLarge = { type: "payload_too_large", limitBytes: 1_000 };
  const receipt = await claimOne("errors");
  const error = (bytes: number) => ({ message: "m", data: textOf(bytes) });
  expect(await refusal(call("task.fail", { receipt, error: error(1_001) }))).toEqual(tooLarge);
  expect(
    await refusal(call("task.fail", { receipt, error: { message: "m", data: [HUGE, HUGE, HUGE, HUGE] } })),
  ).toEqual(tooLarge);
  const other = await claimOne("errors");
  const { items } = await call("task.failMany", {
    items: [
      { receipt, error: error(1_001) },
      { receipt: other, error: error(1_000) },
    ],
  });
  expect(items).toMatchObject([{ ok: false, error: { data: tooLarge } }, { ok: true }]);
  expect(await call("task.fail", { receipt, error: error(1_000) })).toMatchObject({ state: "pending" });
});

test("a payload's numbers count with all their digits, wherever payloads come in", async () => {
  await call("queue.create", { name: "digits", maxPayloadBytes: 1_000 });
  const tooLarge = { type: "payload_too_large", limitBytes: 1_000 };
  const [fits, large] = [{ a: [HUGE, HUGE, HUGE] }, { a: [HUGE, HUGE, HUGE, HUGE] }];
  const { id } = await call("task.enqueue", { queue: "digits", payload: fits });
  const refused: (() => Promise<unknown>)[] = [
    () => call("task.enqueue", { queue: "digits", payload: large }),
    () => call("task.enqueueMany", { queue: "digits", tasks: [{ payload: fits }, { payload: large }] }),
    () => call("task.update", { id, payload: large }),
    () => call("schedule.create", { name: "digits", queue: "digits", everySeconds: 60, task: { payload: large } }),
    () => call("workflow.create", { queue: "digits", tasks: [{ key: "a", payload: large }] }),
  ];
  for (const one of refused) expect(await refusal(one())).toEqual(tooLarge);
  expect((await call("task.get", { id })).payload).toEqual(fits);
});

const LARGE = 9 * KB;

/** Twenty-five tasks of 9 KB each, of which a page of 100 KB has room for eleven, and one that goes beyond. */
async function fill(queue: string): Promise<string[]> {
  const payload = { text: textOf(LARGE) };
  const tasks = Array.from({ length: 25 }, (_, at) => ({
    payload,
    description: "large ones",
    dueAt: new Date(Date.UTC(2031, 0, 1 + at)).toISOString(),
  }));
  return (await call("task.enqueueMany", { queue, tasks })).tasks.map(({ id }) => id);
}

const SORTS = ["added", "-added", "dueAt", "priority", "relevance"] as const;

test("ANSWER_BYTES_MAX cuts the pages of task.list, and the cursor goes on behind the cut", async () => {
  const ids = await fill("pages");
  for (const sort of SORTS) {
    const params = { queue: "pages", sort, limit: 20, ...(sort === "relevance" ? { text: "large" } : {}) };
    const sizes: number[] = [];
    const found: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page: Contract["task.list"]["result"] = await call("task.list", {
        ...params,
        ...(cursor ? { cursor } : {}),
      });
      sizes.push(page.tasks.length);
      found.push(...page.tasks.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    expect([sort, sizes]).toEqual([sort, [12, 12, 1]]);
    expect(found.toSorted()).toEqual(ids.toSorted());
  }
  // Ordinary tasks are not cut.
  await call("task.enqueueMany", { queue: "small", tasks: Array(100).fill({ payload: { a: 1 } }) });
  expect((await call("task.list", { queue: "small", limit: 100 })).tasks).toHaveLength(100);
});

test("a task that is larger than a page comes alone", async () => {
  for (let at = 0; at < 3; at++) await call("task.enqueue", { queue: "alone", payload: { text: textOf(200 * KB) } });
  const first = await call("task.list", { queue: "alone" });
  expect(first.tasks).toHaveLength(1);
  expect((await call("task.list", { queue: "alone", cursor: first.nextCursor! })).tasks).toHaveLength(1);
});

test("ANSWER_BYTES_MAX cuts the pages of worker.tasks", async () => {
  const ids = await fill("worked");
  const claimed: string[] = [];
  while (claimed.length < ids.length)
    claimed.push(...(await call("task.claim", { queue: "worked", worker: "w", limit: 25 })).tasks.map(({ id }) => id));
  const found: string[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page: Contract["worker.tasks"]["result"] = await call("worker.tasks", {
      id: "w",
      ...(cursor ? { cursor } : {}),
    });
    expect(page.tasks.length).toBeLessThan(25);
    found.push(...page.tasks.map(({ id }) => id));
    cursor = page.nextCursor;
  }
  expect(found.toSorted()).toEqual(ids.toSorted());
});

test("ANSWER_BYTES_MAX cuts claims, which leave the rest to the next", async () => {
  const ids = await fill("claims");
  const sizes: number[] = [];
  const claimed: string[] = [];
  while (claimed.length < ids.length) {
    const { tasks } = await call("task.claim", { queue: "claims", limit: 25 });
    sizes.push(tasks.length);
    claimed.push(...tasks.map(({ id }) => id));
  }
  expect(sizes).toEqual([12, 12, 1]);
  // In the order in which tasks leave, whatever the cut.
  expect(claimed).toEqual(ids);
  expect((await call("task.claim", { queue: "claims", limit: 25 })).tasks).toEqual([]);
});
