/** Each limit on what a body may hold, from both sides. */
import { expect, test } from "bun:test";
import { z } from "zod";
import { ENVELOPE_LIMITS } from "../../src/rpc/limits.ts";
import { type Method, method } from "../../src/rpc/method.ts";
import { METHODS } from "../../src/rpc/methods/index.ts";
import { failure, request, stubMethod, stubService } from "./stub-service.ts";

let ran = 0;
const run = () => ++ran;
const many = z.array(z.unknown()).optional();
const stubs = [
  stubMethod("any", z.looseObject({}), run),
  stubMethod("list", z.looseObject({ limit: z.int().default(100) }), run),
  stubMethod("free", z.looseObject({ limit: z.int().optional() }), run),
  stubMethod("act", z.looseObject({ tasks: many, items: many, receipts: many }), run),
  method({ ...stubMethod("dear", z.looseObject({}), run), cost: 40 }),
];
const withLimits = (limits: Partial<typeof ENVELOPE_LIMITS>) =>
  stubService(stubs, { limits: { ...ENVELOPE_LIMITS, ...limits } });
const invalid = failure(-32600, "invalid_request");

test("what is not configured is as the contract says", () => {
  expect(ENVELOPE_LIMITS).toMatchObject({ nestingMax: 64, batchMax: 100 });
});

test("NESTING_MAX counts levels from the body's own", async () => {
  const { answer } = withLimits({ nestingMax: 10 });
  const nested = (levels: number) => request("any", { a: JSON.parse("[".repeat(levels) + "]".repeat(levels)) });
  expect(await answer(nested(8))).toMatchObject({ result: ran });
  expect(await answer(nested(9))).toMatchObject(invalid);
});

test("BATCH_MAX counts requests", async () => {
  const { answer } = withLimits({ batchMax: 3 });
  const batch = (size: number) => Array.from({ length: size }, (_, id) => request("any", {}, id));
  expect(await answer(batch(3))).toHaveLength(3);
  const before = ran;
  expect(await answer(batch(4))).toMatchObject(invalid);
  expect(ran).toBe(before);
});

test("VALUES_MAX counts what stands in a body, however small each is", async () => {
  const { answer } = withLimits({ valuesMax: 1_000 });
  // The request and its four members, params' array, and the empty array's one.
  const zeros = (count: number) => request("any", { a: Array(count).fill(0) });
  expect(await answer(zeros(990))).toMatchObject({ result: ran });
  expect(await answer(zeros(1_000))).toMatchObject({
    ...invalid,
    error: { data: { reason: "The body holds more than 1000 values." } },
  });
  expect(await answer(request("any", { text: ",".repeat(5_000) }))).toMatchObject({ result: ran });
});

test("PARAMETERS_MAX refuses a flood of unknown parameters with one issue", async () => {
  const { answer } = withLimits({ parametersMax: 5 });
  const params = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`p${at}`, 0]));
  expect(await answer(request("any", params(5)))).toMatchObject({ result: ran });
  expect(await answer(request("any", params(6)))).toMatchObject({
    error: { code: -32602, data: { issues: [{ path: "", message: "must not have more than 5 members" }] } },
  });
});

test.each([
  ["plain calls weigh 1", Array(100).fill(request("any"))],
  ["a limit weighs what it asks for", [request("list", { limit: 99 }), request("any")]],
  ["a limit that is not given weighs its default", [request("list")]],
  ["a limit that is no page weighs nothing", Array(100).fill(request("free", { limit: 1_000 }))],
  ["tasks weigh each", [request("act", { tasks: Array(99).fill(0) }), request("act")]],
  ["items weigh each", [request("act", { items: Array(50).fill(0) }), request("act", { items: Array(50).fill(0) })]],
  ["receipts weigh each", [request("act", { receipts: Array(100).fill(0) })]],
  ["a method may weigh more by itself", [request("dear"), request("dear"), ...Array(20).fill(request("any"))]],
  ["what is no number weighs a call", [request("list", { limit: "1000" }), request("act", { tasks: 7 })]],
])("BATCH_COST_MAX: %s", async (name, calls) => {
  const isUnread = name.startsWith("what is no number");
  const { answer } = withLimits({ batchMax: 200, batchCostMax: isUnread ? 101 : 100 });
  expect(await answer(calls)).toHaveLength(calls.length);
  const before = ran;
  expect(await answer([...calls, request("any")])).toMatchObject({
    ...invalid,
    error: { data: { reason: expect.stringContaining(isUnread ? "102 things" : "101 things") } },
  });
  expect(ran).toBe(before);
});

test("no batch of the service's own methods asks for 100,000 tasks", async () => {
  const stubs = METHODS.map((each) => ({ ...each, run: async () => ++ran })) as readonly unknown[] as readonly Method[];
  const { answer } = stubService(stubs);
  const before = ran;
  for (const call of [
    request("task.claim", { queue: "q", limit: 1_000 }),
    request("task.list", { limit: 1_000 }),
    request("worker.tasks", { id: "w", limit: 1_000 }),
    request("task.enqueueMany", { queue: "q", tasks: Array(1_000).fill({}) }),
    request("workflow.create", { tasks: Array(1_000).fill({ key: "k", queue: "q" }) }),
    request("admin.verify"),
  ])
    expect(await answer(Array(100).fill(call))).toMatchObject(invalid);
  expect(ran).toBe(before);
});

test("ANSWER_BYTES_MAX: a batch's reads beyond it are refused, its changes are told whatever they came to", async () => {
  const long = () => "x".repeat(1_000);
  const stubs = [
    stubMethod("read", z.looseObject({}), long),
    stubMethod("change", z.looseObject({}), long, { changing: true }),
  ];
  const { answer } = stubService(stubs, { limits: { ...ENVELOPE_LIMITS, answerBytesMax: 5_000 } });
  const read = (id: number) => request("read", {}, id);
  const ids = [1, 2, 3, 4];
  expect(await answer(ids.map(read))).toMatchObject(ids.map((id) => ({ id, result: long() })));
  expect(await answer([...ids, 5, 6].map(read))).toMatchObject([
    ...ids.map((id) => ({ id, result: long() })),
    failure(1006, "overloaded", 5),
    failure(1006, "overloaded", 6),
  ]);
  const changes = Array.from({ length: 10 }, (_, id) => request("change", {}, id));
  expect(await answer(changes)).toMatchObject(changes.map(({ id }) => ({ id, result: long() })));
});
