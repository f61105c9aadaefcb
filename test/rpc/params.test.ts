import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { InvalidParams, type ParamIssue } from "../../src/domain/refusals.ts";
import { readParams } from "../../src/rpc/params.ts";
import { request, stubMethod, stubService } from "./stub-service.ts";

const Priority = z.union([z.int().min(0).max(9), z.enum(["high", "low"])]);
const params = z.strictObject({
  queue: z.string().regex(/^[a-z]{1,8}$/, "must be 1 to 8 letters"),
  payload: z.custom<object>((value) => typeof value === "object" && value !== null, "must be a JSON object").optional(),
  limit: z.int().min(1).max(10).default(1),
  priority: Priority.optional(),
  said: z.union([z.string(), z.number()], { error: "must be words or a number" }).optional(),
  tasks: z.array(z.strictObject({ name: z.string(), priority: Priority.optional() })).optional(),
  backoff: z
    .union([
      z.strictObject({ seconds: z.number() }),
      z.strictObject({ cron: z.string(), zone: z.string() }),
      z.strictObject({ days: z.number(), at: z.string() }),
    ])
    .optional(),
});

function issuesOf(given: unknown): readonly ParamIssue[] {
  try {
    readParams(params, given);
  } catch (error) {
    if (error instanceof InvalidParams) return error.issues;
    throw error;
  }
  return [];
}

test("fit parameters come with their defaults, the payload being the one given", () => {
  const payload = JSON.parse('{"__proto__":1,"b":{"a":2}}');
  const read = readParams(params, { queue: "a", payload });
  expect(read).toEqual({ queue: "a", payload, limit: 1 });
  expect(read.payload).toBe(payload);
});

describe("issues", () => {
  const cases: [name: string, given: unknown, issues: ParamIssue[]][] = [
    ["absent", {}, [{ path: "queue", message: "is required" }]],
    ["the schema's own message", { queue: "A" }, [{ path: "queue", message: "must be 1 to 8 letters" }]],
    ["a deep one", { queue: "a", tasks: [{ name: "n" }, {}] }, [{ path: "tasks[1].name", message: "is required" }]],
    [
      "unknown keys, one issue each",
      { queue: "a", x: 1, tasks: [{ name: "n", "y z": 2 }] },
      [
        { path: 'tasks[0]["y z"]', message: "is not a parameter here" },
        { path: "x", message: "is not a parameter here" },
      ],
    ],
    [
      "__proto__ as a parameter",
      JSON.parse('{"queue":"a","__proto__":{}}'),
      [{ path: "__proto__", message: "is not a parameter here" }],
    ],
    ["by position", ["a"], [{ path: "", message: "must be an object: parameters are given by name" }]],
    ["a union with a message", { queue: "a", said: true }, [{ path: "said", message: "must be words or a number" }]],
    [
      "a union's alternative that was meant",
      { queue: "a", priority: 12 },
      [{ path: "priority", message: "Too big: expected number to be <=9" }],
    ],
    [
      "a union's alternative that was meant: the one with fewest issues",
      { queue: "a", backoff: { cron: "* * * * *" } },
      [{ path: "backoff.zone", message: "is required" }],
    ],
  ];
  test.each(cases)("%s", (_name, given, issues) => {
    expect(issuesOf(given)).toEqual(issues);
  });

  test("a union of which nothing was meant names the alternatives", () => {
    expect(issuesOf({ queue: "a", priority: "urgent" })).toEqual([
      { path: "priority", message: expect.stringMatching(/expected number.* or: .*"high"/) },
    ]);
  });
});

test("no issue shows what was sent, however long", async () => {
  const long = "x".repeat(100_000);
  const given = {
    queue: long,
    limit: long,
    said: [long],
    priority: long,
    payload: long,
    [long]: 1,
    tasks: [{ [long]: long }],
  };
  const { ask } = stubService([stubMethod("take", params, () => null)]);
  const text = (await ask(JSON.stringify(request("take", given))))!;
  expect(JSON.parse(text).error.data.issues.length).toBeGreaterThan(6);
  expect(text).not.toContain("x".repeat(100));
  expect(text.length).toBeLessThan(2000);
});

test("thousands of issues are cut to a hundred, and counted", async () => {
  const given = { queue: "a", tasks: Array(1000).fill({}) };
  const { ask } = stubService([stubMethod("take", params, () => null)]);
  const { issues } = JSON.parse((await ask(JSON.stringify(request("take", given))))!).error.data;
  expect(issues).toHaveLength(101);
  expect(issues[100]).toEqual({ path: "", message: "and 900 more issues" });
});
