import { expect, test } from "bun:test";
import { formatPath } from "../../src/lib/json-path.ts";

test.each([
  [[], ""],
  [["payload"], "payload"],
  [["tasks", 3, "payload", "when"], "tasks[3].payload.when"],
  [[0, "a"], "[0].a"],
  [["a", "b c", "d"], 'a["b c"].d'],
  [["a", ""], 'a[""]'],
  [["3"], '["3"]'],
  [["a.b"], '["a.b"]'],
  [["\u0000"], '["\\u0000"]'],
  [["\ud83d"], '["\\ud83d"]'],
  [["__proto__"], "__proto__"],
])("%j is written %s", (path, text) => {
  expect(formatPath(path)).toBe(text);
});

test("a key of megabytes is cut", () => {
  expect(formatPath(["payload", "k".repeat(4_000_000)]).length).toBeLessThan(100);
});
