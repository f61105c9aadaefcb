import { z } from "zod";
import { ints, json, sql, texts, uuids } from "../../db/sql.ts";
import { MISSED, type Missed, OVERLAP, type Overlap } from "./due.ts";

export const ScheduleRow = z.strictObject({
  id: z.int(),
  project: z.string(),
  name: z.string(),
  queue: z.string(),
  cron: z.string().nullable(),
  every_seconds: z.number().nullable(),
  timezone: z.string(),
  task_name: z.string().nullable(),
  payload: z.unknown(),
  priority: z.int(),
  max_attempts: z.int().nullable(),
  tags: z.array(z.string()),
  missed: z.enum(MISSED),
  overlap: z.enum(OVERLAP),
  start_at: z.number().nullable(),
  end_at: z.number().nullable(),
  anchor: z.number(),
  paused: z.boolean(),
  last_run: z.number().nullable(),
  next_run: z.number().nullable(),
  added: z.number(),
  updated: z.number(),
});
export type ScheduleRow = z.output<typeof ScheduleRow>;

const columns = sql.fragment`
  s.id, p.name as project, s.name, s.queue, s.cron, s.every_seconds, s.timezone, s.task_name, s.payload, s.priority, s.max_attempts,
  s.tags, s.missed, s.overlap, s.start_at, s.end_at, s.anchor, s.paused, s.last_run, s.next_run, s.added, s.updated`;
const from = sql.fragment`schedule s join project p on p.id = s.project_id`;

/** A time of this side, epoch milliseconds, as a parameter. */
const time = (at: number | null) => sql.fragment`${at === null ? null : new Date(at).toISOString()}::timestamptz`;
const times = (all: readonly (number | null)[]) =>
  sql.fragment`${texts(all.map((at) => (at === null ? null : new Date(at).toISOString())))}::timestamptz[]`;

/** One schedule by name. Index: schedule_name_key. */
export const scheduleByName = (projectId: number, name: string) => sql.type(ScheduleRow)`
  select ${columns} from ${from} where s.project_id = ${projectId} and s.name = ${name}`;

/** The same, locked until the transaction ends: it is not fired meanwhile. Index: schedule_name_key. */
export const lockSchedule = (projectId: number, name: string) => sql.type(ScheduleRow)`
  select ${columns} from ${from} where s.project_id = ${projectId} and s.name = ${name} for update of s`;

/** A page of a project's schedules by name. Index: schedule_name_key. */
export const listSchedules = (projectId: number, after: string, limit: number) => sql.type(ScheduleRow)`
  select ${columns} from ${from} where s.project_id = ${projectId} and s.name > ${after} order by s.name limit ${limit}`;

/** All that is said of a schedule, and what follows from it. */
export interface Definition {
  readonly queue: string;
  readonly cron: string | null;
  readonly everySeconds: number | null;
  readonly timezone: string;
  readonly taskName: string | null;
  readonly payload: object;
  readonly priority: number;
  readonly maxAttempts: number | null;
  readonly tags: readonly string[];
  readonly missed: Missed;
  readonly overlap: Overlap;
  readonly startAt: number | null;
  readonly endAt: number | null;
  readonly anchor: number;
  readonly nextRun: number | null;
}

const values = (d: Definition) => [
  sql.fragment`${d.queue}`,
  sql.fragment`${d.cron}`,
  sql.fragment`${d.everySeconds}::float8`,
  sql.fragment`${d.timezone}`,
  sql.fragment`${d.taskName}`,
  sql.fragment`${json(d.payload)}::jsonb`,
  sql.fragment`${d.priority}::smallint`,
  sql.fragment`${d.maxAttempts}::int`,
  sql.fragment`${texts(d.tags)}`,
  sql.fragment`${d.missed}`,
  sql.fragment`${d.overlap}`,
  time(d.startAt),
  time(d.endAt),
  time(d.anchor),
  time(d.nextRun),
  sql.fragment`now()`,
];
const defined = sql.fragment`
  queue, cron, every_seconds, timezone, task_name, payload, priority, max_attempts, tags, missed, overlap, start_at, end_at,
  anchor, next_run, computed`;
const comma = sql.fragment`, `;

/** Creates a schedule; answers no row when the name is taken. Index: schedule_name_key. */
export const insertSchedule = (projectId: number, name: string, d: Definition) => sql.type(
  z.strictObject({ id: z.int() }),
)`
  insert into schedule as s (project_id, name, ${defined})
  values (${projectId}, ${name}, ${sql.join(values(d), comma)})
  on conflict (project_id, name) do nothing returning s.id`;

/** Says all of a schedule anew. Index: schedule's primary key. */
export const updateSchedule = (id: number, d: Definition) => sql.type(z.strictObject({ id: z.int() }))`
  update schedule s set (${defined}) = row(${sql.join(values(d), comma)}) where s.id = ${id} returning s.id`;

