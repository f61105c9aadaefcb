/** What docs/access.md tells people to type works as it stands, but for the port. */
import { expect, test } from "bun:test";
import { runExamples } from "../support/doc-examples.ts";
import { testService } from "../support/service.ts";

const ADMIN_KEY = "osqs_the_key_of_the_environment";
const service = testService({ AUTH: "on", ADMIN_KEY });

test("the examples, from top to bottom", async () => {
  const answers = await runExamples("access", service.url, { ADMIN_KEY });
  expect(answers.map(({ result }) => result.tasks?.length)).toContain(1);
  expect(answers.at(-1)!.result.keys.map(({ name }: { name: string }) => name)).toEqual(["web", "mailer", "mailer"]);
});
