import { describe, expect, test } from "bun:test";
import { Refusal } from "../../src/domain/refusals.ts";
import { GroupCommit } from "../../src/engine/group-commit.ts";

/** A pipeline whose batches are let go by hand. */
function pipeline(options: { slots?: number; weightMax?: number; gatherMax?: number } = {}) {
  const batches: { lane: number; items: readonly number[]; commit: () => void; fail: (error: Error) => void }[] = [];
  const group = new GroupCommit<number, string>({
    slots: 2,
    weightMax: 3,
    gatherMax: 100,
    ...options,
    weight: (item) => (item >= 100 ? 5 : 1),
    mayBeOnes: (error) => (error as Error).message !== "everybody's",
    run: (lane, items) =>
      new Promise((resolve, reject) => {
        batches.push({ lane, items, commit: () => resolve(items.map((item) => `${lane}:${item}`)), fail: reject });
      }),
  });
  return { group, batches };
}

/** Lets promises that are due settle. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("group commit", () => {
  test("a lone call goes at once; those that come meanwhile gather, and go together", async () => {
    const { group, batches } = pipeline({ slots: 1 });
    const answers = [1, 2, 3].map((item) => group.submit(7, item));
    expect(batches.map(({ items }) => items)).toEqual([[1]]);
    batches[0]!.commit();
    await settled();
    expect(batches.map(({ items }) => items)).toEqual([[1], [2, 3]]);
    batches[1]!.commit();
    expect(await Promise.all(answers)).toEqual(["7:1", "7:2", "7:3"]);
  });

  test("a call is answered only after its batch has committed", async () => {
    const { group, batches } = pipeline();
    let answered = false;
    const answer = group.submit(1, 1).then(() => {
      answered = true;
    });
    await settled();
    expect(answered).toBe(false);
    batches[0]!.commit();
    await answer;
    expect(answered).toBe(true);
  });

  test("each caller gets its own answer", async () => {
    const { group, batches } = pipeline({ slots: 1, weightMax: 10 });
    const first = group.submit(1, 0);
    const answers = [5, 3, 9].map((item) => group.submit(1, item));
    batches[0]!.commit();
    await first;
    await settled();
    batches[1]!.commit();
    expect(await Promise.all(answers)).toEqual(["1:5", "1:3", "1:9"]);
  });

  test("batches hold no more than the most, but a call that is larger by itself", async () => {
    const { group, batches } = pipeline({ slots: 1 });
    const answers = [1, 2, 3, 4, 5, 100, 6].map((item) => group.submit(1, item));
    for (let at = 0; at < 5; at++) {
      batches[at]!.commit();
      await settled();
    }
    expect(batches.map(({ items }) => items)).toEqual([[1], [2, 3, 4], [5], [100], [6]]);
    await Promise.all(answers);
  });

  test("lanes take turns: a flood of one holds another's call for a batch only", async () => {
    const { group, batches } = pipeline({ slots: 1 });
    const flood = Array.from({ length: 10 }, (_, at) => group.submit(1, at));
    const single = group.submit(2, 50);
    batches[0]!.commit();
    await settled();
    batches[1]!.commit();
    await settled();
    expect(batches.map(({ lane }) => lane)).toEqual([1, 1, 2]);
    batches[2]!.commit();
    expect(await single).toBe("2:50");
    for (let at = 3; at < 5; at++) {
      await settled();
      batches[at]!.commit();
    }
    await settled();
    batches[5]?.commit();
    await Promise.all(flood);
  });

  test("an error of one call is that call's alone", async () => {
    const bad = 2;
    const group = new GroupCommit<number, number>({
      slots: 1,
      weight: () => 1,
      weightMax: 10,
      gatherMax: 100,
      mayBeOnes: () => true,
      run: async (_lane, items) => {
        await settled();
        if (items.includes(bad)) throw new Error("bad");
        return items;
      },
    });
    const outcomes = await Promise.allSettled([0, 1, 2, 3, 4].map((item) => group.submit(1, item)));
    expect(outcomes.map(({ status }) => status)).toEqual([
      "fulfilled",
      "fulfilled",
      "rejected",
      "fulfilled",
      "fulfilled",
    ]);
  });

  test("an error that is everybody's is not tried again", async () => {
    const { group, batches } = pipeline({ slots: 1 });
    const first = group.submit(1, 0);
    const others = [1, 2].map((item) => group.submit(1, item));
    batches[0]!.commit();
    await first;
    await settled();
    batches[1]!.fail(new Error("everybody's"));
    expect((await Promise.allSettled(others)).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(batches).toHaveLength(2);
  });

  test("beyond the bound calls are refused as overloaded, and taken again once there is room", async () => {
    const { group, batches } = pipeline({ slots: 1, gatherMax: 2 });
    const taken = [0, 1, 2].map((item) => group.submit(1, item));
    expect(group.gathered).toBe(2);
    expect(() => group.submit(1, 3)).toThrow(Refusal);
    batches[0]!.commit();
    await settled();
    taken.push(group.submit(1, 4));
    batches[1]!.commit();
    await settled();
    batches[2]!.commit();
    expect(await Promise.all(taken)).toEqual(["1:0", "1:1", "1:2", "1:4"]);
  });
});
