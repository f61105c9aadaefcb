import { expect, test } from "bun:test";
import { SharedBudget } from "../../src/lib/budget.ts";

test("nobody has more than a share, and all together no more than there is", () => {
  const budget = new SharedBudget(100, 0.5);
  expect([budget.hasRoomFor("one", 50), budget.hasRoomFor("one", 51)]).toEqual([true, false]);
  budget.force("one", 40);
  expect([budget.hasRoomFor("one", 10), budget.hasRoomFor("one", 11)]).toEqual([true, false]);
  expect(budget.hasRoomFor("two", 50)).toBe(true);
  budget.force("two", 45);
  expect([budget.hasRoomFor("three", 15), budget.hasRoomFor("three", 16)]).toEqual([true, false]);
  // What must be had is had, and given back.
  budget.force("one", 60);
  expect(budget.taken).toBe(145);
  expect(budget.hasRoomFor("three", 1)).toBe(false);
  budget.force("one", -100);
  expect(budget.taken).toBe(45);
  expect([budget.hasRoomFor("one", 50), budget.hasRoomFor("one", 51)]).toEqual([true, false]);
});
