import type { Params, Result } from "../../client/index.ts";
import type { CommandContext } from "../context.ts";
import { readPages } from "../pages.ts";
import { type Column, MORE, shortCount, shortTime, table } from "../text.ts";

export interface LimitOptions {
  readonly limit: number;
}

export interface TagsOptions extends LimitOptions {
  readonly sort?: Params<"tag.list">["sort"];
}

const TAG_COLUMNS: readonly Column[] = [
  { title: "NAME", least: 8 },
  { title: "USED", right: true },
  { title: "COLOUR" },
];

export async function tags(context: CommandContext, prefix: string | undefined, options: TagsOptions): Promise<void> {
  const { client, inProject, signal, width } = context;
  const { items, more } = await readPages(options.limit, async (place) => {
    const page = await client.tag.list({ ...inProject, prefix, sort: options.sort, ...place }, { signal });
    return { items: page.tags, nextCursor: page.nextCursor };
  });
  const rows = items.map(({ name, used, colour }) => [name, shortCount(used), colour ?? "-"]);
  context.printEach(items, () => listing("No tags.\n", TAG_COLUMNS, rows, more, width));
}

const CATEGORY_COLUMNS: readonly Column[] = [
  { title: "NAME", least: 8 },
  { title: "TASKS", right: true },
  { title: "COLOUR" },
];

type CategoryTree = Result<"category.tree">["categories"][number];

export async function categories(context: CommandContext): Promise<void> {
  const answer = await context.client.category.tree({ ...context.inProject }, { signal: context.signal });
  const rows = answer.categories.flatMap((tree) => treeRows(tree, ""));
  context.print(answer, () => listing("No categories.\n", CATEGORY_COLUMNS, rows, false, context.width));
}

const treeRows = ({ name, tasks, colour, children }: CategoryTree, indent: string): string[][] => [
  [`${indent}${name}`, shortCount(tasks), colour],
  ...children.flatMap((child) => treeRows(child, `${indent}  `)),
];

const PROJECT_COLUMNS: readonly Column[] = [
  { title: "NAME", least: 8 },
  { title: "DESCRIPTION", least: 11 },
  { title: "ADDED (UTC)", least: 11 },
];

export async function projects(context: CommandContext, { limit }: LimitOptions): Promise<void> {
  const { client, signal, width } = context;
  const { items, more } = await readPages(limit, async (place) => {
    const page = await client.project.list(place, { signal });
    return { items: page.projects, nextCursor: page.nextCursor };
  });
  const rows = items.map(({ name, description, added }) => [name, description || "-", shortTime(added)]);
  context.printEach(items, () => listing("No projects.\n", PROJECT_COLUMNS, rows, more, width));
}

const WORKER_COLUMNS: readonly Column[] = [
  { title: "ID", least: 12 },
  { title: "QUEUES", least: 8 },
  { title: "SEEN" },
  ...["CLAIMED", "DONE", "FAILED"].map((title) => ({ title, right: true })),
];

export async function workers(context: CommandContext, { limit }: LimitOptions): Promise<void> {
  const { client, inProject, signal, width } = context;
  const { items, more } = await readPages(limit, async (place) => {
    const page = await client.worker.list({ ...inProject, ...place }, { signal });
    return { items: page.workers, nextCursor: page.nextCursor };
  });
  const rows = items.map(({ id, queues, lastSeen, claimed, completed, failed }) => [
    id,
    queues.join(", "),
    shortTime(lastSeen),
    ...[claimed, completed, failed].map(shortCount),
  ]);
  context.printEach(items, () => listing("No workers yet.\n", WORKER_COLUMNS, rows, more, width));
}

function listing(
  none: string,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  more: boolean,
  width: number,
): string {
  return rows.length === 0 ? none : `${table(columns, rows, width)}${more ? MORE : ""}`;
}
