/** What docs/workflows.md tells people to type works as it stands, but for the port. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { testService } from "../support/service.ts";

const service = testService();
const text = await Bun.file(new URL("../../docs/workflows.md", import.meta.url)).text();

test("the examples, from top to bottom", async () => {
  const blocks = [...text.matchAll(/<!-- workflows -->\n```sh\n([\s\S]*?)```/g)].map(([, block]) => block!);
  const script = blocks.join("").replaceAll("http://127.0.0.1:8080", service.url);
  const child = spawn("sh", ["-euc", script], { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  expect(await new Promise((resolve) => child.on("close", resolve))).toBe(0);
  const answers = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(answers.filter(({ error }) => error)).toEqual([]);
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
