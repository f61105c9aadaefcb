import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { echo, failure, request, stubMethod, stubService } from "./stub-service.ts";

let ran = 0;
const { ask, answer } = stubService([echo, stubMethod("run", z.looseObject({}), () => ++ran)]);
const invalidRequest = failure(-32600, "invalid_request");
const parseError = failure(-32700, "parse_error");

describe("bytes", () => {
  const bytes = (...parts: (string | number[])[]): Uint8Array =>
    Uint8Array.from(parts.flatMap((part) => (typeof part === "string" ? [...new TextEncoder().encode(part)] : part)));

  test.each([
    ["nothing", bytes()],
    ["a byte order mark", bytes([0xef, 0xbb, 0xbf], JSON.stringify(request("run")))],
    ["a byte that UTF-8 does not have", bytes('{"jsonrpc":"2.0","id":1,"method":"run","params":{"a":"', [0xff], '"}}')],
    [
      "a sequence that breaks off",
      bytes('{"jsonrpc":"2.0","id":1,"method":"run","params":{"a":"', [0xe2, 0x82], '"}}'),
    ],
    [
      "a surrogate in three bytes",
      bytes('{"jsonrpc":"2.0","id":1,"method":"run","params":{"a":"', [0xed, 0xa0, 0xbd], '"}}'),
    ],
    ["an overlong slash", bytes('{"jsonrpc":"2.0","id":1,"method":"run","params":{"a":"', [0xc0, 0xaf], '"}}')],
    ["UTF-16", bytes([0xff, 0xfe, 0x7b, 0, 0x7d, 0])],
    ["a NUL byte", bytes('{"jsonrpc":"2.0","id":1,"method":"run","params":{"a":"', [0], '"}}')],
  ])("%s: parse error", async (_name, body) => {
    const before = ran;
    expect(await answer(body)).toMatchObject(parseError);
    expect(ran).toBe(before);
  });

  test("a text with half a surrogate pair: parse error, as its bytes would be", async () => {
    expect(await answer('{"jsonrpc":"2.0","id":1,"method":"run","params":{"a":"\ud83d"}}')).toMatchObject(parseError);
  });

  test("UTF-8 of every length comes back", async () => {
    const params = { text: "aé€😀" };
    expect(await answer(bytes(JSON.stringify(request("echo", params))))).toMatchObject({ result: params });
  });
});

describe("id", () => {
  test.each(["", "a", "a".repeat(255), "😀", 0, -1, 1.5, 9007199254740991, 1e21, null])("%j comes back", async (id) => {
    expect(await answer(request("echo", {}, id))).toEqual({ jsonrpc: "2.0", result: {}, id });
  });

  test.each([["a".repeat(256)], [true], [false], [{}], [[]], [[1]], [{ id: 1 }]])(
    "%j is refused with id null",
    async (id) => {
      expect(await answer(request("run", {}, id))).toMatchObject(invalidRequest);
    },
  );

  test.each(["9007199254740993", "1e400", "0.1234567890123456789", '"\\u0000"', '"\\ud83d"'])(
    "%s would not come back, and is refused with id null",
    async (id) => {
      expect(await answer(`{"jsonrpc":"2.0","id":${id},"method":"run"}`)).toMatchObject(invalidRequest);
    },
  );

  test("given twice, it is refused with id null", async () => {
    expect(await answer('{"jsonrpc":"2.0","id":1,"method":"run","id":2}')).toMatchObject(invalidRequest);
  });

  test("an invalid request with a good id is answered with it, so that its sender can tell which it was", async () => {
    expect(await answer({ jsonrpc: "1.0", id: "mine", method: "run" })).toMatchObject({
      ...invalidRequest,
      id: "mine",
    });
  });
});

describe("members", () => {
  const cases: [string, string][] = [
    ["no jsonrpc", '{"id":1,"method":"run"}'],
    ["jsonrpc 1.0", '{"jsonrpc":"1.0","id":1,"method":"run"}'],
    ["jsonrpc as a number", '{"jsonrpc":2.0,"id":1,"method":"run"}'],
    ["no method", '{"jsonrpc":"2.0","id":1}'],
    ["params null", '{"jsonrpc":"2.0","id":1,"method":"run","params":null}'],
    ["params a string", '{"jsonrpc":"2.0","id":1,"method":"run","params":"a"}'],
    ["params a number", '{"jsonrpc":"2.0","id":1,"method":"run","params":0}'],
    ["params true", '{"jsonrpc":"2.0","id":1,"method":"run","params":true}'],
    ["a misspelt member", '{"jsonrpc":"2.0","id":1,"method":"run","parms":{}}'],
    ["a member of an answer", '{"jsonrpc":"2.0","id":1,"method":"run","result":1}'],
    ["__proto__", '{"jsonrpc":"2.0","id":1,"method":"run","__proto__":{}}'],
    ["method given twice", '{"jsonrpc":"2.0","id":1,"method":"echo","method":"run"}'],
    ["params given twice", '{"jsonrpc":"2.0","id":1,"method":"run","params":{},"params":{}}'],
    ["half a surrogate pair in method", '{"jsonrpc":"2.0","id":1,"method":"\\ud83d"}'],
  ];
  test.each(cases)("%s: invalid request, with the id, and nothing is done", async (_name, body) => {
    const before = ran;
    expect(await answer(body)).toMatchObject({ ...invalidRequest, id: 1 });
    expect(ran).toBe(before);
  });

  test("members come from the request itself, not from a prototype in it", async () => {
    expect(await answer('{"__proto__":{"jsonrpc":"2.0","id":1,"method":"run"}}')).toMatchObject(invalidRequest);
  });

  test("a misspelt id does not make a notification", async () => {
    expect(await answer({ jsonrpc: "2.0", ID: 1, method: "run" })).toMatchObject({
      ...invalidRequest,
      error: { data: { reason: 'A request has no member "ID".' } },
    });
  });

  test("absent params are none", async () => {
    expect(await answer(request("echo"))).toEqual({ jsonrpc: "2.0", result: {}, id: 1 });
  });

  test("params by position: invalid params, for this service takes them by name", async () => {
    expect(await answer(request("run", [1]))).toMatchObject({
      error: { code: -32602, data: { issues: [{ path: "", message: expect.stringContaining("by name") }] } },
    });
  });
});

