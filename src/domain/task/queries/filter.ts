/** What people ask of tasks, as conditions on a row `t` of task. */
import type { FragmentSqlToken } from "slonik";
import { ints, json, sql, texts } from "../../../db/sql.ts";
import { FINISHED } from "../lifecycle.ts";

export interface TaskFilter {
  readonly queueId?: number | undefined;
  /** Numbers of the only queues that the caller may know of. */
  readonly queueIds?: readonly number[] | undefined;
  readonly states?: readonly string[] | undefined;
  readonly names?: readonly string[] | undefined;
  readonly priority?: number | undefined;
  readonly ownerId?: string | undefined;
  readonly addedFrom?: string | undefined;
  readonly addedTo?: string | undefined;
  readonly dueFrom?: string | undefined;
  readonly dueTo?: string | undefined;
  readonly payload?: unknown;
  /** Words, as people type them into a search box. */
  readonly text?: string | undefined;
  /** Numbers of tags, all of which a task must have; the least used first. */
  readonly tags?: readonly number[] | undefined;
  /** Numbers of categories, one of which a task must be in. */
  readonly categories?: readonly number[] | undefined;
}

/** What a list shows: a filter's tasks of a project, deleted or not, one of `anyOf` fitting too where there are any. */
export interface Selection {
  readonly projectId: number;
  readonly deleted: boolean;
  readonly filter: TaskFilter;
  readonly anyOf?: readonly TaskFilter[] | undefined;
}

export const time = (text: string) => sql.fragment`${text}::timestamptz`;
export const query = (text: string) => sql.fragment`websearch_to_tsquery('pg_catalog.english', ${text})`;
export const NONE = sql.fragment`false`;
/** What is true where each of these is. */
export const all = (parts: readonly (FragmentSqlToken | false | undefined)[]): FragmentSqlToken =>
  sql.fragment`${sql.and([sql.fragment`true`, ...parts.filter((part) => part !== undefined)])}`;

/** How a task ended, of these states; not those of the unfinished. */
export const finishedAmong = (states: readonly string[]): string[] =>
  states.filter((state) => (FINISHED as readonly string[]).includes(state));

// What is looked up for one task after the other is fenced by offset 0 here: the planner would make a table of all that fit
// instead, whose size is that of the whole database.

/** Whether a task `t` is in one of these states. */
function inStates(states: readonly string[]): FragmentSqlToken {
  const finished = finishedAmong(states);
  const has = (state: string) => states.includes(state);
  const parts = [finished.length > 0 && sql.fragment`t.outcome = any(${texts(finished)}::task_outcome[])`];
  if (has("waiting") && has("pending") && has("claimed")) parts.push(sql.fragment`t.outcome is null`);
  else {
    if (has("pending"))
      parts.push(sql.fragment`t.outcome is null and exists (
        select 1 from task_ready r where r.queue_id = t.queue_id and r.priority = t.priority and r.run_at = t.run_at and r.id = t.id offset 0)`);
    if (has("claimed"))
      parts.push(sql.fragment`t.outcome is null and exists (
        select 1 from task_lease l where l.id = t.id and l.queue_id = t.queue_id offset 0)`);
    if (has("waiting"))
      parts.push(sql.fragment`t.outcome is null and exists (
        select 1 from task_waiting w where w.id = t.id and w.queue_id = t.queue_id offset 0)`);
  }
  return sql.fragment`(${sql.or(parts)})`;
}

const hasTag = (id: number) => sql.fragment`
  exists (select 1 from task_tag x where x.task_id = t.id and x.queue_id = t.queue_id and x.tag_id = ${id} offset 0)`;
const inCategories = (ids: readonly number[]) => sql.fragment`
  exists (select 1 from task_category x where x.task_id = t.id and x.queue_id = t.queue_id and x.category_id = any(${ints(ids)}) offset 0)`;

/** The words of a catalogued task are at hand; those of a plain one are found anew, which takes five times as long. */
const hasWords = (words: string) => sql.fragment`
  case when t.catalogued then exists (
      select 1 from task_catalogue c where c.id = t.id and c.queue_id = t.queue_id and c.words @@ ${query(words)} offset 0)
    else task_words(t.name, t.description) @@ ${query(words)} end`;

/** What a task `t` must be to fit a filter. */
function fits(f: TaskFilter): FragmentSqlToken {
  return all([
    f.queueId !== undefined && sql.fragment`t.queue_id = ${f.queueId}`,
    f.queueIds && sql.fragment`t.queue_id = any(${ints(f.queueIds)})`,
    f.states && inStates(f.states),
    f.names && sql.fragment`t.name = any(${texts(f.names)})`,
    f.priority !== undefined && sql.fragment`t.priority = ${f.priority}::smallint`,
    f.ownerId !== undefined && sql.fragment`t.owner_id = ${f.ownerId}`,
    f.addedFrom !== undefined && sql.fragment`t.added >= ${time(f.addedFrom)}`,
    f.addedTo !== undefined && sql.fragment`t.added < ${time(f.addedTo)}`,
    f.dueFrom !== undefined && sql.fragment`t.due_at >= ${time(f.dueFrom)}`,
    f.dueTo !== undefined && sql.fragment`t.due_at < ${time(f.dueTo)}`,
    f.payload !== undefined && sql.fragment`t.payload @> ${json(f.payload)}::jsonb`,
    f.text !== undefined && hasWords(f.text),
    ...(f.tags ?? []).map(hasTag),
    f.categories && (f.categories.length > 0 ? inCategories(f.categories) : NONE),
  ]);
}

export const ofProject = (projectId: number) =>
  sql.fragment`t.queue_id in (select q.id from queue q where q.project_id = ${projectId})`;

/** What a task `t` must be to be shown. */
export const shown = ({ projectId, deleted, filter, anyOf }: Selection) =>
  all([
    ofProject(projectId),
    deleted ? sql.fragment`t.deleted_at is not null` : sql.fragment`t.deleted_at is null`,
    fits(filter),
    anyOf && sql.fragment`(${sql.or(anyOf.map((one) => sql.fragment`(${fits(one)})`))})`,
  ]);
