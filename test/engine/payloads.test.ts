/** Payloads and results are given back exactly as they were sent, or the call is refused with the place. */
import { describe, expect, test } from "bun:test";
import { rawRpc, testService } from "../support/service.ts";

const service = testService();

/** Sends a payload as raw JSON text, which no serializer of ours has seen. */
async function enqueue(payload: string) {
  const body = `{"jsonrpc":"2.0","id":1,"method":"task.enqueue","params":{"queue":"payloads","payload":${payload}}}`;
  return await rawRpc(service.url, body);
}

/** The payload's text as it comes back in task.get, cut out of the answer's bytes. */
async function giveBack(payload: string): Promise<string> {
  const { result, error } = await enqueue(payload);
  if (error) throw new Error(JSON.stringify(error));
  const { id } = result as { id: string };
  const response = await fetch(`${service.url}/rpc`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "task.get", params: { id } }),
  });
  return /"payload":([\s\S]*),"priority"/.exec(await response.text())![1]!;
}

const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

describe("comes back", () => {
  for (const [what, payload] of [
    ["an empty object", "{}"],
    ["2^53 - 1 and its negative", '{"a":9007199254740991,"b":-9007199254740991}'],
    ["the largest and the smallest double", '{"a":1.7976931348623157e+308,"b":5e-324}'],
    ["decimals that binary fractions only approach", '{"a":0.1,"b":0.30000000000000004}'],
    ["text in every script, quotes, control characters", '{"a":"日本語 🎉 \\"\\\\\\n\\t\\u0001\\u007f"}'],
    ["line separators", '{"a":"\\u2028\\u2029"}'],
    ["names that objects inherit", '{"toString":1,"hasOwnProperty":null}'],
    ["__proto__ as a key", '{"__proto__":{"admin":true}}'],
    ["an empty key and an empty string", '{"":""}'],
    ["null, true, false and nested lists", '{"a":[null,true,false,[[]]]}'],
  ] as const)
    test(what, async () => {
      const text = await giveBack(payload);
      expect(Bun.deepEquals(JSON.parse(text), JSON.parse(payload), true)).toBe(true);
      // A parsed __proto__ hides from comparisons, so the keys themselves are compared too.
      expect(Object.keys(JSON.parse(text)).sort()).toEqual(Object.keys(JSON.parse(payload)).sort());
    });

  test("with other spellings of the same numbers", async () => {
    expect(JSON.parse(await giveBack('{"a":1.0,"b":1e3,"c":-0,"d":1E+2}'))).toEqual({ a: 1, b: 1000, c: 0, d: 100 });
  });
});

describe("is refused with the place", () => {
  for (const [what, payload, path] of [
    ["NUL in a string", '{"a":[0,"x\\u0000y"]}', "payload.a[1]"],
    ["NUL in a key", '{"a\\u0000":1}', 'payload["a\\u0000"]'],
    ["a lone high surrogate", '{"a":"\\ud800"}', "payload.a"],
    ["a lone low surrogate", '{"a":{"b":"\\udc00x"}}', "payload.a.b"],
    ["2^53 + 1", '{"n":9007199254740993}', "payload.n"],
    ["1e400", '{"n":[1e400]}', "payload.n[0]"],
    ["a decimal of too many digits", '{"n":0.12345678901234567890}', "payload.n"],
    ["a number too small for a double", '{"n":1e-400}', "payload.n"],
    ["the same key twice", '{"a":1,"b":{"c":1,"c":2}}', "payload.b.c"],
  ] as const)
    test(what, async () => {
      const { error } = await enqueue(payload);
      expect(error?.code).toBe(-32602);
      expect(error?.data.issues).toEqual([{ path, message: expect.any(String) }]);
    });

  test("a list, a scalar or null in its place", async () => {
    for (const payload of ["[]", "1", '"x"', "null", "true"]) {
      const { error } = await enqueue(payload);
      expect(error?.data).toEqual({
        type: "invalid_params",
        issues: [{ path: "payload", message: "must be a JSON object" }],
      });
    }
  });

  test("nesting of the whole body beyond 64", async () => {
    // The body's object, params and payload are three levels of the 64.
    expect((await enqueue(`{"a":${nested(61)}}`)).error).toBeUndefined();
    expect((await enqueue(`{"a":${nested(62)}}`)).error?.data.type).toBe("invalid_request");
  });

  test("more bytes than its queue allows", async () => {
    await service.call("queue.create", { name: "small", maxPayloadBytes: 20 });
    const fits = { a: "é".repeat(6) };
    expect(Buffer.byteLength(JSON.stringify(fits))).toBe(20);
    expect((await service.call("task.enqueue", { queue: "small", payload: fits })).state).toBe("pending");
    const { error } = await rawRpc(service.url, {
      jsonrpc: "2.0",
      id: 1,
      method: "task.enqueue",
      params: { queue: "small", payload: { a: "é".repeat(7) } },
    });
    expect(error).toEqual({
      code: 1005,
      message: "What was sent is larger than may be kept.",
      data: { type: "payload_too_large", limitBytes: 20 },
    });
  });
});

test("results are kept as exactly, of any JSON type", async () => {
  for (const result of [null, true, 0, -1.5, "", "x", [], [[null]], {}, { __proto__: null, a: [1] }]) {
    const { id } = await service.call("task.enqueue", { queue: "results" });
    const { tasks } = await service.call("task.claim", { queue: "results" });
    await service.call("task.complete", { receipt: tasks[0]!.receipt, result: result as never });
    expect((await service.call("task.get", { id })).result).toEqual(result as never);
  }
});
