/** What docs/schedules.md tells people to type works as it stands, but for the port. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { testService } from "../support/service.ts";

const service = testService();
const text = await Bun.file(new URL("../../docs/schedules.md", import.meta.url)).text();

test("the examples, from top to bottom", async () => {
  const blocks = [...text.matchAll(/<!-- schedules -->\n```sh\n([\s\S]*?)```/g)].map(([, block]) => block!);
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
  const runs = answers.find(({ result }) => result.runs?.length === 3).result.runs;
  expect(runs).toEqual(["2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]);
});
