/**
 * Where a list finds its tasks: sources of keys, walked in the order of ids. Each task is then looked up by its key and checked
 * against the whole filter, until the page is full; so a statement reads little more than the page, as long as its source
 * holds mostly what is asked for. See docs/decisions/0007.
 */
import type { FragmentSqlToken } from "slonik";
import { json, sql, texts } from "../../../db/sql.ts";
import { all, finishedAmong, NONE, ofProject, query, type Selection, shown, type TaskFilter, time } from "./filter.ts";

/** How far back and forth an id may lie whose task was added at a time: ids are made by the instances' clocks. */
const ID_SLACK_MS = 10_000;
/** What an id can begin with, and PostgreSQL reads as JavaScript writes it: the years 1970 to 9999. */
const LAST_MS = Date.parse("9999-12-31T23:59:59.999Z");
const bound = (text: string, slackMs: number) => {
  const ms = Math.min(Math.max(0, Date.parse(text) + slackMs), LAST_MS);
  return sql.fragment`task_partition_bound(${new Date(ms).toISOString()}::timestamptz)`;
};

/** A stretch of ids, in the order of a list. */
export interface Walk {
  readonly descending: boolean;
  /** The id after which it begins; null for the end of the table. */
  readonly after: string | null;
  readonly limit: number;
}

/** What ids are limited to: where the last page ended, and the times of the filter. */
export function within(id: FragmentSqlToken, { filter }: Selection, walk: Walk): FragmentSqlToken {
  const { descending, after } = walk;
  return all([
    after !== null &&
      (descending ? sql.fragment`${id} < ${sql.uuid(after)}` : sql.fragment`${id} > ${sql.uuid(after)}`),
    filter.addedFrom !== undefined && sql.fragment`${id} >= ${bound(filter.addedFrom, -ID_SLACK_MS)}`,
    filter.addedTo !== undefined && sql.fragment`${id} < ${bound(filter.addedTo, ID_SLACK_MS)}`,
  ]);
}

export const direction = ({ descending }: Walk) => (descending ? sql.fragment`desc` : sql.fragment`asc`);

/** A source of keys: `(id, queue_id)` of tasks that may fit, found by an index in the order of ids. */
export interface Source {
  /** A table, as `k`. */
  readonly of: FragmentSqlToken;
  readonly id: FragmentSqlToken;
  readonly where: FragmentSqlToken;
}

const byTag = (tag: number): Source => ({
  of: sql.fragment`task_tag k`,
  id: sql.fragment`k.task_id`,
  where: sql.fragment`k.tag_id = ${tag} and not k.hidden`,
});
const byCategory = (category: number): Source => ({
  of: sql.fragment`task_category k`,
  id: sql.fragment`k.task_id`,
  where: sql.fragment`k.category_id = ${category} and not k.hidden`,
});
const byCatalogue = (projectId: number, where: FragmentSqlToken): Source => ({
  of: sql.fragment`task_catalogue k`,
  id: sql.fragment`k.id`,
  where: sql.fragment`k.project_id = ${projectId} and not k.hidden and ${where}`,
});
/** Of this project alone: how many others have is nobody's to know, and a count that stops somewhere would tell. */
const byTable = (projectId: number, table: "task_lease" | "task_waiting"): Source => ({
  of: sql.fragment`${sql.identifier([table])} k`,
  id: sql.fragment`k.id`,
  where: sql.fragment`k.queue_id in (select q.id from queue q where q.project_id = ${projectId})`,
});

/** The outcome that all these states mean: null for the unfinished, undefined when they mean several. */
export function soleOutcome(states: readonly string[] | undefined): string | null | undefined {
  if (!states) return undefined;
  const finished = finishedAmong(states);
  if (finished.length === 0) return null;
  return states.length === 1 ? finished[0]! : undefined;
}

