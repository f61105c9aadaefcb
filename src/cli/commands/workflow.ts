import type { Result, Workflow } from "../../client/index.ts";
import { watchWorkflow } from "../../client/wait-for-workflow.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../failure.ts";
import { liveText } from "../live-text.ts";
import { readPages } from "../pages.ts";
import { type Column, cut, MORE, printable, shortCount, shortTime, table } from "../text.ts";
import { drawTree, summaryOf, type TreeLine, treeOf } from "../workflow-tree.ts";

export interface WorkflowOptions {
  readonly once?: boolean;
  readonly cancel?: boolean;
  readonly retry?: boolean;
}

const LOOK_SECONDS = 1;
/** So many claimed tasks are asked how far they are. */
const ASKED_MAX = 8;
/** Elsewhere than on a terminal, more changes than these at once are told by a summary. */
const CHANGES_MAX = 20;

/** Shows one workflow, until it has ended unless it is cancelled or to be shown once. Answers the exit code. */
export async function workflow(context: CommandContext, id: string, options: WorkflowOptions): Promise<number> {
  const { client, inProject, signal } = context;
  if (options.cancel) await client.workflow.cancel({ ...inProject, id }, { signal });
  if (options.retry) await client.workflow.retry({ ...inProject, id }, { signal });
  if (!options.cancel && !options.once) return await follow(context, id);
  await show(context, await client.workflow.get({ ...inProject, id }, { signal }));
  return EXIT.ok;
}

async function show(context: CommandContext, shown: Workflow): Promise<void> {
  const lines = treeOf(shown, heightOf(context));
  const notes = context.json ? new Map<string, string>() : await notesOf(context, lines);
  context.print(shown, () => text(drawTree(shown, lines, context.width, notes)));
}

const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");

/** Beside the summary, and the line on which the cursor stands. */
const heightOf = ({ stdout }: CommandContext) =>
  stdout.isTTY ? Math.max((stdout.rows ?? 24) - 2, 1) : Number.POSITIVE_INFINITY;

async function follow(context: CommandContext, id: string): Promise<number> {
  const { client, inProject, signal, json } = context;
  const live = context.stdout.isTTY === true && !json;
  const onLook = live ? redrawing(context) : json ? () => undefined : tellingChanges(context);
  try {
    const ended = await watchWorkflow(client, id, { ...inProject, signal, everySeconds: LOOK_SECONDS, onLook });
    if (!live) await show(context, ended);
    return ended.state === "completed" ? EXIT.ok : EXIT.failed;
  } catch (error) {
    if (signal.aborted) context.stderr.write("The workflow goes on; this was only its display.\n");
    throw error;
  }
}

function redrawing(context: CommandContext): (seen: Workflow) => Promise<void> {
  const { draw } = liveText(context.stdout);
  return async (seen) => {
    const lines = treeOf(seen, heightOf(context));
    draw(drawTree(seen, lines, context.stdout.columns ?? context.width, await notesOf(context, lines)));
  };
}

function tellingChanges({ stdout, width }: CommandContext): (seen: Workflow) => void {
  let known: ReadonlyMap<string, string> | null = null;
  return (seen) => {
    const before = known;
    const changed = before === null ? seen.tasks : seen.tasks.filter(({ key, state }) => before.get(key) !== state);
    const each = before !== null && changed.length <= CHANGES_MAX;
    const lines = each ? changed.map(({ key, state }) => `${state.padEnd(9)}  ${printable(key)}`) : [summaryOf(seen)];
    // The tree at the end begins with the summary.
    if (each || seen.state === "running") stdout.write(text(lines.map((line) => cut(line, width))));
    known = new Map(seen.tasks.map(({ key, state }) => [key, state]));
  };
}

/** How far those are that are drawn and at work. */
async function notesOf({ client, inProject, signal }: CommandContext, lines: readonly TreeLine[]) {
  const claimed = lines.flatMap(({ task }) => (task?.state === "claimed" ? [task.id] : [])).slice(0, ASKED_MAX);
  const notes = new Map<string, string>();
  await Promise.all(
    claimed.map(async (id) => {
      // It may be gone by now, which the next look shows.
      const task = await client.task.get({ ...inProject, id }, { signal }).catch(() => null);
      const { percent, note } = task?.progress ?? {};
      if (percent !== undefined) notes.set(id, `${percent} %${note ? `, ${note}` : ""}`);
    }),
  );
  return notes;
}

const COLUMNS: readonly Column[] = [
  { title: "ID" },
  { title: "STATE" },
  { title: "NAME", least: 8 },
  { title: "ENDED", right: true },
  { title: "TASKS", right: true },
  { title: "ADDED (UTC)", least: 11, spare: true },
];

export interface WorkflowsOptions {
  readonly state?: Workflow["state"][];
  readonly limit: number;
}

export async function workflows(context: CommandContext, { state, limit }: WorkflowsOptions): Promise<void> {
  const { client, inProject, signal, width } = context;
  const { items, more } = await readPages<Workflow>(limit, async (place) => {
    const page: Result<"workflow.list"> = await client.workflow.list(
      { ...inProject, states: state, ...place },
      { signal },
    );
    return { items: page.workflows, nextCursor: page.nextCursor };
  });
  const rows = items.map(({ id, state, name, tasks, counts, added }) => [
    id,
    state,
    name ?? "-",
    shortCount(counts.completed + counts.failed + counts.cancelled),
    shortCount(tasks.length),
    shortTime(added),
  ]);
  context.printEach(items, () =>
    items.length === 0 ? "No workflows.\n" : `${table(COLUMNS, rows, width)}${more ? MORE : ""}`,
  );
}
