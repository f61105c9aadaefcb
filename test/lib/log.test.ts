import { expect, test } from "bun:test";
import { createLogger, type LogLevel } from "../../src/lib/log.ts";

function captured(level: LogLevel) {
  const lines: string[] = [];
  return { lines, log: createLogger({ level, write: (line) => lines.push(line) }) };
}

test("writes one JSON object a line, with time, level and message first", () => {
  const { lines, log } = captured("info");
  log.info("started", { port: 8080 });
  const entry = JSON.parse(lines[0]!);
  expect(Object.keys(entry)).toEqual(["time", "level", "message", "port"]);
  expect(entry).toMatchObject({ level: "info", message: "started", port: 8080 });
  expect(new Date(entry.time).toISOString()).toBe(entry.time);
});

test("says nothing below its level", () => {
  const { lines, log } = captured("warn");
  log.debug("a");
  log.info("b");
  log.warn("c");
  log.error("d");
  expect(lines.map((line) => JSON.parse(line).message)).toEqual(["c", "d"]);
});

test("escapes every character that could split a line or drive a terminal, and keeps the text", () => {
  const { lines, log } = captured("info");
  const nasty = "a\nb\r\u0000\u001b[31m\u007f\u0085\u009b\u061c\u2028\u2029\u200f\u202e\u2066";
  log.info(nasty, { nasty });
  // biome would call a literal class of control characters a mistake; code points say the same.
  expect([...lines[0]!].every((character) => character >= " " && character < "\u007f")).toBe(true);
  expect(JSON.parse(lines[0]!)).toMatchObject({ message: nasty, nasty });
});

test("an error is name and message, with its stack only at debug and error", () => {
  const { lines, log } = captured("debug");
  const error = new TypeError("no", { cause: new RangeError("deep") });
  log.debug("x", { error });
  log.info("x", { error });
  log.warn("x", { error });
  log.error("x", { error });
  const errors = lines.map((line) => JSON.parse(line).error);
  expect(errors.map((entry) => "stack" in entry)).toEqual([true, false, false, true]);
  expect(errors[1]).toEqual({ name: "TypeError", message: "no", cause: { name: "RangeError", message: "deep" } });
});

test("fields cannot disguise a line, and what JSON cannot hold does not cost the line", () => {
  const { lines, log } = captured("info");
  log.info("real", { level: "error", message: "fake", time: "never", big: 2n ** 64n });
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  log.info("looped", { loop });
  const [first, second] = lines.map((line) => JSON.parse(line));
  expect(first).toMatchObject({ level: "info", message: "real", big: "18446744073709551616" });
  expect(first.time).not.toBe("never");
  expect(second).toMatchObject({ level: "info", message: "looped", fields: "cannot be written as JSON" });
});