/** The sources that hold all tasks of a filter and little else; null where there is none but the table. */
export function sourcesOf(projectId: number, f: TaskFilter): Source[] | null {
  if (f.tags?.[0] !== undefined) return [byTag(f.tags[0])];
  if (f.categories) return f.categories.map(byCategory);
  if (f.ownerId !== undefined) {
    const outcome = soleOutcome(f.states);
    const owned = sql.fragment`k.owner_id = ${f.ownerId}`;
    if (outcome === undefined && f.priority !== undefined)
      return [byCatalogue(projectId, sql.fragment`${owned} and k.priority = ${f.priority}::smallint`)];
    if (outcome === undefined) return [byCatalogue(projectId, owned)];
    if (outcome === null) return [byCatalogue(projectId, sql.fragment`${owned} and k.outcome is null`)];
    return [byCatalogue(projectId, sql.fragment`${owned} and k.outcome = ${outcome}::task_outcome`)];
  }
  if (f.states?.length === 1 && f.states[0] === "claimed") return [byTable(projectId, "task_lease")];
  if (f.states?.length === 1 && f.states[0] === "waiting") return [byTable(projectId, "task_waiting")];
  return null;
}

/** Keys of a source's tasks that fit, in order, at most a page of them. */
const walked = (selection: Selection, { of, id, where }: Source, walk: Walk) => sql.fragment`
  select ${id} as id, k.queue_id from ${of}
  cross join lateral (
    select 1 from task t where t.id = ${id} and t.queue_id = k.queue_id and ${shown(selection)} offset 0
  ) t
  where ${where} and ${within(id, selection, walk)}
  order by ${id} ${direction(walk)} limit ${walk.limit}`;

/** Keys of the table's tasks that fit, in order. */
const walkedTable = (selection: Selection, walk: Walk, also = sql.fragment`true`) => sql.fragment`
  select t.id, t.queue_id from task t
  where ${shown(selection)} and ${within(sql.fragment`t.id`, selection, walk)} and ${also}
  order by t.id ${direction(walk)} limit ${walk.limit}`;

/** One page out of several ordered lists of keys. */
const merged = (lists: readonly FragmentSqlToken[], walk: Walk) =>
  lists.length === 1
    ? lists[0]!
    : sql.fragment`
  select distinct m.id, m.queue_id from (${sql.join(
    lists.map((list) => sql.fragment`(${list})`),
    sql.fragment` union all `,
  )}) m order by m.id ${direction(walk)} limit ${walk.limit}`;

/**
 * Where many tasks fit, those are found by walking the table, which costs little; where few do, by the indexes below,
 * which cost more the more there are. Each way is slow where the other is quick.
 */
const READ_FIRST = 2_000;

/** Those that fit among the first tasks of a walk over the table; perhaps fewer than a page. */
export const nearest = (selection: Selection, walk: Walk) => sql.fragment`
  select s.id, s.queue_id from (
    select t.id, t.queue_id, (${shown(selection)}) as fits from task t
    where ${within(sql.fragment`t.id`, selection, walk)}
    order by t.id ${direction(walk)} limit ${READ_FIRST + walk.limit}
  ) s where s.fits limit ${walk.limit}`;

/** Ways to the catalogued among the tasks that are rare: each by an index. Nothing finds the plain ones but reading those. */
export function rareWays(projectId: number, f: TaskFilter): FragmentSqlToken | null {
  const catalogued = (where: FragmentSqlToken) => sql.fragment`
    select k.id, k.queue_id from task_catalogue k where k.project_id = ${projectId} and not k.hidden and ${where}`;
  // Fenced by offset 0: a planner that believes in a near end would walk all tasks in order instead.
  if (f.text !== undefined) return catalogued(sql.fragment`k.words @@ ${query(f.text)} offset 0`);
  if (f.payload !== undefined)
    return sql.fragment`
      select t.id, t.queue_id from task t
      where t.catalogued and t.payload @> ${json(f.payload)}::jsonb and ${ofProject(projectId)} offset 0`;
  if (f.names) return catalogued(sql.fragment`k.name = any(${texts(f.names)})`);
  const outcome = f.states && soleOutcome(f.states);
  if (typeof outcome === "string") return catalogued(sql.fragment`k.outcome = ${outcome}::task_outcome`);
  if (f.priority !== undefined) return catalogued(sql.fragment`k.priority = ${f.priority}::smallint`);
  return null;
}

