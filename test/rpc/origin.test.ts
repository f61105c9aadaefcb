import { expect, test } from "bun:test";
import { createOriginCheck } from "../../src/rpc/origin.ts";

const asked = (headers: Record<string, string>) => new Request(`http://${headers.host ?? "none"}/`, { headers });

// What a socket of a test cannot show; the rest is in http.test.ts.
test("at port 80, names stand without it too, as browsers and programs send them", () => {
  const check = createOriginCheck({ port: 80, hosts: [], origins: [], publicUrl: null });
  expect(check(asked({ host: "localhost" }))).toEqual({ listed: null });
  expect(check(asked({ host: "localhost:80", origin: "http://127.0.0.1" }))).toEqual({ listed: null });
  expect(check(asked({ host: "localhost:81" }))).toBeNull();
  expect(check(asked({ host: "localhost", origin: "http://evil.example" }))).toBeNull();
});

test("without a Host nothing is ours", () => {
  expect(createOriginCheck({ port: 80, hosts: ["null"], origins: [], publicUrl: null })(asked({}))).toBeNull();
});
