import { afterEach, describe, expect, test } from "bun:test";
import type { Hint } from "../../src/engine/hints.ts";
import { Wakeups } from "../../src/engine/wakeups.ts";
import { until } from "../support/until.ts";

const open: Wakeups[] = [];
afterEach(() => {
  for (const wakeups of open.splice(0)) wakeups.close();
});

/** Instances that hear each other, and what was sent between them. */
function instances(count: number) {
  const sent: string[] = [];
  const all = Array.from({ length: count }, () => new Wakeups());
  open.push(...all);
  const said = all.map(() => [] as Hint[]);
  for (const [at, wakeups] of all.entries()) {
    wakeups.listen((wakeup) => said[at]!.push(wakeup));
    wakeups.connect({
      notify: (topic, payload) => {
        sent.push(`${topic} ${payload.split(" ").slice(1).join(" ")}`);
        for (const other of all) other.heard(topic, payload);
      },
    });
  }
  return { all, said, sent };
}

describe("wake-ups", () => {
  test("those who wait here are told at once, and nothing is sent while nobody waits elsewhere", async () => {
    const { all, said, sent } = instances(2);
    all[0]!.wake(7);
    expect(said[0]).toEqual([{ queueId: 7, marked: true }]);
    all[0]!.waiting(8);
    await until("something is sent", () => sent.length > 0);
    expect(sent).toEqual(["wanted 8"]);
    expect(said[1]).toEqual([]);
  });

  test("many wake-ups of a queue that somebody elsewhere waits for are one notification", async () => {
    const { all, said, sent } = instances(2);
    all[1]!.waiting(7);
    await until("the other knows", () => sent.length === 1);
    for (let n = 0; n < 1_000; n++) all[0]!.wake(7, { stirred: false });
    all[0]!.wake(9);
    await until("it is told", () => sent.length === 2);
    expect(sent[1]).toBe("news 7");
    expect(said[1]!.filter(({ queueId }) => queueId === 7).length).toBeGreaterThanOrEqual(1);
    // Nobody hears a wake-up of its own twice.
    expect(said[0]).toHaveLength(1_001);
  });

  test("that tasks may lie before those claimed last is told too, if it is so of any of them", async () => {
    const { all, said, sent } = instances(2);
    all[1]!.waiting(7);
    await until("the other knows", () => sent.length === 1);
    all[0]!.wake(7, { stirred: false });
    all[0]!.wake(7);
    all[0]!.wake(7, { stirred: false });
    await until("it is told", () => sent.length === 2);
    expect(said[1]).toContainEqual({ queueId: 7, marked: true });
  });

  test("who begins to wait looks once more, for what came before the others knew", async () => {
    const { all, said } = instances(1);
    all[0]!.waiting(7);
    expect(said[0]).toEqual([]);
    await until("it looks again", () => said[0]!.length === 1);
    expect(said[0]).toEqual([{ queueId: 7, marked: false }]);
  });

  test("without a connection nothing is sent, and nothing fails", () => {
    const alone = new Wakeups();
    open.push(alone);
    alone.heard("wanted", "other 7");
    alone.wake(7);
    alone.waiting(7);
    alone.heard("news", "other x7 8 ");
  });
});