/** Pauses a schedule, or lets it go on with its next fire time. Index: schedule's primary key. */
export const setPaused = (id: number, paused: boolean, nextRun: number | null) => sql.type(
  z.strictObject({ id: z.int() }),
)`
  update schedule s set paused = ${paused}, next_run = ${time(nextRun)}, computed = now() where s.id = ${id} returning s.id`;

/** Removes a schedule. Index: schedule's primary key. */
export const deleteSchedule = (id: number) => sql.type(z.strictObject({ id: z.int() }))`
  delete from schedule s where s.id = ${id} returning s.id`;

/**
 * Locks a project's schedules until the transaction ends, in the order of their numbers: those who fire them hold them while
 * they lock queues. Index: schedule_name_key.
 */
export const lockSchedules = (projectId: number) => sql.type(z.strictObject({ id: z.int() }))`
  select s.id from schedule s where s.project_id = ${projectId} order by s.id for update`;

const DueRow = z.strictObject({
  id: z.int(),
  project_id: z.int(),
  queue: z.string(),
  queue_id: z.int().nullable(),
  tags: z.array(z.string()),
  next_run: z.number(),
});
export type DueRow = z.output<typeof DueRow>;

/**
 * Schedules that are due, the longest due first, and the queues of their tasks as far as they are there. `from` is where to
 * begin, a hint: entries of fire times gone by lie before it. Locks nothing.
 * Indexes: schedule_next_run_idx, queue_name_key.
 */
export const dueSchedules = (from: number | null, limit: number) => sql.prepared("due_schedules", DueRow)`
  with due as materialized (
    select s.id, s.project_id, s.queue, s.tags, s.next_run from schedule s
    where not s.paused and s.next_run <= now()
      and s.next_run >= coalesce(${from === null ? null : new Date(from).toISOString()}::timestamptz, '-infinity')
    order by s.next_run limit ${limit}
  )
  select d.id, d.project_id, d.queue, q.id as queue_id, d.tags, d.next_run
  from due d left join lateral (
    select q.id from queue q where q.project_id = d.project_id and q.name = d.queue offset 0
  ) q on true`;

const TakenRow = z.strictObject({
  id: z.int(),
  project_id: z.int(),
  name: z.string(),
  queue: z.string(),
  queue_id: z.int().nullable(),
  cron: z.string().nullable(),
  every_seconds: z.number().nullable(),
  timezone: z.string(),
  tags: z.array(z.string()),
  missed: z.enum(MISSED),
  overlap: z.enum(OVERLAP),
  start_at: z.number().nullable(),
  end_at: z.number().nullable(),
  anchor: z.number(),
  next_run: z.number(),
  holds: z.boolean(),
});
export type TakenRow = z.output<typeof TakenRow>;

/**
 * Locks those of these schedules that are still due and that nobody else is firing. `holds`: its last task is unfinished and
 * it asks to wait for that. Indexes: schedule's primary key, queue_name_key, task's primary key.
 */
export const takeDue = (ids: readonly number[]) => sql.prepared("take_due_schedules", TakenRow)`
  with taken as materialized (
    select s.* from unnest(${ints(ids)}) as i(id) cross join lateral (
      select s.id, s.project_id, s.name, s.queue, s.cron, s.every_seconds, s.timezone, s.tags, s.missed, s.overlap, s.start_at,
             s.end_at, s.anchor, s.next_run, s.last_task_id
      from schedule s where s.id = i.id and not s.paused and s.next_run <= now() for update skip locked
    ) s
  )
  select k.id, k.project_id, k.name, k.queue, q.id as queue_id, k.cron, k.every_seconds, k.timezone, k.tags, k.missed, k.overlap,
         k.start_at, k.end_at, k.anchor, k.next_run, coalesce(t.unfinished, false) as holds
  from taken k
  left join lateral (
    select q.id from queue q where q.project_id = k.project_id and q.name = k.queue offset 0
  ) q on true
  left join lateral (
    select t.outcome is null as unfinished from task t where k.overlap = 'skip' and t.id = k.last_task_id offset 0
  ) t on true`;

/** A task that a schedule is to make. */
export interface Fire {
  readonly scheduleId: number;
  readonly fireAt: number;
  readonly taskId: string;
  readonly queueId: number;
}

/**
 * Makes the tasks of schedules, of whatever queues, in the order of the queues' numbers. With `noted`, each fire time makes
 * one task ever; else, for triggers, no fire time is noted. Answers per fire whether a task was made; fires whose queue or
 * schedule is gone are left out. `at` is the time that the ids begin with.
 *
 * The queues' rows are locked for key share, in the order given, as enqueueTasks does.
 * Indexes: queue's, schedule's and schedule_run's primary keys.
 */