/**
 * Keys of the tasks that fit, where few do: all of them are found, and sorted. `guide` is the filter, or an alternative of
 * it, that says where to look.
 */
function rare(selection: Selection, guide: TaskFilter, walk: Walk): FragmentSqlToken {
  const { projectId } = selection;
  const fitting = (keys: FragmentSqlToken, checks = shown(selection)) => sql.fragment`
    select k.id, k.queue_id from (
      select f.id, f.queue_id from (${keys}) f where ${within(sql.fragment`f.id`, selection, walk)}
      order by f.id ${direction(walk)} offset 0
    ) k cross join lateral (
      select 1 from task t where t.id = k.id and t.queue_id = k.queue_id and ${checks} offset 0
    ) t order by k.id ${direction(walk)} limit ${walk.limit}`;
  if (guide.dueFrom !== undefined || guide.dueTo !== undefined) return fitting(dueKeys(projectId, guide));
  if (guide.states?.length === 1 && guide.states[0] === "pending")
    return fitting(sql.fragment`
      select r.id, r.queue_id from task_ready r where r.queue_id in (select q.id from queue q where q.project_id = ${projectId})
        and ${guide.queueId === undefined ? sql.fragment`true` : sql.fragment`r.queue_id = ${guide.queueId}`}`);
  // Every way to fail notes an error.
  if (guide.states?.length === 1 && guide.states[0] === "failed")
    return walkedTable(selection, walk, sql.fragment`t.errors is not null`);
  const ways = rareWays(projectId, guide);
  if (!ways) return walkedTable(selection, walk);
  const checks = guide === selection.filter ? shownOfNamed(selection) : shown(selection);
  return merged([fitting(ways, checks), walkedTable(selection, walk, PLAIN)], walk);
}

/** What a task that the filter's own index has named must be: words need not be looked for again. */
export const shownOfNamed = (selection: Selection) =>
  shown({ ...selection, filter: { ...selection.filter, text: undefined } });

/** As its index has it; see task_plain_idx. */
export const PLAIN = sql.fragment`t.catalogued::int = 0`;

const dueKeys = (projectId: number, { dueFrom, dueTo }: TaskFilter) => sql.fragment`
  select c.id, c.queue_id from task_catalogue c where c.project_id = ${projectId} and not c.hidden
    and ${dueFrom === undefined ? sql.fragment`c.due_at is not null` : sql.fragment`c.due_at >= ${time(dueFrom)}`}
    and ${dueTo === undefined ? sql.fragment`true` : sql.fragment`c.due_at < ${time(dueTo)}`} offset 0`;

/** Whether a selection's tasks stand in a source that holds little else, so that one statement walks to them. */
export function isDirect({ projectId, deleted, filter }: Selection): boolean {
  return deleted || sourcesOf(projectId, filter) !== null;
}

/** Keys by the sources of a filter, or by the ways to what is rare. */
export function keysOf(selection: Selection, walk: Walk): FragmentSqlToken {
  if (selection.deleted) return walkedTable(selection, walk);
  if (!selection.anyOf || isDirect(selection)) return guided(selection, selection.filter, walk);
  // Each alternative has a way of its own; what it finds is checked against all.
  return merged(
    selection.anyOf.map((one) => guided(selection, one, walk)),
    walk,
  );
}

function guided(selection: Selection, guide: TaskFilter, walk: Walk): FragmentSqlToken {
  const sources = sourcesOf(selection.projectId, guide);
  if (sources?.length === 0) return walkedTable(selection, walk, NONE);
  if (!sources) return rare(selection, guide, walk);
  return merged(
    sources.map((source) => walked(selection, source, walk)),
    walk,
  );
}
