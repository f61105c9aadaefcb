import { describe, expect, test } from "bun:test";
import { Refusal } from "../../src/domain/refusals.ts";
import { GroupCommit } from "../../src/engine/group-commit.ts";

/** A pipeline whose batches are let go by hand. */
function pipeline(options: Partial<Record<"slots" | "weightMax" | "gatherMax" | "gatherWeightMax", number>> = {}) {
  const batches: { lane: number; items: readonly number[]; commit: () => void; fail: (error: Error) => void }[] = [];
  const group = new GroupCommit<number, string>({
    slots: 2,
    weightMax: 3,
    gatherMax: 100,
    gatherWeightMax: 1_000,
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

/** A queue, of a project of its own unless it is said. */
const queue = (queueId: number, projectId = queueId) => ({ projectId, queueId });

/** Submits the first, which goes at the end of the turn, and then the others, which gather. */
async function submitAll(
  group: GroupCommit<number, string>,
  items: readonly number[],
  of: (item: number) => { projectId: number; queueId: number },
): Promise<{ answers: Promise<string>[] }> {
  const [first, ...others] = items;
  const answers = [group.submit(of(first!), first!)];
  await settled();
  for (const item of others) answers.push(group.submit(of(item), item));
  await settled();
  return { answers };
}
const toOne = () => queue(1);

/** Lets what is due at the end of this turn happen, and what follows from it. */
const settled = async () => {
  for (let n = 0; n < 3; n++) await new Promise((resolve) => setImmediate(resolve));
};

describe("group commit", () => {
  test("a lone call goes at once; those that come meanwhile gather, and go together", async () => {
    const { group, batches } = pipeline({ slots: 1 });
    const { answers } = await submitAll(group, [1, 2, 3], () => queue(7));
    expect(batches.map(({ items }) => items)).toEqual([[1]]);
    batches[0]!.commit();
    await settled();
    expect(batches.map(({ items }) => items)).toEqual([[1], [2, 3]]);
    batches[1]!.commit();
    expect(await Promise.all(answers)).toEqual(["7:1", "7:2", "7:3"]);
  });

  test("calls that come in one turn go together", async () => {
    const { group, batches } = pipeline();
    const answers = [1, 2, 3].map((item) => group.submit(queue(7), item));
    await settled();
    expect(batches.map(({ items }) => items)).toEqual([[1, 2, 3]]);
    batches[0]!.commit();
    expect(await Promise.all(answers)).toEqual(["7:1", "7:2", "7:3"]);
  });

  test("beside a batch another goes only once it is as large, or large enough", async () => {
    const { group, batches } = pipeline({ weightMax: 100 });
    const answers = [1, 2, 3].map((item) => group.submit(queue(7), item));
    await settled();
    answers.push(group.submit(queue(7), 4), group.submit(queue(7), 5));
    await settled();
    expect(batches).toHaveLength(1);
    answers.push(group.submit(queue(7), 6));
    await settled();
    expect(batches.map(({ items }) => items)).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    for (const batch of batches) batch.commit();
    await Promise.all(answers);
    const large = pipeline({ weightMax: 100 });
    const many = Array.from({ length: 50 }, (_, at) => large.group.submit(queue(7), at));
    await settled();
    for (let at = 0; at < 20; at++) many.push(large.group.submit(queue(7), at));
    await settled();
    expect(large.batches.map(({ items }) => items.length)).toEqual([50, 20]);
    for (const batch of large.batches) batch.commit();
    await Promise.all(many);
  });

  test("a large batch that does not end holds no call of another queue", async () => {
    const { group, batches } = pipeline({ weightMax: 100 });
    const stuck = Array.from({ length: 10 }, (_, at) => group.submit(queue(1), at));
    await settled();
    const single = group.submit(queue(2), 50);
    await settled();
    expect(batches.map(({ lane }) => lane)).toEqual([1, 2]);
    batches[1]!.commit();
    expect(await single).toBe("2:50");
    batches[0]!.commit();
    await Promise.all(stuck);
  });

  test("a call is answered only after its batch has committed", async () => {
    const { group, batches } = pipeline();
    let answered = false;
    const answer = group.submit(queue(1), 1).then(() => {
      answered = true;
    });
    await settled();
    expect(batches).toHaveLength(1);
    expect(answered).toBe(false);
    batches[0]!.commit();
    await answer;
    expect(answered).toBe(true);
  });

  test("each caller gets its own answer", async () => {
    const { group, batches } = pipeline({ slots: 1, weightMax: 10 });
    const { answers } = await submitAll(group, [0, 5, 3, 9], toOne);
    batches[0]!.commit();
    await settled();
    batches[1]!.commit();
    expect(await Promise.all(answers)).toEqual(["1:0", "1:5", "1:3", "1:9"]);
  });

  test("batches hold no more than the most, but a call that is larger by itself", async () => {
    const { group, batches } = pipeline({ slots: 1, weightMax: 4 });
    const { answers } = await submitAll(group, [1, 2, 3, 4, 5], toOne);
    const large = pipeline({ slots: 1 });
    const alone = large.group.submit(queue(1), 100);
    await settled();
    expect(large.batches.map(({ items }) => items)).toEqual([[100]]);
    large.batches[0]!.commit();
    await alone;
    batches[0]!.commit();
    await settled();
    batches[1]!.commit();
    await Promise.all(answers);
    expect(batches.map(({ items }) => items)).toEqual([[1], [2, 3, 4, 5]]);
  });

  test("a flood of large calls holds a small one on the same queue for one batch only", async () => {
    const { group, batches } = pipeline({ slots: 1, weightMax: 10 });
    const { answers: flood } = await submitAll(group, [100, 101, 102, 103, 104, 105], toOne);
    const single = group.submit(queue(1), 7);
    batches[0]!.commit();
    await settled();
    expect(batches[1]!.items).toEqual([7, 101]);
    batches[1]!.commit();
    expect(await single).toBe("1:7");
    for (let at = 2; at < 4; at++) {
      await settled();
      batches[at]!.commit();
    }
    await Promise.all(flood);
    expect(batches.flatMap(({ items }) => items)).toEqual([100, 7, 101, 102, 103, 104, 105]);
  });

  test("a flood of small calls does not hold up a large one", async () => {
    const { group, batches } = pipeline({ slots: 1, weightMax: 10 });
    const { answers: flood } = await submitAll(group, [...Array(30).keys()], toOne);
    const large = group.submit(queue(1), 100);
    batches[0]!.commit();
    await settled();
    expect(batches[1]!.items).toEqual([1, 2, 3, 4, 5, 100]);
    batches[1]!.commit();
    expect(await large).toBe("1:100");
    for (let at = 2; at < 5; at++) {
      await settled();
      batches[at]!.commit();
    }
    await Promise.all(flood);
  });

  test("projects take turns: a flood over many queues holds another project's call for a batch only", async () => {
    const { group, batches } = pipeline({ slots: 1 });
    const { answers: flood } = await submitAll(group, [...Array(10).keys()], (item) => queue(10 + item, 1));
    const single = group.submit(queue(50, 2), 50);
    batches[0]!.commit();
    await settled();
    batches[1]!.commit();
    await settled();
    expect(batches[2]!.lane).toBe(50);
    for (let at = 2; at < 11; at++) {
      batches[at]!.commit();
      await settled();
    }
    expect(await single).toBe("50:50");
    await Promise.all(flood);
  });

  test("lanes take turns: a flood of one holds another's call for a batch only", async () => {
    const { group, batches } = pipeline({ slots: 1 });
    const { answers: flood } = await submitAll(group, [...Array(10).keys()], toOne);
    const single = group.submit(queue(2), 50);
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
      gatherWeightMax: 1_000,
      mayBeOnes: () => true,
      run: async (_lane, items) => {
        await settled();
        if (items.includes(bad)) throw new Error("bad");
        return items;
      },
    });
    const outcomes = await Promise.allSettled([0, 1, 2, 3, 4].map((item) => group.submit(queue(1), item)));
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
    const { answers } = await submitAll(group, [0, 1, 2], toOne);
    const [first, ...others] = answers;
    batches[0]!.commit();
    await first;
    await settled();
    batches[1]!.fail(new Error("everybody's"));
    expect((await Promise.allSettled(others)).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(batches).toHaveLength(2);
  });

  test("so are calls that would make the gathered ones weigh too much; one alone is always taken", async () => {
    const { group, batches } = pipeline({ slots: 1, gatherWeightMax: 4 });
    const { answers: taken } = await submitAll(group, [100, 101], toOne);
    expect(() => group.submit(queue(1), 1)).toThrow(Refusal);
    batches[0]!.commit();
    await settled();
    taken.push(group.submit(queue(1), 2));
    for (let at = 1; at < 3; at++) {
      batches[at]!.commit();
      await settled();
    }
    expect(await Promise.all(taken)).toEqual(["1:100", "1:101", "1:2"]);
  });

  test("beyond the bound calls are refused as overloaded, and taken again once there is room", async () => {
    const { group, batches } = pipeline({ slots: 1, gatherMax: 2 });
    const { answers: taken } = await submitAll(group, [0, 1, 2], toOne);
    expect(group.gathered).toBe(2);
    expect(() => group.submit(queue(1), 3)).toThrow(Refusal);
    batches[0]!.commit();
    await settled();
    taken.push(group.submit(queue(1), 4));
    batches[1]!.commit();
    await settled();
    batches[2]!.commit();
    expect(await Promise.all(taken)).toEqual(["1:0", "1:1", "1:2", "1:4"]);
  });
});
