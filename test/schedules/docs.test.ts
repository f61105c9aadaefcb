/** What docs/schedules.md tells people to type works as it stands, but for the port. */
import { expect, test } from "bun:test";
import { runExamples } from "../support/doc-examples.ts";
import { testService } from "../support/service.ts";

const service = testService();

test("the examples, from top to bottom", async () => {
  const answers = await runExamples("schedules", service.url);
  expect(answers.map(({ result }) => result.runs)).toContainEqual([
    "2026-03-28T01:30:00.000Z",
    "2026-03-29T01:00:00.000Z",
    "2026-03-30T00:30:00.000Z",
  ]);
});
