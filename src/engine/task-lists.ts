import type { Db } from "../db/pool.ts";
import { subtree } from "../domain/category/queries.ts";
import { queueNames } from "../domain/queue/queries.ts";
import { InvalidParams, Refusal } from "../domain/refusals.ts";
import { tagUse } from "../domain/tag/queries.ts";
import { tagKey } from "../domain/tag/tag.ts";
import * as counting from "../domain/task/queries/count.ts";
import type { Selection, TaskFilter } from "../domain/task/queries/filter.ts";
import { isDirect } from "../domain/task/queries/keys.ts";
import * as lists from "../domain/task/queries/list.ts";
import { type KeySort, listByKey } from "../domain/task/queries/list-by-key.ts";
import { type TaskView, taskView } from "../domain/task/views.ts";
import type { EngineContext } from "./context.ts";
import { formatCursor, parseCursor } from "./cursor.ts";
import type { Call, CountParams, FilterParams, ListParams } from "./engine.ts";

/** The number of no tag: nothing is tagged with one that does not exist. */
const NO_TAG = -1;

/** Of tasks, so a uuid v7: there is always one after it. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TIME =
  /^(-?infinity|1?\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]) ([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?[+-](0\d|1[0-5])(:[0-5]\d)*)$/;
const KEY_FORMS = {
  priority: /^\d$/,
  finished: TIME,
  "-finished": TIME,
  dueAt: TIME,
  relevance: /^\d(\.\d+)?(e-[0-3]\d)?$/,
} as const;

/** PostgreSQL reads so many minuses in a row as so many negations of what follows, and gives up at 33. */
const MINUSES = /(?:-[\s\u0085!&|()]*){20,}/g;

/** The engine's part that lists and counts tasks. */
export function taskLists(context: EngineContext) {
  return {
    listTasks: (params: ListParams, call: Call) => listTasks(context, params, call),
    countTasks: (params: CountParams, call: Call) => countTasks(context, params, call),
  };
}

async function listTasks(
  context: EngineContext,
  params: ListParams,
  call: Call,
): Promise<{ tasks: TaskView[]; nextCursor: string | null }> {
  const selection = await selectionOf(context, params, call);
  const { sort, limit, cursor } = params;
  if (sort === "relevance" && params.text === undefined)
    throw new InvalidParams([{ path: "sort", message: "relevance needs text to search for" }]);
  const room = { limit: limit + 1, bytesMax: context.sizes.answerBytesMax };
  // Made now, so that it tells nothing of other projects' tasks.
  const newest = context.newId(0);
  const { rows, place } = await context.cold.run((db) => page(db, selection, { sort, cursor, newest }, room));
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const nextCursor = last && (rows.length > limit || last.last) ? formatCursor([sort, ...place(last)]) : null;
  return { tasks: shown.map(taskView), nextCursor };
}

interface FoundPage {
  readonly rows: readonly lists.PageRow[];
  /** What a cursor says of a row, beside the sort. */
  readonly place: (row: lists.PageRow) => string[];
}

async function page(
  db: Db,
  selection: Selection,
  { sort, cursor, newest }: Pick<ListParams, "sort" | "cursor"> & { readonly newest: string },
  room: lists.Room,
): Promise<FoundPage> {
  if (sort === "relevance") return await pageByRank(db, selection, cursor, newest, room);
  if (sort !== "added" && sort !== "-added") {
    const place = cursor === undefined ? null : keyPlace(cursor, sort);
    const rows = await db.any(listByKey(selection, sort, place, room));
    return { rows, place: (row) => [row.cursor, row.id] };
  }
  const after = cursor === undefined ? null : idPlace(cursor, sort);
  const walk = { descending: sort === "-added", after, ...room };
  const place = (row: lists.PageRow) => [row.id];
  if (!isDirect(selection)) {
    const rows = await db.any(lists.listNearest(selection, walk));
    if (rows.length === room.limit || rows.at(-1)?.last) return { rows, place };
  }
  return { rows: await db.any(lists.listById(selection, walk)), place };
}

