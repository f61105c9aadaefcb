import { describe, expect, test } from "bun:test";
import { ask, idsOf, stage, turn } from "./dispatcher-stage.ts";

/** One claim that is with the database, so that what comes now gathers behind it. */
async function behindOne() {
  const all = stage();
  const busy = all.dispatcher.look(ask({ limit: 1_000 }));
  await turn();
  return { ...all, busy };
}

describe("claims that share a statement", () => {
  test("those that come in one turn share it, first come first served", async () => {
    const { dispatcher, statements } = stage();
    const claims = [1, 2, 1].map((limit) => dispatcher.look(ask({ limit })));
    await turn();
    expect(statements.map(({ asks }) => asks.map(({ limit }) => limit))).toEqual([[1, 2, 1]]);
    await statements[0]!.give(1, 2, 1);
    expect((await Promise.all(claims)).map(idsOf)).toEqual([["t0"], ["t1", "t2"], ["t3"]]);
  });

  test("those that come while one is under way share the next; it goes beside that one when it is as large", async () => {
    const { dispatcher, statements } = stage();
    const claims = [dispatcher.look(ask()), dispatcher.look(ask())];
    await turn();
    claims.push(dispatcher.look(ask()));
    await turn();
    expect(statements).toHaveLength(1);
    claims.push(dispatcher.look(ask()));
    await turn();
    expect(statements.map(({ asks }) => asks.length)).toEqual([2, 2]);
    await statements[1]!.give(1, 1);
    await statements[0]!.give(1, 1);
    expect((await Promise.all(claims)).map(idsOf)).toEqual([["t2"], ["t3"], ["t0"], ["t1"]]);
  });

  test("a statement asks for a thousand tasks at the most", async () => {
    const { dispatcher, statements } = stage();
    const claims = [600, 400, 1].map((limit) => dispatcher.look(ask({ limit })));
    await turn();
    expect(statements[0]!.asks.map(({ limit }) => limit)).toEqual([600, 400]);
    await statements[0]!.give(600, 400);
    expect(statements[1]!.asks.map(({ limit }) => limit)).toEqual([1]);
    await statements[1]!.give(1);
    expect((await Promise.all(claims)).map((tasks) => tasks?.length)).toEqual([600, 400, 1]);
  });

  test("where too few are found the rest get nothing, without a statement of their own", async () => {
    const { dispatcher, statements } = stage();
    const claims = [
      ...[1_000, 1].map((limit) => dispatcher.look(ask({ limit }))),
      dispatcher.look(ask({ names: ["a"] })),
    ];
    await turn();
    expect(statements.map(({ asks }) => asks.map(({ limit }) => limit))).toEqual([[1_000]]);
    await statements[0]!.give(2);
    expect((await Promise.all(claims)).map(idsOf)).toEqual([["t0", "t1"], null, null]);
    expect(statements).toHaveLength(1);
  });

  test("each caller of a statement that fails is told so", async () => {
    const { dispatcher, statements } = stage();
    const claims = Promise.allSettled([dispatcher.look(ask()), dispatcher.look(ask())]);
    await turn();
    await statements[0]!.fail(new Error("no"));
    expect((await claims).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(statements).toHaveLength(1);
  });
});

describe("claims that wait", () => {
  test("a thousand that wait cost one statement when tasks come, and the first of them get the tasks", async () => {
    const { dispatcher, statements } = stage();
    const stop = new AbortController();
    const claims = Array.from({ length: 1_000 }, () => dispatcher.wait(ask({ signal: stop.signal }), 60_000));
    await turn();
    expect(statements.map(({ asks }) => asks.length)).toEqual([1_000]);
    await statements[0]!.give();
    expect(statements).toHaveLength(1);
    dispatcher.wake({ projectId: 1, queue: "q" });
    await turn();
    expect(statements.map(({ asks }) => asks.length)).toEqual([1_000, 1_000]);
    await statements[1]!.give(1, 1);
    expect(idsOf(await claims[0]!)).toEqual(["t0"]);
    expect(idsOf(await claims[1]!)).toEqual(["t1"]);
    expect(dispatcher.waiting).toBe(998);
    stop.abort();
    await Promise.all(claims);
    expect(dispatcher.waiting).toBe(0);
    dispatcher.close();
  });

  test("what comes while a statement is under way makes it look again", async () => {
    const { dispatcher, statements } = stage();
    const claim = dispatcher.wait(ask(), 60_000);
    await turn();
    dispatcher.wake({ projectId: 1, queue: "q" });
    await statements[0]!.give(0);
    expect(statements).toHaveLength(2);
    await statements[1]!.give(1);
    expect(idsOf(await claim)).toEqual(["t0"]);
    dispatcher.close();
  });

  test("one whose caller has gone is not asked for", async () => {
    const { dispatcher, statements } = stage();
    const gone = new AbortController();
    const first = dispatcher.wait(ask({ signal: gone.signal }), 60_000);
    const second = dispatcher.wait(ask(), 60_000);
    await turn();
    await statements[0]!.give(0, 0);
    gone.abort();
    expect(await first).toBeNull();
    dispatcher.wake({ projectId: 1, queue: "q" });
    await turn();
    expect(statements[1]!.asks).toHaveLength(1);
    await statements[1]!.give(1);
    expect(idsOf(await second)).toEqual(["t0"]);
    dispatcher.close();
  });

  test("one whose time is up while its statement is under way still gets what that takes for it", async () => {
    const { dispatcher, statements } = stage();
    const claim = dispatcher.wait(ask(), 1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await statements[0]!.give(1);
    expect(idsOf(await claim)).toEqual(["t0"]);
    const late = dispatcher.wait(ask(), 1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await statements[1]!.give(0);
    expect(await late).toBeNull();
    dispatcher.close();
  });
});

describe("names and several queues", () => {
  test("many filters cost one look, and a statement only for those that can find something", async () => {
    const { dispatcher, statements, looks, dueNames, busy } = await behindOne();
    const claims = ["a", "b", "c", "d"].map((name) => dispatcher.look(ask({ names: [name] })));
    dueNames.add("c");
    await turn();
    await statements[0]!.give(1_000);
    expect(looks).toEqual([["a", "b", "c", "d"]]);
    expect(statements.slice(1).map(({ asks }) => asks.map(({ names }) => names))).toEqual([[["c"]]]);
    await statements[1]!.give(1);
    expect((await Promise.all(claims)).map(idsOf)).toEqual([null, null, ["t1000"], null]);
    await busy;
  });

  test("a claim with a requestId that takes any task is not looked for by name", async () => {
    const { dispatcher, statements, looks, busy } = await behindOne();
    const recorded = dispatcher.look({ ...ask(), kind: "recorded" });
    const named = ["a", "b", "c"].map((name) => dispatcher.look(ask({ names: [name] })));
    await turn();
    await statements[0]!.give(1_000);
    expect(statements[1]!.asks.map(({ kind }) => kind)).toEqual(["recorded"]);
    await statements[1]!.give(1);
    expect(idsOf(await recorded)).toEqual(["t1000"]);
    await Promise.all([busy, ...named]);
    expect(looks).toEqual([["a", "b", "c"]]);
  });

  test("of several queues only those with due tasks are claimed from, in their order", async () => {
    const { dispatcher, statements, looks, due } = stage();
    due.add("b").add("c");
    const claim = dispatcher.look(ask({ queues: ["a", "b", "c"] }));
    await turn();
    expect(looks).toEqual([["a", "b", "c"]]);
    expect(statements.map(({ queue }) => queue)).toEqual(["b"]);
    await statements[0]!.give(0);
    expect(statements.map(({ queue }) => queue)).toEqual(["b", "c"]);
    await statements[1]!.give(1);
    expect(idsOf(await claim)).toEqual(["t0"]);
  });

  test("one that waits in two lines is never asked for in both at once", async () => {
    const { dispatcher, statements, due } = stage();
    const claim = dispatcher.wait(ask({ queues: ["a", "b"] }), 60_000);
    await turn();
    due.add("a");
    expect(statements.map(({ queue }) => queue)).toEqual(["a"]);
    dispatcher.wake({ projectId: 1, queue: "b" });
    await turn();
    expect(statements.map(({ queue }) => queue)).toEqual(["a"]);
    await statements[0]!.give(0);
    // It is free now, and the other line is owed a look.
    expect(statements.map(({ queue }) => queue)).toEqual(["a", "b"]);
    await statements[1]!.give(1);
    expect(idsOf(await claim)).toEqual(["t0"]);
    dispatcher.close();
  });
});
