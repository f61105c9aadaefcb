import { expect, test } from "bun:test";
import { z } from "zod";
import { stubMethod, stubService } from "./stub-service.ts";

// The examples of the JSON-RPC 2.0 specification, its section 7: what is sent is the specification's own text, byte for
// byte; what is answered is compared as text too, without white space between tokens and without the error's `data`,
// which the specification leaves to the server.
//
// One thing differs on purpose: this service takes parameters by name only (api.md: "Parameters are always an object").
// Where an example gives them by position, the answer is Invalid params; those examples are written out again below with
// names, to show the rest of what they say.

const calls: string[] = [];
const numbers = z.strictObject({ numbers: z.array(z.number()) });
const { ask } = stubService([
  stubMethod(
    "subtract",
    z.strictObject({ minuend: z.number(), subtrahend: z.number() }),
    (p) => p.minuend - p.subtrahend,
  ),
  stubMethod("sum", numbers, (p) => p.numbers.reduce((a, b) => a + b, 0)),
  stubMethod("update", numbers, () => void calls.push("update")),
  stubMethod("notify_hello", numbers, () => void calls.push("notify_hello")),
  stubMethod("notify_sum", numbers, () => void calls.push("notify_sum")),
  stubMethod("get_data", z.strictObject({}), () => ["hello", 5]),
]);

const tokens = (text: string): string => JSON.stringify(JSON.parse(text));

/** The answer's text without any error's data. */
async function textFor(sent: string): Promise<string | null> {
  const text = await ask(new TextEncoder().encode(sent));
  if (text === null) return null;
  const answer: unknown = JSON.parse(text);
  expect(JSON.stringify(answer)).toBe(text);
  for (const one of Array.isArray(answer) ? answer : [answer]) delete one.error?.data;
  return JSON.stringify(answer);
}

const BY_NAME_ONLY = (id: string): string =>
  `{"jsonrpc": "2.0", "error": {"code": -32602, "message": "Invalid params"}, "id": ${id}}`;

test.each([
  [
    "rpc call with positional parameters",
    '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}',
    BY_NAME_ONLY("1"),
  ],
  [
    "rpc call with positional parameters, swapped",
    '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}',
    BY_NAME_ONLY("2"),
  ],
  [
    "rpc call with named parameters",
    '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}',
    '{"jsonrpc": "2.0", "result": 19, "id": 3}',
  ],
  [
    "rpc call with named parameters, swapped",
    '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}',
    '{"jsonrpc": "2.0", "result": 19, "id": 4}',
  ],
  ["a notification", '{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', null],
  ["a notification of an absent method", '{"jsonrpc": "2.0", "method": "foobar"}', null],
  [
    "rpc call of non-existent method",
    '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}',
    '{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"}',
  ],
  [
    "rpc call with invalid JSON",
    '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
    '{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}',
  ],
  [
    "rpc call with invalid Request object",
    '{"jsonrpc": "2.0", "method": 1, "params": "bar"}',
    '{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}',
  ],
  [
    "rpc call Batch, invalid JSON",
    `[
  {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
  {"jsonrpc": "2.0", "method"
]`,
    '{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}',
  ],
  [
    "rpc call with an empty Array",
    "[]",
    '{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}',
  ],
  [
    "rpc call with an invalid Batch (but not empty)",
    "[1]",
    `[
  {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}
]`,
  ],
  [
    "rpc call with invalid Batch",
    "[1,2,3]",
    `[
  {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
  {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
  {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}
]`,
  ],
  [
    "rpc call Batch",
    `[
        {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
        {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
        {"foo": "boo"},
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
        {"jsonrpc": "2.0", "method": "get_data", "id": "9"} 
    ]`,
    `[
        ${BY_NAME_ONLY('"1"')},
        ${BY_NAME_ONLY('"2"')},
        {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
        {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "5"},
        {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"}
    ]`,
  ],
  [
    "rpc call Batch (all notifications)",
    `[
        {"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}
    ]`,
    null,
  ],
])("%s", async (_name, sent, answered) => {
  expect(await textFor(sent)).toBe(answered === null ? null : tokens(answered));
});

test("rpc call Batch, its parameters by name: answered as the specification says", async () => {
  calls.length = 0;
  const sent = `[
        {"jsonrpc": "2.0", "method": "sum", "params": {"numbers": [1,2,4]}, "id": "1"},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": {"numbers": [7]}},
        {"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": "2"},
        {"foo": "boo"},
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
        {"jsonrpc": "2.0", "method": "get_data", "id": "9"} 
    ]`;
  const answered = `[
        {"jsonrpc": "2.0", "result": 7, "id": "1"},
        {"jsonrpc": "2.0", "result": 19, "id": "2"},
        {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
        {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "5"},
        {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"}
    ]`;
  expect(await textFor(sent)).toBe(tokens(answered));
  expect(calls).toEqual(["notify_hello"]);
});

test("rpc call Batch of notifications, their parameters by name: run, and not answered", async () => {
  calls.length = 0;
  const sent = `[
        {"jsonrpc": "2.0", "method": "notify_sum", "params": {"numbers": [1,2,4]}},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": {"numbers": [7]}}
    ]`;
  expect(await textFor(sent)).toBeNull();
  expect(calls).toEqual(["notify_sum", "notify_hello"]);
});
