/** What docs/workflows.md tells people to type works as it stands, but for the port. */
import { expect, test } from "bun:test";
import { runExamples } from "../support/doc-examples.ts";
import { testService } from "../support/service.ts";

const service = testService();
test("the examples, from top to bottom", async () => {
  const answers = await runExamples("workflows", service.url);
  const [made, completed, claimed, got, added, cancelled, retried, listed] = answers.map(({ result }) => result);
  expect(completed.state).toBe("completed");
  expect(claimed.tasks).toMatchObject([
    { id: made.tasks.print, inputs: { addresses: ["Ada", "Bob"] }, workflow: { id: made.id, key: "print" } },
  ]);
  expect(got).toMatchObject({ id: made.id, name: "letters", state: "running", counts: { claimed: 1 } });
  expect(Object.keys(added.tasks)).toEqual(["stamps"]);
  expect([cancelled.state, retried.state]).toEqual(["cancelled", "running"]);
  expect(listed.workflows).toMatchObject([{ id: made.id, counts: { completed: 1, pending: 2, waiting: 1 } }]);
});
