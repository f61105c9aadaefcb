import type { JsonObject, Params, Task } from "../../client/index.ts";
import type { CommandContext } from "../context.ts";
import { UsageError } from "../failure.ts";
import { readPages } from "../pages.ts";
import { type Column, cut, MORE, printable, shortTime, table } from "../text.ts";

type Filters = Params<"task.list">;

export interface ListOptions {
  readonly state?: Task["state"][];
  readonly name?: string[];
  readonly payload?: JsonObject;
  readonly tag?: string[];
  readonly category?: string;
  readonly owner?: string;
  readonly text?: string;
  readonly priority?: Filters["priority"];
  readonly addedFrom?: string;
  readonly addedTo?: string;
  readonly dueFrom?: string;
  readonly dueTo?: string;
  readonly deleted?: boolean;
  readonly sort?: Filters["sort"];
  readonly limit: number;
}

const TAGS: Column = { title: "TAGS", least: 8 };
const COLUMNS: readonly Column[] = [
  { title: "ID" },
  { title: "STATE" },
  { title: "NAME", least: 8 },
  { title: "TRIES", right: true },
  // Beside tags there is no room for it in 80 columns.
  { title: "ADDED (UTC)", least: 11, spare: true },
];

export async function list(context: CommandContext, queue: string | undefined, options: ListOptions): Promise<void> {
  const { client, inProject, signal, width } = context;
  const filters = filtersOf(options);
  const { items, more } = await readPages<Task>(options.limit, async (place) => {
    const page = await client.task.list({ ...inProject, queue, ...filters, ...place }, { signal });
    return { items: page.tasks, nextCursor: page.nextCursor };
  });
  const tagged = options.tag !== undefined || items.some(({ tags }) => tags.length > 0);
  context.printEach(items, () =>
    items.length === 0
      ? "No tasks.\n"
      : `${taskTable(items, tagged, width)}${lastErrors(items, width)}${more ? MORE : ""}`,
  );
}

function filtersOf(options: ListOptions): Filters {
  const { text, sort } = options;
  if (sort === "relevance" && text === undefined) throw new UsageError("--sort relevance needs --text to search for.");
  return {
    states: options.state,
    names: options.name,
    payload: options.payload,
    tags: options.tag,
    category: options.category,
    ownerId: options.owner,
    text,
    priority: options.priority,
    addedFrom: options.addedFrom,
    addedTo: options.addedTo,
    dueFrom: options.dueFrom,
    dueTo: options.dueTo,
    deleted: options.deleted,
    // Who searches wants the best first.
    sort: sort ?? (text === undefined ? undefined : "relevance"),
  };
}

function taskTable(tasks: readonly Task[], tagged: boolean, width: number): string {
  const columns = tagged ? COLUMNS.toSpliced(3, 0, TAGS) : COLUMNS;
  const rows = tasks.map((task) => [
    task.id,
    task.state,
    task.name ?? "-",
    ...(tagged ? [task.tags.join(", ") || "-"] : []),
    `${task.attempts}/${task.maxAttempts}`,
    shortTime(task.added),
  ]);
  return table(columns, rows, width);
}

/** Why a task is dead is what people look for. */
function lastErrors(tasks: readonly Task[], width: number): string {
  const reasons = tasks.flatMap(({ id, state, errors }) => {
    const last = state === "failed" ? errors.at(-1) : undefined;
    return last === undefined ? [] : [`${cut(`${id}: ${printable(last.message)}`, width)}\n`];
  });
  return reasons.length === 0 ? "" : `\nLast errors of the dead:\n${reasons.join("")}`;
}
