/** Waiting claims that are kept for new tasks while a statement adds those. */
import { expect, test } from "bun:test";
import type { ClaimedView } from "../../src/domain/task/views.ts";
import type { Ask, Kept } from "../../src/engine/claim-line.ts";
import type { Came } from "../../src/engine/split.ts";
import { ask, idsOf, stage, task, turn } from "./dispatcher-stage.ts";

const Q = { projectId: 1, queue: "q" };

/** What each kept claim got: tasks named after the places they were kept for. */
const gotAll = (kept: readonly Kept[]) =>
  new Map<Ask, Came<ClaimedView[]>>(
    kept.map(({ one, tasks }) => [one.ask, { answer: tasks.map((at) => task(`n${at}`)) }]),
  );

/** A stage on which these claims wait and have found nothing. */
async function waiting(...asks: Ask[]) {
  const all = stage();
  const claims = asks.map((one) => all.dispatcher.wait(one, 60_000));
  await turn();
  for (let at = 0; at < all.statements.length; at++) await all.statements[at]!.give();
  return { ...all, claims, before: all.statements.length };
}

test("claims that have found nothing are kept in their order, each for as many as it asks for", async () => {
  const { dispatcher, claims, statements, before } = await waiting(ask({ limit: 2 }), ask(), ask());
  const kept = dispatcher.keep(Q, [null, null, null]);
  expect(kept.map(({ tasks }) => tasks)).toEqual([[0, 1], [2]]);
  dispatcher.settle(
    Q,
    kept.map(({ one }) => one),
    gotAll(kept),
  );
  expect(idsOf(await claims[0]!)).toEqual(["n0", "n1"]);
  expect(idsOf(await claims[1]!)).toEqual(["n2"]);
  await turn();
  expect(statements).toHaveLength(before);
  expect(dispatcher.waiting).toBe(1);
  dispatcher.close();
});

test("by names: nobody is kept for a task that it did not ask for", async () => {
  const { dispatcher } = await waiting(ask({ names: ["a"] }), ask({ names: ["b", "c"], limit: 9 }));
  expect(dispatcher.keep(Q, [null, "x"])).toEqual([]);
  const kept = dispatcher.keep(Q, ["c", "a", "a", "b", null]);
  expect(kept.map(({ one, tasks }) => [one.ask.names, tasks])).toEqual([
    [["a"], [1]],
    [
      ["b", "c"],
      [0, 3],
    ],
  ]);
  dispatcher.close();
});

test("one that is kept is not given tasks by anything else, and stands on when nothing came of it", async () => {
  const { dispatcher, claims, statements, before } = await waiting(ask());
  const kept = dispatcher.keep(Q, [null]);
  expect(dispatcher.keep(Q, [null])).toEqual([]);
  dispatcher.wake(Q);
  await turn();
  expect(statements).toHaveLength(before);
  dispatcher.settle(
    Q,
    kept.map(({ one }) => one),
    new Map(),
  );
  await turn();
  // The wake-up that came meanwhile is not lost.
  expect(statements).toHaveLength(before + 1);
  await statements[before]!.give(1);
  expect(idsOf(await claims[0]!)).toEqual(["t0"]);
  dispatcher.close();
});

test("not kept: one that has not looked, one that does not wait, one whose statement is under way, a recorded one", async () => {
  const { dispatcher, statements } = stage();
  void dispatcher.wait(ask(), 60_000);
  expect(dispatcher.keep(Q, [null])).toEqual([]);
  await turn();
  expect(dispatcher.keep(Q, [null])).toEqual([]);
  await statements[0]!.give();
  expect(dispatcher.keep({ projectId: 2, queue: "q" }, [null])).toEqual([]);
  const request = { projectId: 1, requestId: "r", method: "task.claim", params: {} };
  const recorded = await waiting({ ...ask(), request, kind: "recorded " });
  expect(recorded.dispatcher.keep(Q, [null])).toEqual([]);
  expect(dispatcher.keep(Q, [null])).toHaveLength(1);
  dispatcher.close();
  recorded.dispatcher.close();
});

test("one whose time is up, or whose caller goes, while it is kept ends with what came of it", async () => {
  const gone = new AbortController();
  const { dispatcher, claims } = await waiting(ask({ signal: gone.signal }), ask());
  const kept = dispatcher.keep(Q, [null, null]);
  gone.abort();
  expect(dispatcher.waiting).toBe(2);
  dispatcher.settle(
    Q,
    kept.map(({ one }) => one),
    new Map([[kept[1]!.one.ask, gotAll(kept).get(kept[1]!.one.ask)!]]),
  );
  expect(await claims[0]!).toBeNull();
  expect(idsOf(await claims[1]!)).toEqual(["n1"]);
  expect(dispatcher.waiting).toBe(0);
  dispatcher.close();
});

test("one that waits in several queues is kept by one of them at a time", async () => {
  const { dispatcher, claims } = await waiting(ask({ queues: ["q", "r"] }));
  const kept = dispatcher.keep(Q, [null]);
  expect(kept).toHaveLength(1);
  expect(dispatcher.keep({ projectId: 1, queue: "r" }, [null])).toEqual([]);
  dispatcher.settle(
    Q,
    kept.map(({ one }) => one),
    gotAll(kept),
  );
  expect(idsOf(await claims[0]!)).toEqual(["n0"]);
  expect(dispatcher.keep({ projectId: 1, queue: "r" }, [null])).toEqual([]);
  dispatcher.close();
});
