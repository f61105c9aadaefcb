/** A workflow as a tree that fits a terminal, however many tasks it has. */
import type { Workflow } from "../client/index.ts";
import { cut, printable } from "./text.ts";

type Member = Workflow["tasks"][number];
type State = Member["state"];
type Counts = Workflow["counts"];

const MARKS: Record<State, string> = {
  waiting: "◌",
  pending: "○",
  claimed: "▶",
  completed: "✓",
  failed: "✗",
  cancelled: "–",
};
const STATES: readonly State[] = ["completed", "failed", "cancelled", "claimed", "pending", "waiting"];
const KEY_WIDTH = 40;
/** So many of the dependencies that a task is not drawn below are named. */
const NAMED = 2;

/** A line of the tree: a task, or what was folded. */
export interface TreeLine {
  /** The tree's own strokes. */
  readonly lead: string;
  readonly task: Member | null;
  readonly text: string;
}

interface Node {
  readonly task: Member;
  readonly children: Node[];
  /** Dependencies that it is not drawn below. */
  readonly others: readonly string[];
  /** The same for nodes that are alike: queue, key but for its numbers, and what is drawn below. */
  kind: string;
  /** How much it, or what is below it, is worth looking at; 0 is most. */
  rank: number;
  /** Of itself and all below it. */
  readonly counts: Counts;
}

/** How much of a tree is drawn. */
interface Room {
  /** Nodes of a kind below one other. */
  readonly each: number;
  readonly depth: number;
}

const ROOMS: readonly Room[] = [
  { each: 10, depth: 12 },
  { each: 5, depth: 10 },
  { each: 3, depth: 8 },
  { each: 2, depth: 5 },
  { each: 1, depth: 3 },
  { each: 1, depth: 1 },
];
/** So many kinds' worth of nodes below one other. */
const KINDS = 3;

/** A workflow's tree in at most `height` lines; those that fail or are at work are the last to be folded. */
export function treeOf(workflow: Workflow, height = Number.POSITIVE_INFINITY): TreeLine[] {
  const roots = nodesOf(workflow.tasks);
  let lines: TreeLine[] = [];
  for (const room of ROOMS) {
    lines = linesOf(roots, "", room, 1);
    if (lines.length <= height) return lines;
  }
  const kept = lines.slice(0, Math.max(height - 1, 0));
  return [...kept, { lead: "", task: null, text: `… ${many(lines.length - kept.length)} more lines` }];
}

/** The lines of treeOf() as text, below one that says how the whole stands. `notes`: what is to be said of tasks, by id. */
export function drawTree(
  workflow: Workflow,
  lines: readonly TreeLine[],
  width: number,
  notes: ReadonlyMap<string, string> = new Map(),
): string[] {
  const drawn = lines.map(({ lead, task, text }) => {
    const note = task && notes.get(task.id);
    const told = task ? `${MARKS[task.state]} ${cut(printable(task.key), KEY_WIDTH)}  ${task.state}` : "";
    return `${lead}${told}${note ? `  ${printable(note)}` : ""}${printable(text)}`;
  });
  return [summaryOf(workflow), ...drawn].map((line) => cut(line, width));
}

/** The whole on one line. */
export function summaryOf({ name, state, tasks, counts }: Workflow): string {
  const [called, sum] = [cut(printable(name ?? "workflow"), KEY_WIDTH), many(tasks.length)];
  return tasks.length === 0 ? `${called}  ${state}  no tasks` : `${called}  ${state}  ${told(counts)} of ${sum}`;
}

const many = (count: number) => count.toLocaleString("en-US");
const told = (counts: Counts) =>
  STATES.filter((state) => counts[state] > 0)
    .map((state) => `${many(counts[state])} ${state}`)
    .join(", ");
const total = (counts: Counts) => STATES.reduce((sum, state) => sum + counts[state], 0);