/** `now` is an id made now: tasks that come later are no part of a search's pages. */
async function pageByRank(
  db: Db,
  selection: Selection,
  cursor: string | undefined,
  now: string,
  room: lists.Room,
): Promise<FoundPage> {
  const given = cursor === undefined ? null : rankPlace(cursor);
  const newest = given?.newest ?? now;
  const searched = selection as Parameters<typeof lists.listByRank>[0];
  const rows = await db.any(lists.listByRank(searched, newest, given, room));
  return { rows, place: (row) => [row.cursor, row.id, newest] };
}

const notOurs = () => new InvalidParams([{ path: "cursor", message: "is not a cursor of this list and sort" }]);

function idPlace(cursor: string, sort: string): string {
  const [of, id] = parseCursor(cursor, 2);
  if (of !== sort || !UUID.test(id!)) throw notOurs();
  return id!;
}

function keyPlace(cursor: string, sort: KeySort): lists.Place {
  const [of, key, id] = parseCursor(cursor, 3);
  if (of !== sort || !KEY_FORMS[sort].test(key!) || !UUID.test(id!)) throw notOurs();
  return { key: key!, id: id! };
}

function rankPlace(cursor: string): lists.Place & { newest: string } {
  const [of, key, id, newest] = parseCursor(cursor, 4);
  if (of !== "relevance" || !KEY_FORMS.relevance.test(key!) || !UUID.test(id!) || !UUID.test(newest!)) throw notOurs();
  return { key: key!, id: id!, newest: newest! };
}

async function countTasks(context: EngineContext, params: CountParams, call: Call) {
  const selection = await selectionOf(context, params, call);
  const { count, more } = await context.cold.run((db) => db.one(counting.countTasks(selection)));
  return { count, exact: !more };
}

/** What a call's filters mean in numbers. Refused as not_found where they name a queue or a category that is not there. */
async function selectionOf(context: EngineContext, params: CountParams, call: Call): Promise<Selection> {
  const projectId = await context.directory.projectOf(params, call);
  const filter = { ...(await filterOf(context, projectId, params)), ...(await onlyQueues(context, projectId, call)) };
  const anyOf = params.anyOf && (await Promise.all(params.anyOf.map((one) => filterOf(context, projectId, one))));
  return { projectId, deleted: params.deleted, filter, ...(anyOf ? { anyOf } : {}) };
}

/** A filter by the queues that the caller may know of; nothing where that is all of them. */
export async function onlyQueues(
  context: EngineContext,
  projectId: number,
  { principal: { queues } }: Call,
): Promise<{ readonly queueIds?: readonly number[] }> {
  if (queues === null) return {};
  const rows = await context.cold.run((db) => db.any(queueNames(projectId)));
  return { queueIds: rows.filter(({ name }) => queues.allows(name)).map(({ id }) => id) };
}

async function filterOf(context: EngineContext, projectId: number, params: FilterParams): Promise<TaskFilter> {
  const { queue, tags, category } = params;
  return {
    queueId: queue === undefined ? undefined : (await context.directory.queue(projectId, queue)).id,
    states: params.states,
    names: params.names,
    priority: params.priority,
    ownerId: params.ownerId,
    addedFrom: params.addedFrom,
    addedTo: params.addedTo,
    dueFrom: params.dueFrom,
    dueTo: params.dueTo,
    payload: params.payload,
    text: params.text?.replace(MINUSES, (run) => (run.replace(/[^-]/g, "").length % 2 === 0 ? " " : " -")),
    tags: tags && (await tagNumbers(context, projectId, tags)),
    categories: category === undefined ? undefined : await categoryNumbers(context, projectId, category),
  };
}

/** The tags' numbers, the least used first: by that one the tasks are found, by the others they are checked. */
async function tagNumbers(context: EngineContext, projectId: number, tags: readonly string[]): Promise<number[]> {
  const keys = [...new Set(tags.map(tagKey))];
  const rows = await context.cold.run((db) => db.any(tagUse(projectId, keys)));
  return rows.length < keys.length ? [NO_TAG] : rows.map(({ id }) => id);
}

async function categoryNumbers(context: EngineContext, projectId: number, category: string): Promise<number[]> {
  const rows = await context.cold.run((db) => db.any(subtree(projectId, category)));
  if (rows.length === 0) throw new Refusal("not_found", { noun: "category", id: category });
  return rows.map(({ id }) => id);
}
