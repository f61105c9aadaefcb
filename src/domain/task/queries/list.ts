/** Lists of tasks by what people ask for. See keys.ts for how they are found. */
import type { FragmentSqlToken } from "slonik";
import { z } from "zod";
import { sql } from "../../../db/sql.ts";
import { query, type Selection, shown } from "./filter.ts";
import { direction, keysOf, nearest, PLAIN, type Walk, within } from "./keys.ts";
import { bytesOfTask, columns, TaskRow } from "./read.ts";

/** A row of a page; `last` where the page ends with it although more was found, for want of room. */
export const PageRow = TaskRow.extend({ last: z.boolean() });
export type PageRow = z.output<typeof PageRow>;

/** A page's size: rows, and about how many bytes of payloads, results and errors they may take, the first aside. */
export interface Room {
  readonly limit: number;
  readonly bytesMax: number;
}

/**
 * The tasks of `keys`, in order and as far as there is room. `order` is in terms of k, which holds the keys' columns.
 */
export const withTasks = (
  keys: FragmentSqlToken,
  order: FragmentSqlToken,
  { bytesMax }: Room,
  cursor = sql.fragment`''`,
) => sql.type(PageRow)`
  with sized as materialized (
    select k.*, s.bytes, row_number() over (order by ${order}) as at, sum(s.bytes) over (order by ${order}) as upto
    from (${keys}) k cross join lateral (
      select ${bytesOfTask} as bytes from task t where t.id = k.id and t.queue_id = k.queue_id offset 0
    ) s
  ), fitting as materialized (
    select k.* from sized k where k.upto - k.bytes < ${bytesMax}
  )
  select ${columns}, ${cursor} as cursor,
    k.at = (select max(f.at) from fitting f) and exists (select from sized s where s.at > k.at) as last
  from fitting k cross join lateral (
    select * from task_with_state v where v.id = k.id and v.queue_id = k.queue_id offset 0
  ) v join queue q on q.id = v.queue_id join project p on p.id = q.project_id
  order by k.at`;

/** A page of tasks in the order of their ids, if they are not rare: fewer than a page may be found where there are more. */
export const listNearest = (selection: Selection, walk: Walk & Room) =>
  withTasks(nearest(selection, walk), sql.fragment`k.id ${direction(walk)}`, walk);

/** A page of tasks in the order of their ids. */
export const listById = (selection: Selection, walk: Walk & Room) =>
  withTasks(keysOf(selection, walk), sql.fragment`k.id ${direction(walk)}`, walk);

/** Where a page ended: the sort key's text and the id. */
export interface Place {
  readonly key: string;
  readonly id: string;
}

/** A text search ranks so many of the newest tasks that it finds: ranking all would cost more the more there are. */
const RANKED_MAX = 1_000;

/** A page of a text search, the best first, among the newest RANKED_MAX tasks up to `newest`. */
export const listByRank = (selection: Searched, newest: string, place: Place | null, room: Room) => {
  const after = place
    ? sql.fragment`(r.rank, r.id) < (${place.key}::float4, ${sql.uuid(place.id)})`
    : sql.fragment`true`;
  const { text, ...others } = selection.filter;
  const textAlone =
    !selection.anyOf && !selection.deleted && Object.values(others).every((value) => value === undefined);
  const page = sql.fragment`
    select r.id, r.queue_id, r.rank from (${textAlone ? rankedWords(selection, newest) : ranked(selection, newest)}) r
    cross join lateral (
      select 1 from task t where t.id = r.id and t.queue_id = r.queue_id and ${shown({ ...selection, filter: others })} offset 0
    ) t
    where ${after} order by r.rank desc, r.id desc limit ${room.limit}`;
  return withTasks(page, sql.fragment`k.rank desc, k.id desc`, room, sql.fragment`k.rank::text`);
};

type Searched = Selection & { readonly filter: { readonly text: string } };

const upTo = (newest: string): Walk => ({ descending: true, after: justAfter(newest), limit: RANKED_MAX });

/** What a search with further filters finds, with its ranks. */
const ranked = (selection: Searched, newest: string) => sql.fragment`
  select t.id, t.queue_id,
         ts_rank(coalesce(c.words, task_words(t.name, t.description)), ${query(selection.filter.text)}) as rank
  from (${keysOf(selection, upTo(newest))}) s
  join task t on t.id = s.id and t.queue_id = s.queue_id
  left join task_catalogue c on c.id = t.id and c.queue_id = t.queue_id`;

/** What a search for words alone finds, with its ranks: the tasks themselves need not be looked at for that. */
const rankedWords = (selection: Searched, newest: string) => {
  const words = query(selection.filter.text);
  const walk = upTo(newest);
  return sql.fragment`
    (select k.id, k.queue_id, ts_rank(k.words, ${words}) as rank from (
       select c.id, c.queue_id, c.words from task_catalogue c
       where c.project_id = ${selection.projectId} and not c.hidden and c.words @@ ${words} and ${within(sql.fragment`c.id`, selection, walk)}
       offset 0
     ) k order by k.id desc limit ${RANKED_MAX})
    union all
    (select t.id, t.queue_id, ts_rank(task_words(t.name, t.description), ${words}) as rank from task t
     where ${PLAIN} and ${shown(selection)} and ${within(sql.fragment`t.id`, selection, walk)}
     order by t.id desc limit ${RANKED_MAX})`;
};

/** The next id: walks begin after one. */
function justAfter(id: string): string {
  const next = (BigInt(`0x${id.replaceAll("-", "")}`) + 1n).toString(16).padStart(32, "0");
  return [next.slice(0, 8), next.slice(8, 12), next.slice(12, 16), next.slice(16, 20), next.slice(20)].join("-");
}
