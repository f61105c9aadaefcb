/**
 * Counts of tasks by what people ask for. A count reads so many tasks and no more: those that an index names one by one, and
 * those that lie side by side. `more` says that there were further ones that it did not look at.
 */
import type { FragmentSqlToken } from "slonik";
import { z } from "zod";
import { sql, texts } from "../../../db/sql.ts";
import { all, ofProject, query, type Selection, shown, time } from "./filter.ts";
import {
  isDirect,
  keysOf,
  PLAIN,
  rareWays,
  type Source,
  shownOfNamed,
  soleOutcome,
  sourcesOf,
  type Walk,
  within,
} from "./keys.ts";

/** Reading a task that an index names takes longer than reading the next one. */
const NAMED_MAX = 5_000;
const READ_MAX = 20_000;

const Counted = z.strictObject({ count: z.number(), more: z.boolean() });

/** Tasks looked at, each with whether it fits, at most one more than counts. */
interface Looked {
  readonly at: FragmentSqlToken;
  readonly most: number;
}

/** How many tasks of a selection fit. */
export const countTasks = (selection: Selection) => sql.type(Counted)`
  select sum(l.count)::int8 as count, bool_or(l.more) as more from (${sql.join(
    looksOf(selection).map(
      ({ at, most }) => sql.fragment`
    select least(count(*) filter (where s.fits), ${most}) as count, count(*) > ${most} as more from (${at}) s`,
    ),
    sql.fragment` union all `,
  )}) l`;

function looksOf(selection: Selection): Looked[] {
  const walk: Walk = { descending: true, after: null, limit: NAMED_MAX + 1 };
  const counted = (keys: FragmentSqlToken): Looked => ({
    at: sql.fragment`select true as fits from (${keys}) k`,
    most: NAMED_MAX,
  });
  if (selection.deleted) return [counted(keysOf(selection, walk))];
  const covered = inCatalogue(selection);
  if (covered) return covered;
  const sources = isDirect(selection) ? sourcesOf(selection.projectId, selection.filter) : null;
  if (sources?.length === 1) return [ofSource(selection, sources[0]!, walk)];
  if (sources) return [counted(keysOf(selection, walk))];
  const ways = selection.anyOf ? null : rareWays(selection.projectId, selection.filter);
  if (!ways) return [side(selection, sql.fragment`true`)];
  const named = sql.fragment`
    select t.fits from (select w.id, w.queue_id from (${ways}) w limit ${NAMED_MAX + 1}) k cross join lateral (
      select (${shownOfNamed(selection)}) as fits from task t where t.id = k.id and t.queue_id = k.queue_id offset 0
    ) t`;
  return [{ at: named, most: NAMED_MAX }, side(selection, PLAIN)];
}

/** Tasks that lie side by side: the newest first, of this project alone, so that no other's are told. */
const side = (selection: Selection, which: FragmentSqlToken): Looked => ({
  at: sql.fragment`
    select (${shown(selection)}) as fits from task t
    where ${ofProject(selection.projectId)} and ${which} and ${within(sql.fragment`t.id`, selection, NEWEST)}
    ${which === PLAIN ? sql.fragment`` : sql.fragment`order by t.id desc`} limit ${READ_MAX + 1}`,
  most: READ_MAX,
});
const NEWEST: Walk = { descending: true, after: null, limit: READ_MAX + 1 };

const ofSource = (selection: Selection, { id, of, where }: Source, walk: Walk): Looked => ({
  at: sql.fragment`
    select t.fits from (
      select ${id} as id, k.queue_id from ${of} where ${where} and ${within(id, selection, walk)} limit ${NAMED_MAX + 1}
    ) k cross join lateral (
      select (${shown(selection)}) as fits from task t where t.id = k.id and t.queue_id = k.queue_id offset 0
    ) t`,
  most: NAMED_MAX,
});

/** Whether a selection asks for one tag and nothing else. */
const isOneTag = ({ anyOf, filter: { tags, ...others } }: Selection) =>
  !anyOf && tags?.length === 1 && Object.values(others).every((value) => value === undefined);

/**
 * Tasks that fit, found in task_catalogue alone, or by their tag, without a look at the tasks themselves. Null where the
 * filter asks for what is not there.
 */
function inCatalogue(selection: Selection): Looked[] | null {
  const { projectId, anyOf, filter } = selection;
  if (isOneTag(selection))
    return [
      {
        at: sql.fragment`
          select true as fits from task_tag k where k.tag_id = ${filter.tags![0]!} and not k.hidden limit ${NAMED_MAX + 1}`,
        most: NAMED_MAX,
      },
    ];
  const { queueId, states, names, priority, ownerId, dueFrom, dueTo, text, ...others } = filter;
  const outcome = soleOutcome(states);
  const asked = [states, names, priority, ownerId, dueFrom, dueTo, text].some((value) => value !== undefined);
  if (anyOf || !asked || Object.values(others).some((value) => value !== undefined)) return null;
  if (states && typeof outcome !== "string") return null;
  const listed: Looked = {
    at: sql.fragment`
    select true as fits from task_catalogue k where ${all([
      sql.fragment`k.project_id = ${projectId} and not k.hidden`,
      queueId !== undefined && sql.fragment`k.queue_id = ${queueId}`,
      typeof outcome === "string" && sql.fragment`k.outcome = ${outcome}::task_outcome`,
      names && sql.fragment`k.name = any(${texts(names)})`,
      priority !== undefined && sql.fragment`k.priority = ${priority}::smallint`,
      ownerId !== undefined && sql.fragment`k.owner_id = ${ownerId}`,
      dueFrom !== undefined && sql.fragment`k.due_at >= ${time(dueFrom)}`,
      dueTo !== undefined && sql.fragment`k.due_at < ${time(dueTo)}`,
      text !== undefined && sql.fragment`k.words @@ ${query(text)}`,
    ])} limit ${NAMED_MAX + 1}`,
    most: NAMED_MAX,
  };
  // Who has an owner or a due date is catalogued.
  const alone = ownerId !== undefined || dueFrom !== undefined || dueTo !== undefined;
  return alone ? [listed] : [listed, side(selection, PLAIN)];
}
