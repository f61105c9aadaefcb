import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { everywhere } from "../../src/domain/access/principal.ts";
import { InvalidParams, REFUSALS, Refusal, type RefusalData, type RefusalType } from "../../src/domain/refusals.ts";
import { echo, request, stubMethod, stubService } from "./stub-service.ts";

const nothing = z.strictObject({});
const throwing = (thrown: unknown) => () => {
  throw thrown;
};

describe("a refusal is answered with its code, its type and its data", () => {
  const data: RefusalData = {
    not_found: { noun: "task", id: "x" },
    wrong_state: { state: "claimed" },
    lease_lost: { state: "cancelled" },
    conflict: { field: "name" },
    payload_too_large: { limitBytes: 262_144 },
    overloaded: { retryAfterSeconds: 1 },
    unavailable: { retryAfterSeconds: 0.5 },
    unauthenticated: {},
    forbidden: { scope: "admin" },
    rate_limited: { retryAfterSeconds: 2 },
  };
  test.each(Object.keys(REFUSALS) as RefusalType[])("%s", async (type) => {
    const refuse = stubMethod("refuse", nothing, throwing(new Refusal(type, data[type])), { refusals: [type] });
    const { answer, logged, outcomes } = stubService([refuse]);
    expect(await answer(request("refuse"))).toEqual({
      jsonrpc: "2.0",
      error: { ...REFUSALS[type], data: { type, ...data[type] } },
      id: 1,
    });
    expect(logged).toEqual([]);
    expect(outcomes).toEqual([["refuse", type]]);
  });
});

test("parameters found unfit inside the method are answered as those found before it", async () => {
  const issues = [{ path: "tasks[3].dependsOn[0]", message: "must be a task" }];
  const { answer } = stubService([stubMethod("refuse", nothing, throwing(new InvalidParams(issues)))]);
  expect(await answer(request("refuse"))).toEqual({
    jsonrpc: "2.0",
    error: { code: -32602, message: "Invalid params", data: { type: "invalid_params", issues } },
    id: 1,
  });
});

describe("whatever else is thrown is an internal error, logged under its reference", () => {
  test.each([
    ["an error", new Error("secret")],
    ["an error with a code and data of its own", Object.assign(new Error("secret"), { code: 1001, data: "secret" })],
    ["a string", "secret"],
    ["nothing", undefined],
    ["null", null],
  ])("%s", async (_name, thrown) => {
    const { ask, logged } = stubService([stubMethod("fail", nothing, throwing(thrown))]);
    const text = (await ask(JSON.stringify(request("fail"))))!;
    expect(text).not.toContain("secret");
    expect(logged).toHaveLength(1);
    const { ref, error } = logged[0]!.fields;
    expect(error).toBe(thrown);
    expect(JSON.parse(text).error).toEqual({
      code: -32603,
      message: "Internal error",
      data: { type: "internal", ref: String(ref) },
    });
  });

  test("a notification's too, though nobody is answered", async () => {
    const { ask, logged } = stubService([stubMethod("fail", nothing, throwing(new Error("secret")))]);
    expect(await ask('{"jsonrpc":"2.0","method":"fail"}')).toBeNull();
    expect(logged).toHaveLength(1);
  });

  test("a result that JSON cannot carry is one, in production as well", async () => {
    const { answer, logged } = stubService([stubMethod("big", nothing, () => ({ n: 1n }))], { checkResults: false });
    expect(await answer([request("big"), request("big", {}, 2)])).toMatchObject([
      { error: { code: -32603 }, id: 1 },
      { error: { code: -32603 }, id: 2 },
    ]);
    expect(logged).toHaveLength(2);
  });
});

