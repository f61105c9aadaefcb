import { expect, test } from "bun:test";
import { createOriginCheck } from "../../src/rpc/origin.ts";

// What a socket of a test cannot show; the rest is in http.test.ts.
test("at port 80, names stand without it too, as browsers and programs send them", () => {
  const check = createOriginCheck({ port: 80, hosts: [], origins: [] });
  expect(check(new Headers({ host: "localhost" }))).toBe(true);
  expect(check(new Headers({ host: "localhost:80", origin: "http://127.0.0.1" }))).toBe(true);
  expect(check(new Headers({ host: "localhost:81" }))).toBe(false);
  expect(check(new Headers({ host: "localhost", origin: "http://evil.example" }))).toBe(false);
});

test("without a Host nothing is ours", () => {
  expect(createOriginCheck({ port: 80, hosts: ["null"], origins: [] })(new Headers())).toBe(false);
});
