import { isUnavailable } from "../db/failure.ts";
import { type Db, NoConnection } from "../db/pool.ts";
import { transactionTime } from "../domain/admin/queries.ts";
import { dueFires } from "../domain/schedule/due.ts";
import { nextFire } from "../domain/schedule/fire-times.ts";
import * as queries from "../domain/schedule/queries.ts";
import { type WhenRow, whenOf } from "../domain/schedule/views.ts";
import { groupBy } from "../domain/task/repository.ts";
import type { EngineContext } from "./context.ts";
import { isLabelGone, prepareLabels, putInCatalogue, tagKeys } from "./labels.ts";
import type { LowerBounds } from "./lower-bounds.ts";

/** Schedules taken by one transaction, and about as many tasks made by it. */
const BATCH = 1_000;
/** A schedule of which nobody can tell when it fires next is tried again after so long. */
const PUZZLED_MS = 60_000;

/** A task that a schedule is to make, with what its labels need. */
export interface LabelledFire extends queries.Fire {
  readonly projectId: number;
  readonly tags: readonly string[];
}

/**
 * Makes the tasks of schedules, in a transaction. Answers by their ids whether they were made: false for a fire time that has
 * made its task before, and nothing for a queue that is gone.
 */
export async function makeTasks(
  tx: Db,
  fires: readonly LabelledFire[],
  at: number,
  noted: boolean,
): Promise<Map<string, boolean>> {
  const rows = await tx.any(queries.fireSchedules(fires, at, noted));
  const made = new Map(rows.map((row) => [row.task_id, row.made]));
  const tagged = fires.filter(({ taskId, tags }) => tags.length > 0 && made.get(taskId));
  for (const [queueId, group] of groupBy(tagged, (fire) => fire.queueId)) {
    const tasks = group.map(({ taskId, tags }) => ({ id: taskId, tags: tagKeys(tags), categories: null }));
    await putInCatalogue(tx, group[0]!.projectId, queueId, tasks);
  }
  return made;
}

/** The names of the one bound there is: schedules of all projects are in one index, with no priorities. */
const ALL_QUEUES = 0;
const SCHEDULES = "schedules";
const PRIORITY = 0;

/**
 * Fires the schedules that are due, a batch of them. Answers whether more may be. `bounds` remembers how far the last look
 * came: each fire leaves a dead index entry at its time.
 */
export async function fireDue(context: EngineContext, bounds: LowerBounds): Promise<boolean> {
  const start = bounds.start(ALL_QUEUES, SCHEDULES);
  const began = performance.now();
  const due = await context.hot.run((db) => db.any(queries.dueSchedules(start.from[PRIORITY] ?? null, BATCH)));
  const tookMs = performance.now() - began;
  const moved = due.length === 0 ? 0 : await fireAll(context, due);
  // What is left is due still, so the next look begins no later than there.
  const more = due.length === BATCH || moved < due.length;
  const passed = moved < due.length ? due.slice(0, 1) : due;
  const tasks = passed.map(({ next_run }) => ({ priority: PRIORITY, run_at: next_run }));
  bounds.passed(ALL_QUEUES, SCHEDULES, start, { tasks, full: more, tookMs });
  // Where none went on, another instance is at work on them.
  return moved > 0 && more;
}

/** Fires a batch, or its halves where it fails: only a schedule that is at fault itself misses its time. Answers how many went on. */
export async function fireAll(context: EngineContext, due: readonly queries.DueRow[]): Promise<number> {
  try {
    return await fireBatch(context, due);
  } catch (error) {
    if (isUnavailable(error) || error instanceof NoConnection) throw error;
    // A tag that went in this moment, or that the schedule was given, is made by the next look.
    if (due.length === 1) return isLabelGone(error) ? 0 : await passOver(context, due[0]!, error);
    const half = Math.ceil(due.length / 2);
    return (await fireAll(context, due.slice(0, half))) + (await fireAll(context, due.slice(half)));
  }
}

async function fireBatch(context: EngineContext, due: readonly queries.DueRow[]): Promise<number> {
  const queuesMade = await prepare(context, due);
  const { moved, woken, queueless } = await context.hot.transaction((tx) => fireTaken(context, tx, due, queuesMade));
  // A task's time is its fire time, which may lie before what was claimed last.
  for (const queueId of woken) context.wakeups.wake(queueId);
  for (const { name, queue } of queueless)
    context.log.warn("a schedule did not fire: its queue is not there", { schedule: name, queue });
  return moved;
}

/** Makes the queues and tags that are not there, before the transaction. Answers false where queues must not be made. */
async function prepare(context: EngineContext, due: readonly queries.DueRow[]): Promise<boolean> {
  const missing = due.filter(({ queue_id }) => queue_id === null);
  const queuesMade = missing.length === 0 || (await context.directory.makeQueues(missing));
  const tagged = due.filter(({ tags }) => tags.length > 0);
  for (const [projectId, rows] of groupBy(tagged, ({ project_id }) => project_id))
    await prepareLabels(context, projectId, rows);
  return queuesMade;
}

