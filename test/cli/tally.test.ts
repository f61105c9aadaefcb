import { expect, test } from "bun:test";
import { tally } from "../../src/cli/demo/tally.ts";
import type { Task } from "../../src/client/index.ts";

/** A task as task.list shows it, as far as the tally looks. */
function task(
  id: string,
  state: Task["state"],
  attempts: number,
  codes: readonly (string | null)[],
  result: Task["result"] = null,
) {
  const errors = codes.map((code, at) => ({ attempt: at + 1, at: "", worker: null, message: "", code }));
  return { id, state, attempts, errors, result } as unknown as Task;
}
const done = (id: string, attempt = 1) => task(id, "completed", attempt, Array(attempt - 1).fill(null), { attempt });

test("a clean run", () => {
  const tasks = [
    done("a"),
    done("b", 2),
    task("c", "completed", 2, ["lease_expired"], { attempt: 2 }),
    task("d", "failed", 3, [null, null, null]),
  ];
  const accepted = [
    { id: "a", attempt: 1 },
    { id: "b", attempt: 2 },
    { id: "c", attempt: 2 },
  ];
  expect(tally(["a", "b", "c", "d"], tasks, accepted)).toEqual({
    completed: 3,
    retried: 3,
    takenOver: 1,
    dead: 1,
    lost: 0,
    double: 0,
  });
});

test("lost: acknowledged and gone, or left unfinished", () => {
  const counts = tally(["a", "b", "c"], [done("a"), task("b", "claimed", 1, [])], []);
  expect(counts).toMatchObject({ completed: 1, lost: 2 });
});

test("a completion that its killed worker could not write down is no double", () => {
  expect(tally(["a"], [done("a")], []).double).toBe(0);
});

test.each([
  ["two workers wrote one down", done("a"), [1, 1]],
  [
    "another attempt than the one whose result is kept",
    task("a", "completed", 2, ["lease_expired"], { attempt: 2 }),
    [1],
  ],
  ["an attempt that ended in nothing", task("a", "completed", 2, [], { attempt: 2 }), [2]],
  ["a completed task that ended dead", task("a", "failed", 1, [null]), [1]],
])("double: %s", (_name, given, attempts) => {
  expect(
    tally(
      ["a"],
      [given],
      attempts.map((attempt) => ({ id: "a", attempt })),
    ).double,
  ).toBe(1);
});
