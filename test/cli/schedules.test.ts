/** What the command line says of schedules, against a real service. */
import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createClient } from "../../src/client/index.ts";
import { testService } from "../support/service.ts";
import { cli } from "./support.ts";

setDefaultTimeout(60_000);
const service = testService();
const client = () => createClient({ url: service.url });
const run = (...argv: string[]) => cli(argv, { url: service.url });

/** What a command printed that was to succeed. */
async function printed(...argv: string[]): Promise<string> {
  const { code, out, err } = await run(...argv);
  expect([code, err]).toEqual([0, ""]);
  return out;
}

beforeAll(async () => {
  await client().project.create({ name: "empty" });
  await client().schedule.create({
    name: "nightly",
    queue: "reports",
    cron: "30 2 1 1 *",
    timezone: "Europe/Berlin",
    task: { name: "report", payload: { month: "\u001b[31m" }, tags: ["night"], maxAttempts: 2 },
    startAt: "2101-01-01T00:00:00Z",
  });
  await client().schedule.create({ name: "beat", queue: "health", everySeconds: 90.5 });
  await client().schedule.pause({ name: "beat" });
});

test("schedules are listed with when they fire", async () => {
  const out = await printed("schedules");
  expect(out.split("\n")[0]).toMatch(/^NAME +WHEN +QUEUE +NEXT \(UTC\) +LAST \(UTC\) +PAUSED$/);
  expect(out).toMatch(/^beat +every 90.5 s +health +- +- +yes$/m);
  expect(out).toMatch(/^nightly +30 2 1 1 \* Europe\/Berlin +reports +2101-01-01 01:30 +- +-$/m);
  for (const line of out.split("\n")) expect([...line].length, line).toBeLessThanOrEqual(80);
  expect(await printed("schedules", "--limit", "1")).toContain("There are more");
  expect(await printed("schedules", "--project", "empty")).toBe("No schedules.\n");
  const lines = (await printed("schedules", "--json")).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line).name)).toEqual(["beat", "nightly"]);
});

test("one schedule is shown with all its fields, and nothing of them drives the terminal", async () => {
  const out = await printed("schedule", "nightly");
  expect(out).toMatch(/^cron +30 2 1 1 \*$/m);
  expect(out).toMatch(/^timezone +Europe\/Berlin$/m);
  expect(out).toMatch(/^nextRun +2101-01-01 01:30:00 UTC$/m);
  expect(out).toMatch(/^task\.tags +night$/m);
  expect(out).not.toContain("everySeconds");
  expect(out).not.toContain("\u001b");
});

test("it is triggered, paused and resumed, and tells its next times", async () => {
  const id = (await printed("schedule", "nightly", "--trigger")).trim();
  expect(await client().task.get({ id })).toMatchObject({ queue: "reports", name: "report", tags: ["night"] });
  expect(await printed("schedule", "nightly", "--pause")).toMatch(/^paused +yes$/m);
  expect(await printed("schedule", "nightly", "--resume")).toMatch(/^paused +no$/m);
  expect(await printed("schedule", "nightly", "--next", "2")).toBe(
    "2101-01-01 01:30:00 UTC\n2102-01-01 01:30:00 UTC\n",
  );
  expect(await printed("schedule", "nightly", "--next", "1", "--json")).toBe('"2101-01-01T01:30:00.000Z"\n');
});

test.each([
  [["schedule"], 2, "missing required argument 'name'"],
  [["schedule", "nobody"], 1, "Not found (noun: schedule, id: nobody)."],
  [["schedule", "nobody", "--trigger"], 1, "Not found (noun: schedule, id: nobody)."],
  [["schedule", "beat", "--pause", "--resume"], 2, "cannot be used with"],
  [["schedule", "beat", "--next", "0"], 2, "--next"],
  [["schedules", "--limit", "x"], 2, "--limit"],
  [["schedules", "--project", "nowhere"], 1, "Not found (noun: project, id: nowhere)."],
])("%j ends with %d and says why", async (argv, code, message) => {
  const ran = await run(...argv);
  expect(ran).toMatchObject({ code, out: "" });
  expect(ran.err).toContain(message);
});
