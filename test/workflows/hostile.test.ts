/**
 * What people, and programs that mean no good, send in keys, names, ids and cursors of workflows: it is refused with the
 * place that is wrong, or it is text like any other. It is never an internal error.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { rawRpc, refusal, testService } from "../support/service.ts";

const service = testService();
const { call } = service;

let flow: { id: string; task: string };
beforeAll(async () => {
  const made = await call("workflow.create", { queue: "q", tasks: [{ key: "a" }, { key: "b", dependsOn: ["a"] }] });
  flow = { id: made.id, task: (made.tasks as Record<string, string>).a! };
});

/** What a call, written as it is sent, is refused for: the type, and each place. */
async function refusedAt(method: string, params: string) {
  const { error } = await rawRpc(service.url, `{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}`);
  return [error?.data.type, ...((error?.data.issues ?? []) as { path: string }[]).map(({ path }) => path)];
}
const create = (task: string) => refusedAt("workflow.create", `{"queue":"q","tasks":[{"key":"first"},${task}]}`);
const invalid = (...paths: string[]) => ["invalid_params", ...paths];
const text = JSON.stringify;

describe("keys", () => {
  test.each(["1", "null", "true", "{}", '["a"]', '""', '" "', '"\\t\\u00a0\\u3000"', text("k".repeat(256))])(
    "%s is none",
    async (key) => {
      expect(await create(`{"key":${key}}`)).toEqual(invalid("tasks[1].key"));
      expect(await create(`{"key":"x","dependsOn":["first",${key}]}`)).toEqual(invalid("tasks[1].dependsOn[1]"));
    },
  );

  test.each(['"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"\\udc00x"'])("%s cannot be kept", async (key) => {
    expect(await create(`{"key":${key}}`)).toEqual(invalid("tasks[1].key"));
    expect(await create(`{"key":"x","dependsOn":[${key}]}`)).toEqual(invalid("tasks[1].dependsOn[0]"));
    expect(await refusedAt("workflow.create", `{"queue":"q","name":${key},"tasks":[{"key":"a"}]}`)).toEqual(
      invalid("name"),
    );
  });

  test("are missing, or what should hold them is none", async () => {
    expect(await create("{}")).toEqual(invalid("tasks[1].key"));
    for (const task of ["null", '"a"', "1", "[]"]) expect(await create(task)).toEqual(invalid("tasks[1]"));
    for (const on of ["null", '"first"', "{}", "1"])
      expect(await create(`{"key":"x","dependsOn":${on}}`)).toEqual(invalid("tasks[1].dependsOn"));
    expect(await refusedAt("workflow.create", `{"queue":"q","tasks":{"a":{}}}`)).toEqual(invalid("tasks"));
    expect(await refusedAt("workflow.create", `{"queue":"q"}`)).toEqual(invalid("tasks"));
    expect(await create(`{"key":"x","key":"y"}`)).toEqual(invalid("tasks[1].key"));
    expect(await create(`{"key":"x","dependOn":["first"]}`)).toEqual(invalid("tasks[1].dependOn"));
  });

  test("may be 255 characters of anything else, and long ones of many bytes", async () => {
    const keys = [
      "k".repeat(255),
      "😀".repeat(127),
      "constructor",
      "toString",
      "hasOwnProperty",
      "'; drop table task; --",
      "{a,b}",
      '"',
      "\\",
      "NULL",
      "null",
      "\u202eright to left",
      "\u0001\u001f",
      "a\nb",
      "e\u0301",
      "\u00e9",
      " a ",
      "a",
    ];
    const tasks = keys.map((key, at) => ({ key, dependsOn: keys.slice(0, at) }));
    const made = await call("workflow.create", { queue: "odd", name: "'; drop table workflow; --", tasks });
    expect(Object.keys(made.tasks)).toEqual(keys);
    const seen = await call("workflow.get", { id: made.id });
    expect(seen.tasks.map(({ key, dependsOn }) => ({ key, dependsOn }))).toEqual(tasks);
    for (const key of keys) {
      const [task] = (await call("task.claim", { queue: "odd" })).tasks;
      expect(task!.id).toBe((made.tasks as Record<string, string>)[key]!);
      expect(Object.keys(task!.inputs)).toEqual([...task!.dependsOn].map((_, at) => keys[at]!));
      await call("task.complete", { receipt: task!.receipt, result: key });
    }
    expect((await call("workflow.get", { id: made.id })).state).toBe("completed");
  });
});