describe("checkResults holds methods to their contract", () => {
  const result = z.strictObject({ n: z.int(), at: z.iso.datetime() });
  const giving = (value: unknown) => stubMethod("give", nothing, () => value, { result });
  const right = { n: 1, at: "2026-01-31T12:00:00.000Z" };

  test("a result as its schema says goes out", async () => {
    const { answer } = stubService([giving({ ...right, at: new Date(right.at) })]);
    expect(await answer(request("give"))).toEqual({ jsonrpc: "2.0", result: right, id: 1 });
  });

  test.each([{}, { ...right, n: 1.5 }, { ...right, more: 1 }, { ...right, n: Number.NaN }, null, undefined])(
    "%j does not, unless checks are off",
    async (value) => {
      const { answer, logged } = stubService([giving(value)]);
      expect(await answer(request("give"))).toMatchObject({ error: { code: -32603 } });
      expect(logged).toHaveLength(1);
      const unchecked = stubService([giving(value)], { checkResults: false });
      expect(await unchecked.answer(request("give"))).toHaveProperty("result");
    },
  );

  test("a refusal that the method does not list does not go out either", async () => {
    const refusal = new Refusal("lease_lost", { state: "claimed" });
    const refuse = stubMethod("refuse", nothing, throwing(refusal));
    const { answer, logged } = stubService([refuse]);
    expect(await answer(request("refuse"))).toMatchObject({ error: { code: -32603 } });
    expect(logged[0]?.fields.error).toMatchObject({ cause: refusal });
    expect(await stubService([refuse], { checkResults: false }).answer(request("refuse"))).toMatchObject({
      error: { code: 1003 },
    });
  });

  test("a changing method may answer conflict unlisted: its requestId may have been used for another call", async () => {
    const refuse = stubMethod("refuse", nothing, throwing(new Refusal("conflict", { field: "requestId" })), {
      changing: true,
    });
    expect(await stubService([refuse]).answer(request("refuse"))).toMatchObject({ error: { code: 1004 } });
  });
});

describe("a batch", () => {
  test("runs its requests at the same time, started in order, and answers in order", async () => {
    const started: number[] = [];
    const { promise: allStarted, resolve } = Promise.withResolvers<void>();
    // Each waits until all have started: one after the other, they would wait for ever.
    const meet = stubMethod("meet", z.strictObject({ n: z.int() }), async ({ n }) => {
      started.push(n);
      if (started.length === 3) resolve();
      await allStarted;
      return n;
    });
    const batch = [request("meet", { n: 1 }, "a"), request("meet", { n: 2 }, "b"), request("meet", { n: 3 }, "c")];
    expect(await stubService([meet]).answer(batch)).toEqual([
      { jsonrpc: "2.0", result: 1, id: "a" },
      { jsonrpc: "2.0", result: 2, id: "b" },
      { jsonrpc: "2.0", result: 3, id: "c" },
    ]);
    expect(started).toEqual([1, 2, 3]);
  });

  test("may hold the same id twice; each is answered", async () => {
    const { answer } = stubService([echo]);
    expect(await answer([request("echo", { a: 1 }), request("echo", { a: 2 })])).toMatchObject([
      { id: 1, result: { a: 1 } },
      { id: 1, result: { a: 2 } },
    ]);
  });
});

test("the call and the very payload reach the method", async () => {
  const seen: unknown[] = [];
  const look = stubMethod("look", z.strictObject({ payload: z.custom<object>() }), ({ payload }, call) => {
    seen.push(call.principal.id, call.signal.aborted);
    return payload;
  });
  const { ask } = stubService([look]);
  const call = { principal: everywhere("me", new Set(["admin"])), signal: AbortSignal.abort() };
  const payload = '{"1":1,"__proto__":{"a":null},"z":[{}]}';
  expect(await ask(`{"jsonrpc":"2.0","id":1,"method":"look","params":{"payload":${payload}}}`, call)).toBe(
    `{"jsonrpc":"2.0","result":${payload},"id":1}`,
  );
  expect(seen).toEqual(["me", true]);
});

test("every call is observed once, and unknown names are not told", async () => {
  const { ask, outcomes } = stubService([echo]);
  await ask("nonsense");
  await ask("[]");
  await ask(
    JSON.stringify([request("echo"), request("absent"), { jsonrpc: "2.0", method: "echo" }, 1, request("echo", [])]),
  );
  await ask('{"jsonrpc":"2.0","id":1,"method":"echo","params":{"n":1e400}}');
  expect(outcomes.map(([name, outcome]) => `${name} ${outcome}`).sort()).toEqual([
    "echo invalid_params",
    "echo invalid_params",
    "echo ok",
    "echo ok",
    "null invalid_request",
    "null invalid_request",
    "null method_not_found",
    "null parse_error",
  ]);
});

test("two methods of one name are a mistake in the table", () => {
  expect(() => stubService([echo, echo])).toThrow("echo");
});
