/** A page for somebody who may know of some rows only: how much is read for it. */
import { expect, test } from "bun:test";
import { visible } from "../../src/engine/visible.ts";

const ROWS = 100_000;

/** Rows are numbers; answers how they were read, too. */
async function pageOf(limit: number, isVisible: (row: number) => boolean) {
  const reads: number[] = [];
  const page = await visible<number>(limit, isVisible, async (after, most) => {
    reads.push(most);
    const first = after === null ? 0 : after + 1;
    return Array.from({ length: Math.max(0, Math.min(most, ROWS - first)) }, (_, at) => first + at);
  });
  return { page, reads };
}

test("a short page behind very many hidden rows takes few statements, and none that reads very much", async () => {
  const { page, reads } = await pageOf(2, (row) => row >= ROWS - 1);
  expect(page).toEqual([ROWS - 1]);
  expect(reads.length).toBeLessThan(120);
  expect(Math.max(...reads)).toBe(1_000);
});

test("a page is as long as was asked for, also where the last stretch had more", async () => {
  const { page } = await pageOf(3, (row) => row % 5 === 4);
  expect(page).toEqual([4, 9, 14]);
  const { reads, page: long } = await pageOf(1_001, (row) => row % 2 === 0);
  expect(long.at(-1)).toBe(2_000);
  expect(Math.max(...reads)).toBe(1_001);
});
