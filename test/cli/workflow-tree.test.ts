import { expect, test } from "bun:test";
import { liveText } from "../../src/cli/live-text.ts";
import { drawTree, treeOf } from "../../src/cli/workflow-tree.ts";
import type { Workflow } from "../../src/client/index.ts";

type Member = Workflow["tasks"][number];
type State = Member["state"];

const task = (key: string, state: State, dependsOn: string[] = [], queue = "q"): Member => ({
  key,
  id: `id of ${key}`,
  queue,
  state,
  dependsOn,
});

function workflow(tasks: Member[], more: Partial<Workflow> = {}): Workflow {
  const counts = { waiting: 0, pending: 0, claimed: 0, completed: 0, failed: 0, cancelled: 0 };
  for (const { state } of tasks) counts[state] += 1;
  return { id: "w", name: "import", state: "running", counts, tasks, added: "", finished: null, ...more };
}

const drawn = (shown: Workflow, height?: number, width = 80) => drawTree(shown, treeOf(shown, height), width);
/** All that the lines speak of: the tasks themselves, and those that are counted. */
const spokenOf = (lines: readonly string[]) =>
  lines.slice(1).reduce((sum, line) => sum + Number(/… ([\d,]+)/.exec(line)?.[1]?.replaceAll(",", "") ?? 1), 0);

test("each task stands below the first that it depends on, and names the others", () => {
  const shown = workflow([
    task("fetch", "completed"),
    task("other", "failed"),
    task("a", "claimed", ["fetch"]),
    task("b", "pending", ["fetch", "other"]),
    task("report", "waiting", ["a", "b", "fetch", "other"]),
    task("gone", "waiting", ["purged", "a"]),
  ]);
  expect(drawTree(shown, treeOf(shown), 80, new Map([["id of a", "40 %, sort\u001bing"]]))).toEqual([
    "import  running  1 completed, 1 failed, 1 claimed, 1 pending, 2 waiting of 6",
    "✓ fetch  completed",
    "├─ ▶ a  claimed  40 %, sort?ing",
    "│  ├─ ◌ report  waiting  also after b, fetch, other",
    "│  └─ ◌ gone  waiting  also after purged",
    "└─ ○ b  pending  also after other",
    "✗ other  failed",
  ]);
});

test("many alike are folded, the failed and the claimed last, and what joins them is seen", () => {
  const pages = Array.from({ length: 9998 }, (_, at) =>
    task(`page/${at}`, at === 7000 ? "failed" : at === 8500 ? "claimed" : at < 8000 ? "completed" : "pending", [
      "count",
    ]),
  );
  const shown = workflow([
    task("count", "completed"),
    ...pages,
    task("report", "waiting", pages.map(({ key }) => key).slice(0, 1000)),
  ]);
  const lines = drawn(shown);
  expect(lines[0]).toBe("import  running  8,000 completed, 1 failed, 1 claimed, 1,997 pending, 1 waiting…");
  expect(lines[2]).toBe("├─ ✓ page/0  completed");
  expect(lines[3]).toBe("│  └─ ◌ report  waiting  also after page/1, page/2 and 997 more");
  expect(lines).toContain("├─ ✗ page/7000  failed");
  expect(lines).toContain("├─ ▶ page/8500  claimed");
  expect(lines.at(-1)).toBe("└─ … 9,987 more: 7,990 completed, 1,997 pending");
  expect(lines).toHaveLength(15);
  expect(spokenOf(lines)).toBe(10_000);
  const narrow = drawn(shown, 6);
  expect(narrow).toHaveLength(7);
  expect(narrow).toContain("├─ ✗ page/7000  failed");
  expect(spokenOf(narrow)).toBe(10_000);
});

test("chains beside each other fold with all that is below, and a long one by its end", () => {
  const chains = Array.from({ length: 3000 }, (_, at) => [
    task(`fetch ${at}`, "completed"),
    task(`parse ${at}`, at === 2500 ? "claimed" : "completed", [`fetch ${at}`]),
    task(`store ${at}`, "waiting", [`parse ${at}`]),
  ]).flat();
  const lines = drawn(workflow(chains));
  expect(lines).toContain("└─ ▶ parse 2500  claimed");
  expect(lines.at(-1)).toBe("… 8,970 more: 5,980 completed, 2,990 waiting");
  expect(spokenOf(lines)).toBe(9000);
  const chain = workflow(
    Array.from({ length: 10_000 }, (_, at) =>
      task(`${at}`, at < 40 ? "completed" : "waiting", at === 0 ? [] : [`${at - 1}`]),
    ),
  );
  expect(drawn(chain).at(-1)).toEndWith("└─ … 9,988 below: 28 completed, 9,960 waiting");
  expect(spokenOf(drawn(chain))).toBe(10_000);
  expect(drawn(chain, 3)).toHaveLength(3);
});

test("it fits whatever the height and the width, with keys that are all different too", () => {
  let state = 1;
  const random = (most: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % most;
  };
  const word = () => String.fromCharCode(...Array.from({ length: 12 }, () => 103 + random(20)));
  const states: State[] = ["completed", "failed", "claimed", "pending", "waiting", "cancelled"];
  const tasks: Member[] = [];
  for (let at = 0; at < 3000; at++) {
    const after = Array.from({ length: at === 0 ? 0 : random(4) }, () => tasks[random(at)]!.key);
    tasks.push(task(`${word()}${at}`, states[random(6)]!, [...new Set(after)], `q${random(3)}`));
  }
  const shown = workflow(tasks);
  expect(spokenOf(drawn(shown))).toBe(3000);
  for (const height of [1, 2, 5, 22, 50, 200]) expect(drawn(shown, height).length).toBeLessThanOrEqual(height + 1);
  for (const line of drawn(shown, 50, 40)) expect([...line].length).toBeLessThanOrEqual(40);
});

test("nothing of a name or a key drives the terminal; a nameless one and one without tasks are drawn too", () => {
  const wild = task("a\u001b[2J\n", "pending", []);
  expect(drawn(workflow([wild, task("b", "waiting", ["a\u001b[2J\n", "\u001bx"])], { name: "\u001b" }))).toEqual([
    "?  running  1 pending, 1 waiting of 2",
    "○ a?[2J?  pending",
    "└─ ◌ b  waiting  also after ?x",
  ]);
  expect(drawn(workflow([], { name: null, state: "completed" }))).toEqual(["workflow  completed  no tasks"]);
});

test("live text is drawn where it was, and only when it is another", () => {
  const written: string[] = [];
  const { draw } = liveText({ write: (text: string) => written.push(text) });
  draw(["a", "b"]);
  draw(["a", "b"]);
  draw(["c"]);
  expect(written).toEqual([
    "\u001b[?7la\u001b[K\nb\u001b[K\n\u001b[J\u001b[?7h",
    "\u001b[?7l\u001b[2A\rc\u001b[K\n\u001b[J\u001b[?7h",
  ]);
});
