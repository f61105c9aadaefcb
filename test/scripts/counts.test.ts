import { expect, test } from "bun:test";
import { countsOf } from "../../scripts/counts.ts";

test("the closing summary is read, whatever the tests printed before it", () => {
  const output =
    "(fail) prints 3 pass\n 7 pass\nnoise\n\n 12 pass\n 1 skip\n 2 todo\n 3 fail\n 1 error\n 40 expect() calls\nRan 18 tests";
  expect(countsOf(output)).toEqual({ passed: 12, failed: 4, skipped: 3 });
});

test("colours do not hide it", () => {
  const esc = String.fromCharCode(27);
  expect(countsOf(`${esc}[32m 12 pass${esc}[0m\n${esc}[2m 0 fail${esc}[0m\n`)).toEqual({
    passed: 12,
    failed: 0,
    skipped: 0,
  });
});

test("a run without a summary counts nothing", () => {
  expect(countsOf("error: no tests found")).toEqual({ passed: 0, failed: 0, skipped: 0 });
});
