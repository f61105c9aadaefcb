import { expect, test } from "bun:test";
import { TokenBuckets } from "../../src/lib/token-buckets.ts";

function buckets({ perSecond = 2, burst = 4, namesMax = 100 } = {}) {
  const clock = { ms: 1_000 };
  return { clock, of: new TokenBuckets(perSecond, burst, namesMax, () => clock.ms) };
}

test("a name has its burst at once, and then what comes in", () => {
  const { clock, of } = buckets();
  for (let call = 0; call < 4; call++) expect(of.take("a", 1)).toBe(0);
  expect(of.take("a", 1)).toBe(0.5);
  clock.ms += 499;
  expect(of.take("a", 1)).toBeCloseTo(0.0005);
  clock.ms += 1;
  expect(of.take("a", 1)).toBe(0);
  expect(of.take("a", 1)).toBe(0.5);
});

test("what was refused has taken nothing", () => {
  const { of } = buckets();
  expect(of.take("a", 3)).toBe(0);
  for (let again = 0; again < 10; again++) expect(of.take("a", 2)).toBe(0.5);
  expect(of.take("a", 1)).toBe(0);
});

test("no more lies ready than the burst, however long nobody came", () => {
  const { clock, of } = buckets();
  of.take("a", 4);
  clock.ms += 3_600_000;
  expect(of.take("a", 4)).toBe(0);
  expect(of.take("a", 1)).toBe(0.5);
});

test("more than the burst can be had of a full bucket alone, and is paid back", () => {
  const { clock, of } = buckets();
  expect(of.take("a", 10)).toBe(0);
  expect(of.take("a", 1)).toBe(3.5);
  clock.ms += 3_500;
  expect(of.take("a", 1)).toBe(0);
  expect(of.take("a", 10)).toBe(2);
});

test("a charge is taken whether it is there or not", () => {
  const { clock, of } = buckets();
  for (let call = 0; call < 10; call++) of.charge("a", 1);
  expect(of.wait("a")).toBe(3.5);
  clock.ms += 3_500;
  expect(of.wait("a")).toBe(0);
});

test("names are apart", () => {
  const { of } = buckets();
  of.take("a", 4);
  expect(of.take("b", 4)).toBe(0);
});

test("waiting takes nothing, and makes no bucket", () => {
  const { clock, of } = buckets({ namesMax: 1 });
  of.take("a", 4);
  for (let look = 0; look < 10; look++) expect(of.wait("b")).toBe(0);
  expect(of.wait("a")).toBe(0.5);
  clock.ms += 500;
  expect(of.wait("a")).toBe(0);
  expect(of.take("a", 1)).toBe(0);
});

test("the name unused for longest makes room", () => {
  const { of } = buckets({ namesMax: 2 });
  of.take("a", 4);
  of.take("b", 4);
  // Used again, refused or not.
  expect(of.take("a", 1)).toBe(0.5);
  of.take("c", 4);
  expect(of.wait("a")).toBe(0.5);
  expect(of.take("b", 4)).toBe(0);
});