/**
 * Each task below the first of those it depends on; those that depend on nothing are the roots. The first, since among many
 * alike it is the first that is drawn. Tasks come in an order in which they can run, so what a task hangs from is before it.
 */
function nodesOf(tasks: readonly Member[]): Node[] {
  const byKey = new Map<string, Node>();
  const roots: Node[] = [];
  for (const task of tasks) {
    const above = task.dependsOn.find((key) => byKey.has(key));
    const others = task.dependsOn.filter((key) => key !== above);
    const rank = task.state === "failed" ? 0 : task.state === "claimed" ? 1 : 2;
    const counts = { waiting: 0, pending: 0, claimed: 0, completed: 0, failed: 0, cancelled: 0, [task.state]: 1 };
    const node: Node = { task, others, rank, counts, kind: "", children: [] };
    (above === undefined ? roots : byKey.get(above)!.children).push(node);
    byKey.set(task.key, node);
  }
  const kinds = new Map<string, string>();
  // From the last to the first, for the sake of what is below: a recursion would be as deep as the longest chain.
  for (const node of [...byKey.values()].reverse()) {
    const below = [...new Set(node.children.map(({ kind }) => kind))].sort();
    const likeness = JSON.stringify([node.task.queue, node.task.key.replace(/[0-9a-f-]*\d[0-9a-f-]*/gi, "#"), below]);
    if (!kinds.has(likeness)) kinds.set(likeness, String(kinds.size));
    node.kind = kinds.get(likeness)!;
    for (const child of node.children) {
      node.rank = Math.min(node.rank, child.rank);
      for (const state of STATES) node.counts[state] += child.counts[state];
    }
  }
  return roots;
}

function linesOf(nodes: readonly Node[], lead: string, room: Room, depth: number): TreeLine[] {
  const shown = depth > room.depth ? [] : picked(nodes, room.each);
  const hidden = nodes.filter((node) => !shown.includes(node));
  const isRoot = depth === 1;
  const lines = shown.flatMap((node, at): TreeLine[] => {
    const last = at === shown.length - 1 && hidden.length === 0;
    return [
      { lead: isRoot ? "" : `${lead}${last ? "└─ " : "├─ "}`, task: node.task, text: othersOf(node) },
      ...linesOf(node.children, isRoot ? "" : `${lead}${last ? "   " : "│  "}`, room, depth + 1),
    ];
  });
  if (hidden.length === 0) return lines;
  const counts = { waiting: 0, pending: 0, claimed: 0, completed: 0, failed: 0, cancelled: 0 };
  for (const node of hidden) for (const state of STATES) counts[state] += node.counts[state];
  const below = shown.length === 0 && !isRoot ? "below" : "more";
  return [
    ...lines,
    { lead: isRoot ? "" : `${lead}└─ `, task: null, text: `… ${many(total(counts))} ${below}: ${told(counts)}` },
  ];
}

/** Some of each kind, in their order. A fold of one line would take the line that it saves. */
function picked(nodes: readonly Node[], each: number): readonly Node[] {
  const kinds = new Map<string, Node[]>();
  for (const node of nodes) {
    const alike = kinds.get(node.kind);
    if (alike) alike.push(node);
    else kinds.set(node.kind, [node]);
  }
  const some = [...kinds.values()].flatMap((alike) => (alike.length <= each + 1 ? alike : first(alike, each)));
  const kept = new Set(some.length <= each * KINDS + 1 ? some : first(some, each * KINDS));
  return nodes.filter((node) => kept.has(node));
}

const first = (nodes: readonly Node[], count: number) => nodes.toSorted((a, b) => a.rank - b.rank).slice(0, count);

function othersOf({ others }: Node): string {
  if (others.length === 0) return "";
  const more = others.length - NAMED;
  const named = others.slice(0, more > 1 ? NAMED : others.length).map((key) => cut(key, KEY_WIDTH));
  return `  also after ${named.join(", ")}${more > 1 ? ` and ${many(more)} more` : ""}`;
}