describe("a notification", () => {
  test.each([
    ["runs", { jsonrpc: "2.0", method: "run" }, 1],
    ["with id null is none", { jsonrpc: "2.0", method: "run", id: null }, 1],
    ["of an absent method", { jsonrpc: "2.0", method: "absent" }, 0],
    ["with params by position", { jsonrpc: "2.0", method: "run", params: [] }, 0],
  ])("%s", async (_name, body, times) => {
    const before = ran;
    expect((await ask(JSON.stringify(body))) === null).toBe(!("id" in body));
    expect(ran - before).toBe(times);
  });
});

describe("nesting of the whole body", () => {
  // The request is level 1, params level 2, and `a` begins level 3.
  const nested = (levels: number): string =>
    `{"jsonrpc":"2.0","id":1,"method":"echo","params":{"a":${"[".repeat(levels)}${"]".repeat(levels)}}}`;

  test("64 levels are read, 65 are not", async () => {
    expect(await answer(nested(62))).toMatchObject({ id: 1, result: {} });
    expect(await answer(nested(63))).toMatchObject(invalidRequest);
  });
  test("a batch adds a level, and one request too deep refuses all of it", async () => {
    const before = ran;
    expect(await answer(`[${nested(61)}]`)).toMatchObject([{ id: 1, result: {} }]);
    expect(await answer(`[{"jsonrpc":"2.0","id":1,"method":"run"},${nested(62)}]`)).toMatchObject(invalidRequest);
    expect(ran).toBe(before);
  });
  test("4 MiB of [", async () => {
    expect(await answer("[".repeat(4 * 1024 * 1024))).toMatchObject(invalidRequest);
  });
});

describe("what would change in params", () => {
  test("refuses its request with every place, relative to params", async () => {
    const body = '{"jsonrpc":"2.0","id":1,"method":"run","params":{"payload":{"a":[9007199254740993,"\\u0000"]}}}';
    expect(await answer(body)).toEqual({
      jsonrpc: "2.0",
      error: {
        code: -32602,
        message: "Invalid params",
        data: {
          type: "invalid_params",
          issues: [
            {
              path: "payload.a[0]",
              message: "must be a number that comes back with the same value; send others as text",
            },
            { path: "payload.a[1]", message: "must not hold the character U+0000" },
          ],
        },
      },
      id: 1,
    });
  });

  test("refuses only its own request of a batch", async () => {
    const body = `[{"jsonrpc":"2.0","id":1,"method":"echo","params":{"n":1}},
      {"jsonrpc":"2.0","id":2,"method":"echo","params":{"n":1e400}},
      {"jsonrpc":"2.0","id":1e400,"method":"echo"},
      {"jsonrpc":"2.0","method":"run","params":{"n":1e400}},
      {"jsonrpc":"2.0","id":3,"method":"echo","params":{"n":2}}]`;
    const before = ran;
    expect(await answer(body)).toMatchObject([
      { id: 1, result: { n: 1 } },
      { id: 2, error: { code: -32602, data: { issues: [{ path: "n" }] } } },
      invalidRequest,
      { id: 3, result: { n: 2 } },
    ]);
    expect(ran).toBe(before);
  });

  test("a method that does not exist comes first", async () => {
    expect(await answer('{"jsonrpc":"2.0","id":1,"method":"absent","params":{"n":1e400}}')).toMatchObject(
      failure(-32601, "method_not_found", 1),
    );
  });

  test("an id behind a thousand bad numbers is still seen to be bad", async () => {
    const numbers = Array(1000).fill("1e400").join();
    const body = `{"jsonrpc":"2.0","method":"run","params":{"a":[${numbers}]},"id":9007199254740993}`;
    expect(await answer(body)).toMatchObject(invalidRequest);
  });

  test("4 MiB of bad numbers make a small answer", async () => {
    const body = `{"jsonrpc":"2.0","id":1,"method":"run","params":{"a":[${Array(690_000).fill("1e400").join()}]}}`;
    expect((await ask(body))!.length).toBeLessThan(10_000);
  });

  test("what is the same comes back the same: odd keys, odd numbers, whole pairs", async () => {
    const params =
      '{"__proto__":{"a":1},"constructor":null,"2":"b","1":"a","n":[1.0,1e3,-0,0.1,5e-324],"s":"\\ud83d\\ude00\\u00e9"}';
    const text = await ask(`{"jsonrpc":"2.0","id":1,"method":"echo","params":${params}}`);
    expect(text).toBe(`{"jsonrpc":"2.0","result":${JSON.stringify(JSON.parse(params))},"id":1}`);
    expect("a" in {}).toBe(false);
  });
});
