import { expect, test } from "bun:test";
import { METHOD_KINDS } from "../../src/client/methods.ts";
import { METHODS } from "../../src/rpc/methods/index.ts";

test("the client's table of methods is the service's", () => {
  const service = METHODS.map(({ name, changing }) => [name as string, changing] as const);
  const client = Object.entries(METHOD_KINDS)
    .filter(([name]) => name !== "rpc.discover")
    .map(([name, kind]) => [name, (kind as string) !== "reads"] as const);
  expect(Object.fromEntries(client)).toEqual(Object.fromEntries(service));
});