describe("how much", () => {
  const many = (count: number) => Array.from({ length: count }, (_, at) => ({ key: `${at}` }));

  test("1,001 tasks are too many, and none too few, in both methods", async () => {
    for (const count of [0, 1001]) {
      const tasks = text(many(count));
      expect(await refusedAt("workflow.create", `{"queue":"q","tasks":${tasks}}`)).toEqual(invalid("tasks"));
      expect(await refusedAt("workflow.add", `{"queue":"q","id":"${flow.id}","tasks":${tasks}}`)).toEqual(
        invalid("tasks"),
      );
    }
  });

  test("1,001 dependencies are too many; 1,000 are not, nor are they when they are one key", async () => {
    const keys = Array.from({ length: 1001 }, (_, at) => `${at}`);
    expect(await create(`{"key":"x","dependsOn":${text(keys)}}`)).toEqual(invalid("tasks[1].dependsOn"));
    expect(await create(`{"key":"x","dependsOn":${text(keys.map(() => "first"))}}`)).toEqual(
      invalid("tasks[1].dependsOn"),
    );
    const { id } = await call("workflow.create", { queue: "many", tasks: many(1000) });
    const on = { key: "x", dependsOn: keys.slice(0, 1000) };
    const same = { key: "y", dependsOn: Array(1000).fill("x") };
    await call("workflow.add", { id, queue: "many", tasks: [on, same] });
    const { tasks } = await call("workflow.get", { id });
    expect(tasks.at(-2)).toMatchObject({ key: "x", state: "waiting", dependsOn: keys.slice(0, 1000) });
    expect(tasks.at(-1)).toMatchObject({ key: "y", state: "waiting", dependsOn: ["x"] });
  });

  test("names are not blank, and of 255 characters at most", async () => {
    for (const name of ['""', '" "', "1", "null", text("n".repeat(256))])
      expect(await refusedAt("workflow.create", `{"queue":"q","name":${name},"tasks":[{"key":"a"}]}`)).toEqual(
        invalid("name"),
      );
  });

  test("pages are of 1 to 1,000, and of states that there are", async () => {
    for (const limit of ["0", "1001", "-1", "1.5", '"10"', "null"])
      expect(await refusedAt("workflow.list", `{"limit":${limit}}`)).toEqual(invalid("limit"));
    expect(await refusedAt("workflow.list", `{"states":[]}`)).toEqual(invalid("states"));
    expect(await refusedAt("workflow.list", `{"states":["running","pending"]}`)).toEqual(invalid("states[1]"));
  });
});

describe("ids", () => {
  const methods = ["workflow.get", "workflow.cancel", "workflow.retry"];
  const unknown = async (id: string) => {
    const refusals = [refusal(call("workflow.add", { id, queue: "unmade", tasks: [{ key: "a" }] }))];
    for (const method of ["workflow.get", "workflow.cancel", "workflow.retry"] as const)
      refusals.push(refusal(call(method, { id })));
    return await Promise.all(refusals);
  };

  test.each(["", "1", "x", "'", "01a1ffb9-8076-45fa-9679-060400000001", "01a1ffb9807675fa9679060400000001"])(
    "%p is none",
    async (id) => {
      for (const method of methods) expect(await refusedAt(method, text({ id }))).toEqual(invalid("id"));
      expect(await refusedAt("workflow.add", text({ id, queue: "q", tasks: [{ key: "a" }] }))).toEqual(invalid("id"));
    },
  );

  test("of a task are no workflow's, and the other way round", async () => {
    const refused = { type: "not_found", noun: "workflow", id: flow.task };
    expect(await unknown(flow.task)).toEqual(Array(4).fill(refused));
    for (const method of ["task.get", "task.cancel", "task.retry", "task.delete", "task.restore"] as const)
      expect(await refusal(call(method, { id: flow.id }))).toEqual({ type: "not_found", noun: "task", id: flow.id });
    expect(await refusal(call("task.enqueue", { queue: "q", dependsOn: [flow.id] }))).toEqual({
      type: "not_found",
      noun: "task",
      id: flow.id,
    });
  });

  test("in capitals are the same", async () => {
    expect((await call("workflow.get", { id: flow.id.toUpperCase() })).id).toBe(flow.id);
  });

  test("of times that will never be are nobody's", async () => {
    const id = "ffffffff-ffff-7fff-bfff-ffffffffffff";
    expect(await unknown(id)).toEqual(Array(4).fill({ type: "not_found", noun: "workflow", id }));
  });

  test("of tasks are no keys", async () => {
    expect(await create(text({ key: "x", dependsOn: [flow.task] }))).toEqual(invalid("tasks[1].dependsOn[0]"));
  });
});