interface Planned extends queries.Move {
  readonly fires: readonly LabelledFire[];
}

interface Fired {
  readonly moved: number;
  readonly woken: ReadonlySet<number>;
  /** Those whose time passed since their queue is not there, and must not be made. */
  readonly queueless: readonly queries.TakenRow[];
}

async function fireTaken(
  context: EngineContext,
  tx: Db,
  due: readonly queries.DueRow[],
  queuesMade: boolean,
): Promise<Fired> {
  const { now } = await tx.one(transactionTime());
  const rows = await tx.any(queries.takeDue(due.map(({ id }) => id)));
  const at = context.now();
  // A queue that went in this moment is made anew by the next look.
  const able = rows.filter(({ queue_id }) => queue_id !== null || !queuesMade);
  const planned: Planned[] = [];
  let count = 0;
  for (const row of able) {
    // The rest stays due: a transaction that makes up for very many fire times would hold them all for long.
    if (count >= BATCH) break;
    const plan = planOf(context, row, now, at);
    planned.push(plan);
    count += plan.fires.length;
  }
  const fires = planned.flatMap((plan) => plan.fires).sort((a, b) => a.queueId - b.queueId);
  const made = fires.length === 0 ? new Map<string, boolean>() : await makeTasks(tx, fires, at, true);
  const moves = planned
    .filter((plan) => plan.fires.every(({ taskId }) => made.has(taskId)))
    .map((plan) => moveOf(plan, made));
  if (moves.length > 0) await tx.any(queries.moveSchedules(moves));
  return {
    moved: moves.length,
    woken: new Set(fires.filter(({ taskId }) => made.get(taskId)).map(({ queueId }) => queueId)),
    queueless: able.slice(0, planned.length).filter(({ queue_id }) => queue_id === null),
  };
}

/** What a schedule that was taken is to make, and where it goes from here. */
function planOf(context: EngineContext, row: queries.TakenRow, now: number, at: number): Planned {
  const { fires, next } = dueFires(whenOf(row), row.missed, row.next_run, now);
  // While its last task is unfinished its fire times pass; the first of these would be that task for the others.
  const most = row.overlap === "allow" ? fires.length : row.holds ? 0 : 1;
  const queueId = row.queue_id;
  return {
    id: row.id,
    nextRun: next,
    lastRun: null,
    lastTaskId: null,
    fires:
      queueId === null
        ? []
        : fires.slice(0, most).map((fireAt) => ({
            scheduleId: row.id,
            fireAt,
            taskId: context.newId(queueId, at),
            queueId,
            projectId: row.project_id,
            tags: row.tags,
          })),
  };
}

function moveOf({ fires, ...move }: Planned, made: ReadonlyMap<string, boolean>): queries.Move {
  const last = fires.findLast(({ taskId }) => made.get(taskId));
  return last ? { ...move, lastRun: last.fireAt, lastTaskId: last.taskId } : move;
}

/** A schedule that cannot fire must not stay due for ever: its time passes. */
async function passOver(context: EngineContext, { id }: queries.DueRow, error: unknown): Promise<number> {
  const row = await context.hot.transaction(async (tx) => {
    const { now } = await tx.one(transactionTime());
    const [taken] = await tx.any(queries.takeDue([id]));
    if (taken)
      await tx.any(queries.moveSchedules([{ id, nextRun: nextOr(taken, now), lastRun: null, lastTaskId: null }]));
    return taken;
  });
  if (!row) return 0;
  context.log.error("a schedule did not fire", { schedule: row.name, projectId: row.project_id, error });
  return 1;
}

function nextOr(row: WhenRow, now: number): number | null {
  try {
    return nextFire(whenOf(row), now);
  } catch {
    return now + PUZZLED_MS;
  }
}

/**
 * Computes the next fire times anew of schedules whose last computing lies in the future: the clock was ahead and has been
 * set back. What they fired meanwhile stays noted, so no fire time makes a second task. Answers whether more may be.
 */
export async function setBackSchedules(context: EngineContext): Promise<boolean> {
  return await context.cold.transaction(async (tx) => {
    const { now } = await tx.one(transactionTime());
    const rows = await tx.any(queries.computedAhead(BATCH));
    const all = rows.map((row) => {
      const anchor = row.start_at === null ? Math.min(row.anchor, now) : row.anchor;
      return { id: row.id, anchor, nextRun: row.paused ? null : nextOr({ ...row, anchor }, now) };
    });
    if (all.length > 0) await tx.any(queries.setBack(all));
    return rows.length === BATCH;
  });
}
