import { expect, test } from "bun:test";
import { Remembered } from "../../src/lib/remembered.ts";

test("what is known is not made again, and the longest unused goes first", () => {
  const made: string[] = [];
  const remembered = new Remembered(2, (key) => {
    made.push(key);
    return key.toUpperCase();
  });
  expect(["a", "b", "a", "c", "a"].map((key) => remembered.get(key))).toEqual(["A", "B", "A", "C", "A"]);
  expect(made).toEqual(["a", "b", "c"]);
  remembered.get("b");
  expect(made).toEqual(["a", "b", "c", "b"]);
});