export const fireSchedules = (fires: readonly Fire[], at: number, noted: boolean) => sql.prepared(
  "fire_schedules",
  z.strictObject({ task_id: z.uuid(), made: z.boolean() }),
)`
  with input as materialized (
    select i.*, q.max_attempts
    from unnest(
      ${ints(fires.map((f) => f.scheduleId))}, ${times(fires.map((f) => f.fireAt))}, ${uuids(fires.map((f) => f.taskId))},
      ${ints(fires.map((f) => f.queueId))}
    ) as i(schedule_id, fire_at, task_id, queue_id)
    cross join lateral (select q.max_attempts from queue q where q.id = i.queue_id for key share) q
  ), runs as (
    insert into schedule_run as r (schedule_id, fire_at, task_id)
    select i.schedule_id, i.fire_at, i.task_id from input i where ${noted} order by i.schedule_id, i.fire_at
    on conflict (schedule_id, fire_at) do nothing returning r.task_id
  ), accepted as materialized (
    select i.queue_id, i.task_id, i.fire_at, coalesce(s.max_attempts, i.max_attempts) as max_attempts, s.task_name, s.payload,
           s.priority, cardinality(s.tags) > 0 as catalogued
    from input i cross join lateral (
      select s.task_name, s.payload, s.priority, s.max_attempts, s.tags from schedule s where s.id = i.schedule_id offset 0
    ) s
    where not ${noted} or i.task_id in (select r.task_id from runs r)
  ), facts as (
    insert into task (id, queue_id, priority, max_attempts, run_at, added, updated, name, catalogued, payload)
    select a.task_id, a.queue_id, a.priority, a.max_attempts, a.fire_at, ${time(at)}, now(), a.task_name, a.catalogued, a.payload
    from accepted a
  ), ready as (
    insert into task_ready (queue_id, priority, run_at, id, attempts, lease_seq, name)
    select a.queue_id, a.priority, a.fire_at, a.task_id, 0, 0, a.task_name from accepted a
  ), counted as (
    insert into queue_delta (queue_id, enqueued) select a.queue_id, count(*) from accepted a group by a.queue_id
  )
  select i.task_id, i.task_id in (select a.task_id from accepted a) as made from input i`;

/** What became of a schedule that was due. */
export interface Move {
  readonly id: number;
  readonly nextRun: number | null;
  /** Of the last task it made; null for none. */
  readonly lastRun: number | null;
  readonly lastTaskId: string | null;
}

/** Moves schedules that were taken on to their next fire times. Index: schedule's primary key. */
export const moveSchedules = (moves: readonly Move[]) => sql.prepared(
  "move_schedules",
  z.strictObject({ id: z.int() }),
)`
  update schedule s
  set next_run = i.next_run, last_run = coalesce(i.last_run, s.last_run), last_task_id = coalesce(i.last_task_id, s.last_task_id),
      computed = now()
  from unnest(
    ${ints(moves.map((m) => m.id))}, ${times(moves.map((m) => m.nextRun))}, ${times(moves.map((m) => m.lastRun))},
    ${uuids(moves.map((m) => m.lastTaskId))}
  ) as i(id, next_run, last_run, last_task_id)
  where s.id = any(array[i.id])
  returning s.id`;

/** Notes the task that a trigger made. Index: schedule's primary key. */
export const noteTriggered = (id: number, taskId: string) => sql.typeAlias("void")`
  update schedule set last_task_id = ${sql.uuid(taskId)} where id = ${id}`;

/**
 * Locks schedules whose next fire time was computed at a time that is still to come: the clock was set back. What is due
 * already is left to whoever fires it. Reads the table whole, once a minute.
 */
export const computedAhead = (limit: number) => sql.type(
  ScheduleRow.pick({
    id: true,
    cron: true,
    every_seconds: true,
    timezone: true,
    start_at: true,
    end_at: true,
    anchor: true,
    paused: true,
  }),
)`
  select s.id, s.cron, s.every_seconds, s.timezone, s.start_at, s.end_at, s.anchor, s.paused from schedule s
  where s.computed > now() and (s.next_run is null or s.next_run > now())
  order by s.id limit ${limit} for update skip locked`;

/** Sets the next fire times of such schedules, and what they count from. Index: schedule's primary key. */
export const setBack = (
  all: readonly { readonly id: number; readonly anchor: number; readonly nextRun: number | null }[],
) => sql.type(z.strictObject({ id: z.int() }))`
  update schedule s set anchor = i.anchor, next_run = i.next_run, computed = now()
  from unnest(${ints(all.map(({ id }) => id))}, ${times(all.map(({ anchor }) => anchor))}, ${times(all.map(({ nextRun }) => nextRun))})
    as i(id, anchor, next_run)
  where s.id = i.id returning s.id`;

/** Forgets runs so long after their fire time. Index: schedule_run_fire_at_idx. */
export const forgetRuns = (seconds: number, limit: number) => sql.type(z.strictObject({ schedule_id: z.int() }))`
  delete from schedule_run r where r.ctid = any(array(
    select o.ctid from schedule_run o where o.fire_at < now() - make_interval(secs => ${seconds})
    order by o.fire_at limit ${limit} for update skip locked))
  returning r.schedule_id`;
