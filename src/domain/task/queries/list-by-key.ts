/** Lists in the order of something else than ids: priority, due date, end. */
import type { FragmentSqlToken } from "slonik";
import { sql } from "../../../db/sql.ts";
import { all, type Selection, shown } from "./filter.ts";
import { keysOf, PLAIN } from "./keys.ts";
import { type Place, type Room, withTasks } from "./list.ts";

/**
 * Every order ends in the id, so that a page's end names one place; tasks without the value come last, as infinity. The key
 * travels in the cursor as text, exact to the microsecond. `column` is that of task_catalogue, by which an index stands.
 */
const ORDERS = {
  finished: { column: "finished", type: "timestamptz", descending: false, missing: "infinity" },
  "-finished": { column: "finished", type: "timestamptz", descending: true, missing: "-infinity" },
  dueAt: { column: "due_at", type: "timestamptz", descending: false, missing: "infinity" },
  priority: { column: "priority", type: "int2", descending: false, missing: null },
} as const;
export type KeySort = keyof typeof ORDERS;
type Order = (typeof ORDERS)[KeySort];

const ALL = 2_147_483_647;
const TRUE = sql.fragment`true`;
const columnOf = (alias: string, { column }: Order) => sql.identifier([alias, column]);
const direction = ({ descending }: Order) => (descending ? sql.fragment`desc` : sql.fragment`asc`);

/** What comes after a place, in an order. */
const past = (key: FragmentSqlToken, id: FragmentSqlToken, { type, descending }: Order, place: Place | null) =>
  place === null
    ? TRUE
    : sql.fragment`(${key}, ${id}) ${descending ? sql.fragment`<` : sql.fragment`>`}
        (${place.key}::${sql.identifier([type])}, ${sql.uuid(place.id)})`;

interface Asked {
  readonly selection: Selection;
  readonly order: Order;
  readonly place: Place | null;
  readonly limit: number;
}

/** The catalogued tasks that have the value, walked by its index. */
function catalogued({ selection, order, place, limit }: Asked): FragmentSqlToken {
  const key = sql.fragment`${columnOf("k", order)}`;
  const { ownerId } = selection.filter;
  return sql.fragment`
    select k.id, k.queue_id, ${key}::text as key, ${key} as sorted from task_catalogue k cross join lateral (
      select 1 from task t where t.id = k.id and t.queue_id = k.queue_id and ${shown(selection)} offset 0
    ) t
    where k.project_id = ${selection.projectId} and not k.hidden and ${key} is not null
      and ${ownerId === undefined ? TRUE : sql.fragment`k.owner_id = ${ownerId}`}
      and ${past(key, sql.fragment`k.id`, order, place)}
    order by ${key} ${direction(order)}, k.id ${direction(order)} limit ${limit}`;
}

/** The plain tasks that have the value: all are read, and sorted. */
function plain({ selection, order, place, limit }: Asked): FragmentSqlToken {
  const key = sql.fragment`${columnOf("t", order)}`;
  return sql.fragment`
    select t.id, t.queue_id, ${key}::text as key, ${key} as sorted from task t
    where ${all([PLAIN, sql.fragment`${key} is not null`, shown(selection), past(key, sql.fragment`t.id`, order, place)])}
    order by ${key} ${direction(order)}, t.id ${direction(order)} limit ${limit}`;
}

/** Those without the value, in the order of their ids. */
function missing({ selection, order, place, limit }: Asked): FragmentSqlToken[] {
  if (order.missing === null) return [];
  const id = sql.fragment`t.id`;
  const after =
    place?.key !== order.missing
      ? TRUE
      : order.descending
        ? sql.fragment`${id} < ${sql.uuid(place.id)}`
        : sql.fragment`${id} > ${sql.uuid(place.id)}`;
  return [
    sql.fragment`
    select t.id, t.queue_id, ${order.missing}::text as key, ${order.missing}::timestamptz as sorted from task t
    where ${columnOf("t", order)} is null and ${shown(selection)} and ${after}
    order by ${id} ${direction(order)} limit ${limit}`,
  ];
}

/** Tasks that fit, found by what the filter names, and sorted: all of them are read. */
function found({ selection, order, place, limit }: Asked): FragmentSqlToken {
  const column = sql.fragment`${columnOf("t", order)}`;
  const key = order.missing === null ? column : sql.fragment`coalesce(${column}, ${order.missing}::timestamptz)`;
  return sql.fragment`
    select t.id, t.queue_id, (${key})::text as key, ${key} as sorted
    from (${keysOf(selection, { descending: false, after: null, limit: ALL })}) s
    join task t on t.id = s.id and t.queue_id = s.queue_id where ${past(key, sql.fragment`t.id`, order, place)}
    order by ${key} ${direction(order)}, t.id ${direction(order)} limit ${limit}`;
}

/** Whether a selection is so broad that walking all tasks in the order asked for is the better way. */
function isBroad({ deleted, filter, anyOf }: Selection): boolean {
  const { queueId: _, states, priority: __, ...named } = filter;
  const rareStates = states !== undefined && !states.includes("completed") && !states.includes("pending");
  return !deleted && !anyOf && !rareStates && Object.values(named).every((value) => value === undefined);
}

/** An owner's tasks by priority have an index of their own. */
function isOwnersByPriority({ deleted, filter, anyOf }: Selection, sort: KeySort): boolean {
  const { ownerId, queueId: _, ...named } = filter;
  const alone = Object.values(named).every((value) => value === undefined);
  return sort === "priority" && ownerId !== undefined && !deleted && !anyOf && alone;
}

/** A page of tasks in such an order. Indexes: those of task_catalogue for catalogued tasks; plain ones are sorted. */
export const listByKey = (selection: Selection, sort: KeySort, place: Place | null, room: Room) => {
  const { limit } = room;
  const order = ORDERS[sort];
  const asked: Asked = { selection, order, place, limit };
  const lists = isOwnersByPriority(selection, sort)
    ? [catalogued(asked)]
    : isBroad(selection)
      ? [catalogued(asked), ...(order.column === "due_at" ? [] : [plain(asked)]), ...missing(asked)]
      : [found(asked)];
  const page = sql.fragment`
    select m.id, m.queue_id, m.key, m.sorted from (${sql.join(
      lists.map((list) => sql.fragment`(${list})`),
      sql.fragment` union all `,
    )}) m order by m.sorted ${direction(order)}, m.id ${direction(order)} limit ${limit}`;
  return withTasks(
    page,
    sql.fragment`k.sorted ${direction(order)}, k.id ${direction(order)}`,
    room,
    sql.fragment`k.key`,
  );
};
