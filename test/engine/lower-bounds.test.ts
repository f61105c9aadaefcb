import { describe, expect, test } from "bun:test";
import { LowerBounds } from "../../src/engine/lower-bounds.ts";

const ANY = "";

/** Bounds under a clock of the test's own, and claims of one queue; a sweep may cost more than another claim. */
function stage(sweepMs = 1) {
  let now = 1_000_000;
  const bounds = new LowerBounds(() => now);
  const claim = (tasks: readonly [priority: number, runAt: number][], full = true) => {
    const start = bounds.start(1, ANY);
    const passed = tasks.map(([priority, run_at]) => ({ priority, run_at }));
    bounds.passed(1, ANY, start, { tasks: passed, full, tookMs: start.sweeping ? sweepMs : 1 });
    return start;
  };
  return { bounds, claim, pass: (ms: number) => (now += ms) };
}

/** The same once it is known what sweeps cost: much, for somebody holds a snapshot. */
function costly(sweepMs: number) {
  const all = stage(sweepMs);
  for (let at = 0; at < 5_000; at++) {
    all.claim([[5, 10_000 + at]]);
    all.pass(10);
  }
  return all;
}

describe("lower bounds", () => {
  test("a queue is first read from its very beginning, then from where the last claim came to, priority by priority", () => {
    const { claim } = stage();
    expect(
      claim([
        [2, 5_000],
        [5, 7_000],
      ]).sweeping,
    ).toBe(true);
    const start = claim([[5, 8_000]]);
    expect(start.sweeping).toBe(false);
    expect(start.from).toEqual([null, null, 5_000, null, null, 7_000, null, null, null, null]);
    expect(claim([[5, 9_000]]).from[5]).toBe(8_000);
  });

  test("while tasks are there for all that is asked, sweeps come ten times a second", () => {
    const { claim, pass } = stage();
    let sweeps = 0;
    for (let at = 0; at < 1_000; at++) {
      if (claim([[5, 10_000 + at]]).sweeping) sweeps++;
      pass(1);
    }
    expect(sweeps).toBe(10);
  });

  test("a claim that finds too few makes the next one sweep", () => {
    const { claim } = stage();
    claim([[5, 7_000]]);
    expect(claim([[5, 8_000]], false).sweeping).toBe(false);
    expect(claim([], false).sweeping).toBe(true);
    expect(claim([[5, 9_000]]).sweeping).toBe(true);
  });

  test("a sweep that finds earlier tasks than it can take goes on from there", () => {
    const { claim, pass } = stage();
    claim([[5, 9_000]]);
    pass(100);
    expect(claim([[5, 3_000]]).sweeping).toBe(true);
    expect(claim([[5, 3_500]]).from[5]).toBe(3_000);
  });

  test("costly sweeps keep to their share of the time, also where a queue is nearly empty", () => {
    const all = costly(200);
    let sweeps = 0;
    for (let at = 0; at < 10_000; at++) {
      if (all.claim([], false).sweeping) sweeps++;
      all.pass(10);
    }
    // A hundred seconds, of which a twentieth at 200 ms a sweep.
    expect(sweeps).toBeGreaterThan(10);
    expect(sweeps).toBeLessThan(30);
  });

  test("between costly sweeps a look two seconds back comes several times a second", () => {
    const all = costly(200);
    const starts = Array.from({ length: 100 }, (_, at) => {
      all.pass(10);
      return all.claim([[5, 1_000_000 + at]]);
    });
    const near = starts.filter(({ from, sweeping }, at) => !sweeping && from[5]! < 1_000_000 + at - 1_000);
    expect(near.length).toBeGreaterThanOrEqual(3);
    expect(near.length).toBeLessThanOrEqual(5);
  });

  test("what is known to lie before the bound waits half a second at the most, however costly sweeps are", () => {
    const all = costly(5_000);
    all.bounds.stir(1);
    let waited = 0;
    while (!all.claim([[5, 2_000_000]]).sweeping) {
      all.pass(10);
      waited += 10;
    }
    expect(waited).toBeLessThanOrEqual(500);
  });

  test("each kind of claims has its own bound", () => {
    const { bounds, claim } = stage();
    claim([[5, 7_000]]);
    expect(bounds.start(1, "names").sweeping).toBe(true);
    expect(bounds.start(2, ANY).sweeping).toBe(true);
  });

  test("what nobody uses is forgotten, and read from its beginning again", () => {
    const { bounds, claim, pass } = stage();
    claim([[5, 7_000]]);
    pass(61_000);
    bounds.start(2, ANY);
    expect(bounds.start(1, ANY).from).toEqual(Array.from({ length: 10 }, () => null));
  });
});