describe("cursors", () => {
  const cursor = (parts: string) => Buffer.from(parts).toString("base64url");
  const refusedCursor = (value: string) => refusedAt("workflow.list", text({ cursor: value }));

  test("of other lists, and made up ones", async () => {
    for (let n = 0; n < 2; n++) {
      await call("task.enqueue", { queue: `list-${n}`, tags: [`t${n}`], description: "d" });
      await call("workflow.create", { queue: "list-0", tasks: [{ key: "a" }] });
    }
    const others = [
      (await call("task.list", { limit: 1 })).nextCursor,
      (await call("task.list", { limit: 1, sort: "priority" })).nextCursor,
      (await call("task.list", { limit: 1, sort: "dueAt" })).nextCursor,
      (await call("queue.list", { limit: 1 })).nextCursor,
      (await call("tag.list", { limit: 1 })).nextCursor,
    ];
    for (const other of others) {
      expect(other).not.toBeNull();
      expect(await refusedCursor(other!)).toEqual(invalid("cursor"));
    }
    const ours = (await call("workflow.list", { limit: 1 })).nextCursor!;
    expect(await refusedAt("task.list", text({ cursor: ours }))).toEqual(invalid("cursor"));
    expect(await refusedCursor(ours.slice(0, -6))).toEqual(invalid("cursor"));
  });

  test.each(
    [
      "",
      "x",
      "{}",
      "null",
      "[]",
      [],
      ["1"],
      ["1", "2"],
      ["1", "2", "3"],
      [1, "01a1ffb9-8076-75fa-9679-060400000001"],
      ["-1", "01a1ffb9-8076-75fa-9679-060400000001"],
      ["1e3", "01a1ffb9-8076-75fa-9679-060400000001"],
      ["1", "01A1FFB9-8076-75FA-9679-060400000001"],
      ["9999999999999999", "01a1ffb9-8076-75fa-9679-060400000001"],
      ["999999999999999", "01a1ffb9-8076-75fa-9679-060400000001"],
      ["1\u0000", "01a1ffb9-8076-75fa-9679-060400000001"],
      ["1'; --", "01a1ffb9-8076-75fa-9679-060400000001"],
    ].map((parts) => ({ parts: typeof parts === "string" ? parts : text(parts) })),
  )("$parts is none", async ({ parts }) => {
    expect(await refusedCursor(cursor(parts))).toEqual(invalid("cursor"));
  });

  test("before the first workflow give an empty page", async () => {
    const first = cursor(text(["0", "00000000-0000-0000-0000-000000000000"]));
    expect(await call("workflow.list", { cursor: first })).toEqual({ workflows: [], nextCursor: null });
  });
});

test("what task.enqueue refuses is refused with its place, and nothing is left of it", async () => {
  const bad: [string, string][] = [
    ['"priority":10', "priority"],
    ['"runAt":"yesterday"', "runAt"],
    ['"payload":[]', "payload"],
    ['"onDependencyFailure":"explode"', "onDependencyFailure"],
    ['"maxAttempts":0', "maxAttempts"],
    ['"queue":"no spaces"', "queue"],
    ['"dedupeSeconds":5', "dedupeSeconds"],
    ['"tags":[" "]', "tags[0]"],
  ];
  for (const [field, path] of bad) expect(await create(`{"key":"x",${field}}`)).toEqual(invalid(`tasks[1].${path}`));
  expect(
    await refusal(call("workflow.create", { queue: "fresh", tasks: [{ key: "x", categories: ["none"] }] })),
  ).toEqual({ type: "not_found", noun: "category", id: "none" });
  expect((await call("workflow.list", {})).workflows.every(({ tasks }) => tasks.length > 0)).toBe(true);
});

test("none of it left anything that must not be", async () => {
  expect((await call("admin.verify", {})).violations).toEqual([]);
});
