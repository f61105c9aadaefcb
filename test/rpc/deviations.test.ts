import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { echo, failure, request, stubMethod, stubService } from "./stub-service.ts";

// Where json-rpc-2.0 1.8 by itself deviates from the specification (design.md, section 6), one test each.

const SECRET = "password=hunter2";
const { ask, answer, logged } = stubService([
  echo,
  stubMethod("fails", z.strictObject({}), () => {
    throw new Error(SECRET);
  }),
]);
const invalidRequest = failure(-32600, "invalid_request");

test("a batch of one is answered by an array of one", async () => {
  expect(await answer([request("echo", { a: 1 })])).toEqual([{ jsonrpc: "2.0", result: { a: 1 }, id: 1 }]);
});

test("a batch of which one request is answered is answered by an array of one", async () => {
  const notification = { jsonrpc: "2.0", method: "echo" };
  expect(await answer([notification, request("echo"), notification])).toEqual([{ jsonrpc: "2.0", result: {}, id: 1 }]);
});

test("[null] is answered by one error, and does not reject the batch", async () => {
  expect(await answer([null])).toMatchObject([invalidRequest]);
});

test("null in a batch leaves the other requests alone", async () => {
  expect(await answer([null, request("echo")])).toMatchObject([invalidRequest, { result: {}, id: 1 }]);
});

test.each([[1], [true], [null], [{}], [["echo"]]])("a method that is not a string, %j, is answered", async (method) => {
  expect(await answer({ jsonrpc: "2.0", id: 7, method })).toMatchObject({ ...invalidRequest, id: 7 });
  expect(await answer({ jsonrpc: "2.0", method })).toMatchObject(invalidRequest);
});

test.each(["null", "0", "1", '"echo"', "true", "1.5"])(
  "the body %s is an invalid request, not a parse error",
  async (body) => {
    expect(await answer(body)).toMatchObject(invalidRequest);
  },
);

describe("a batch has a cap", () => {
  test("100 requests are answered", async () => {
    const answers = await answer(Array.from({ length: 100 }, (_, id) => request("echo", {}, id)));
    expect(answers).toEqual(Array.from({ length: 100 }, (_, id) => ({ jsonrpc: "2.0", result: {}, id })));
  });
  test("101 are answered by one error, and nothing is done", async () => {
    let done = 0;
    const counting = stubService([stubMethod("count", z.strictObject({}), () => done++)]);
    expect(await counting.answer(Array(101).fill(request("count")))).toMatchObject(invalidRequest);
    expect(done).toBe(0);
  });
});

test("an unexpected error's text stays inside: the caller gets a code of the table and a reference to the log", async () => {
  const text = (await ask(JSON.stringify(request("fails"))))!;
  const ref: string = JSON.parse(text).error.data.ref;
  const error = { code: -32603, message: "Internal error", data: { type: "internal", ref } };
  expect(JSON.parse(text)).toEqual({ jsonrpc: "2.0", error, id: 1 });
  const entry = logged.find(({ fields }) => fields.ref === ref);
  expect(entry?.fields).toMatchObject({ method: "fails", error: { message: SECRET } });
});

test.each(["toString", "__proto__", "constructor", "hasOwnProperty", "valueOf", ""])(
  "the method name %j finds no method",
  async (name) => {
    expect(await answer(request(name))).toMatchObject(failure(-32601, "method_not_found", 1));
  },
);
