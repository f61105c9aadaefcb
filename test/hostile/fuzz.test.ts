/** A share of `make fuzz` with every run of the tests, on the same seed. */
import { expect, test } from "bun:test";
import { testDatabase } from "../support/postgres.ts";
import { wrongWith } from "./answers.ts";
import { fuzzService } from "./fuzz-service.ts";

const database = testDatabase();

const OUTCOMES = [
  "ok",
  "batch",
  "silence",
  "parse_error",
  "invalid_request",
  "invalid_params",
  "not_found",
  "conflict",
];
const COUNT = 16_000;
/** Far more than a service that stays as it is needs, far less than one that keeps what it was sent. */
const GROWTH_MAX_MB = 150;

test(`${COUNT} mutated bodies do no harm`, async () => {
  const seed = Number(process.env.FUZZ_SEED ?? 6);
  const report = await fuzzService({ databaseUrl: database.url, seed, count: COUNT });
  expect({ seed, findings: report.findings, wrongLines: report.wrongLines }).toEqual({
    seed,
    findings: [],
    wrongLines: [],
  });
  expect(report.answered).toBe(COUNT);
  // It is not all refused: what is valid, or valid again, has done its work.
  expect([...report.outcomes.keys()]).toEqual(expect.arrayContaining(OUTCOMES));
  expect(report.rssMb.last).toBeLessThan(report.rssMb.settled + GROWTH_MAX_MB);
}, 240_000);

test("an answer that does not fit is noticed", () => {
  const body = (value: unknown) => Buffer.from(JSON.stringify(value));
  const call = { jsonrpc: "2.0", id: 7, method: "m" };
  const result = (id: unknown, more = {}) => JSON.stringify({ jsonrpc: "2.0", result: 1, id, ...more });
  const error = (code: number, type: string, id: unknown = null) =>
    JSON.stringify({ jsonrpc: "2.0", error: { code, message: "m", data: { type } }, id });
  expect(wrongWith(body(call), result(7))).toBeNull();
  for (const answer of [result(8), result(null), result(7, { x: 1 }), "{", "[]", `[${result(7)}]`, null])
    expect([answer, wrongWith(body(call), answer)]).not.toEqual([answer, null]);
  for (const answer of [error(-32603, "internal", 7), error(1001, "conflict", 7), error(9, "odd", 7)])
    expect([answer, wrongWith(body(call), answer)]).not.toEqual([answer, null]);
  const { id: _, ...notification } = call;
  expect(wrongWith(body(notification), null)).toBeNull();
  expect(wrongWith(body(notification), result(null))).not.toBeNull();
  expect(wrongWith(body([call, notification, 5]), `[${result(7)},${error(-32600, "invalid_request")}]`)).toBeNull();
  expect(wrongWith(body([call, call]), `[${result(7)}]`)).not.toBeNull();
  expect(wrongWith(Buffer.from("{"), error(-32700, "parse_error"))).toBeNull();
  expect(wrongWith(Buffer.from("{"), result(null))).not.toBeNull();
});
