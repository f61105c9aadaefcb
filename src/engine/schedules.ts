import { violatedConstraint } from "../db/failure.ts";
import type { Db } from "../db/pool.ts";
import { transactionTime } from "../domain/admin/queries.ts";
import { Refusal } from "../domain/refusals.ts";
import { nextFire, nextFires, type When } from "../domain/schedule/fire-times.ts";
import * as queries from "../domain/schedule/queries.ts";
import { scheduleView, whenOf } from "../domain/schedule/views.ts";
import { QueueGone } from "../domain/task/repository.ts";
import type { EngineContext } from "./context.ts";
import { formatCursor, parseCursor } from "./cursor.ts";
import type { Call, Engine, InProject, Named, Page, ScheduleParams } from "./engine.ts";
import { isLabelGone, prepareLabels } from "./labels.ts";
import { payloadText } from "./new-tasks.ts";
import { answered, orAnswered, repeatable } from "./repeatable.ts";
import { definitionOf, newSchedule, UTC } from "./schedule-definition.ts";
import { makeTasks } from "./schedule-firing.ts";
import { visible } from "./visible.ts";

/** A queue deleted while a task is added to it is made anew; more often than this it is somebody's loop. */
const TRIES = 10;

/** What a queue that is made by its first task takes: the default of queue.max_payload_bytes. */
const NEW_QUEUE_BYTES_MAX = 262_144;

const notFound = (name: string) => new Refusal("not_found", { noun: "schedule", id: name });

/** The engine's part that manages schedules; src/upkeep/schedules.ts fires them. */
export function schedules(context: EngineContext) {
  const projectOf = ({ project }: InProject, call: Call) => context.directory.projectOf({ project }, call);
  const found = async (params: InProject & { readonly name: string }, call: Call) => {
    const projectId = await projectOf(params, call);
    const row = await context.cold.run((db) => db.maybeOne(queries.scheduleByName(projectId, params.name)));
    if (!row || isHidden(row, call)) throw notFound(params.name);
    return row;
  };
  return {
    createSchedule: (params: Parameters<Engine["createSchedule"]>[0], call: Call) =>
      change(context, "schedule.create", params, call, async (db, projectId) => {
        const { now } = await db.one(transactionTime());
        const definition = definitionOf(newSchedule(params.queue!, now), params, now);
        const created = await db.maybeOne(queries.insertSchedule(projectId, params.name, definition));
        if (!created) throw new Refusal("conflict", { field: "name" });
        return scheduleView(await db.one(queries.scheduleByName(projectId, params.name)));
      }),
    updateSchedule: (params: Parameters<Engine["updateSchedule"]>[0], call: Call) =>
      change(context, "schedule.update", params, call, async (db, projectId) => {
        const row = await locked(db, projectId, params.name, call);
        const { now } = await db.one(transactionTime());
        await db.any(queries.updateSchedule(row.id, definitionOf(row, params, now)));
        return scheduleView(await db.one(queries.scheduleByName(projectId, params.name)));
      }),
    getSchedule: async (params: InProject & { readonly name: string }, call: Call) =>
      scheduleView(await found(params, call)),
    async listSchedules(params: Page, call: Call) {
      const projectId = await projectOf(params, call);
      const after = params.cursor === undefined ? "" : parseCursor(params.cursor, 1)[0]!;
      const { queues } = call.principal;
      const rows = await visible<queries.ScheduleRow>(
        params.limit + 1,
        queues && (({ queue }) => queues.allows(queue)),
        (last, limit) => context.cold.run((db) => db.any(queries.listSchedules(projectId, last?.name ?? after, limit))),
      );
      const page = rows.slice(0, params.limit);
      return {
        schedules: page.map(scheduleView),
        nextCursor: rows.length > params.limit ? formatCursor([page.at(-1)!.name]) : null,
      };
    },
    pauseSchedule: (params: Parameters<Engine["pauseSchedule"]>[0], call: Call) =>
      change(context, params.paused ? "schedule.pause" : "schedule.resume", params, call, async (db, projectId) => {
        const row = await locked(db, projectId, params.name, call);
        if (row.paused === params.paused) return scheduleView(row);
        const { now } = await db.one(transactionTime());
        await db.any(queries.setPaused(row.id, params.paused, params.paused ? null : nextFire(whenOf(row), now)));
        return scheduleView(await db.one(queries.scheduleByName(projectId, params.name)));
      }),
    deleteSchedule: (params: Named, call: Call) =>
      change(context, "schedule.delete", params, call, async (db, projectId) => {
        const { id } = await locked(db, projectId, params.name, call);
        await db.any(queries.deleteSchedule(id));
        return { name: params.name };
      }),
    triggerSchedule: async (params: Named, call: Call) => trigger(context, params, call),
    async nextRuns(params: Parameters<Engine["nextRuns"]>[0], call: Call) {
      const after = params.after === undefined ? context.now() : Date.parse(params.after);
      const { name, cron, timezone } = params;
      const when: When =
        name === undefined
          ? { cron: cron!, timezone: timezone ?? UTC, startAt: null, endAt: null }
          : whenOf(await found({ ...params, name }, call));
      return nextFires(when, after, params.count).map((time) => new Date(time).toISOString());
    },
  };
}

/** A schedule of a queue that the caller may not know of is to it as one that does not exist. */
const isHidden = ({ queue }: queries.ScheduleRow, { principal }: Call) => principal.queues?.allows(queue) === false;

async function locked(db: Db, projectId: number, name: string, call: Call): Promise<queries.ScheduleRow> {
  const row = await db.maybeOne(queries.lockSchedule(projectId, name));
  if (!row || isHidden(row, call)) throw notFound(name);
  return row;
}

/** Changes one schedule in a transaction. What its tasks bring is checked as task.enqueue checks it. */
async function change<T>(
  context: EngineContext,
  method: string,
  params: ScheduleParams,
  call: Call,
  work: (db: Db, projectId: number) => Promise<T>,
): Promise<T> {
  const projectId = await context.directory.projectOf(params, call);
  const key = { projectId, requestId: params.requestId, method, params };
  try {
    return await orAnswered(context.cold, key, async () => {
      await refuseTooLarge(context, projectId, params, call);
      return await repeatable(context.cold, key, (outer) => outer.transaction((db) => work(db, projectId)));
    });
  } catch (error) {
    // The project went within the second in which it was remembered.
    if (violatedConstraint(error) === "schedule_project_id_fkey")
      throw new Refusal("not_found", { noun: "project", id: params.project ?? call.principal.project });
    throw error;
  }
}

async function refuseTooLarge(
  context: EngineContext,
  projectId: number,
  params: ScheduleParams,
  call: Call,
): Promise<void> {
  const { name, queue, task } = params;
  if (queue === undefined && task?.payload === undefined) return;
  const known =
    queue === undefined || task?.payload === undefined
      ? await context.cold.run((db) => db.maybeOne(queries.scheduleByName(projectId, name)))
      : null;
  // Not found, as the change will say.
  if (known && isHidden(known, call)) return;
  const inQueue = queue ?? known?.queue;
  if (inQueue === undefined) return;
  const limit = (await context.directory.find(projectId, inQueue))?.max_payload_bytes ?? NEW_QUEUE_BYTES_MAX;
  payloadText(task?.payload ?? known?.payload ?? {}, limit);
}

/** Makes one task now, whatever else the schedule says. */
async function trigger(context: EngineContext, params: Named, call: Call): Promise<{ id: string }> {
  const projectId = await context.directory.projectOf(params, call);
  const { requestId } = params;
  const key = { projectId, requestId, method: "schedule.trigger", params };
  // A repeat must not make a queue or a tag anew that was deleted since.
  const first =
    requestId === undefined ? undefined : await answered<{ id: string }>(context.hot, { ...key, requestId });
  if (first) return first;
  for (let tries = 1; ; tries++) {
    const row = await context.hot.run((db) => db.maybeOne(queries.scheduleByName(projectId, params.name)));
    if (!row || isHidden(row, call)) throw notFound(params.name);
    const queue = await context.directory.queueForTask(projectId, row.queue);
    await prepareLabels(context, projectId, [row]);
    try {
      return await repeatable(context.hot, key, (outer, after) =>
        outer.transaction(async (tx) => {
          const { id: scheduleId, queue: name, tags } = await locked(tx, projectId, params.name, call);
          // It was given another queue in this moment.
          if (name !== queue.name) throw new QueueGone();
          const { now } = await tx.one(transactionTime());
          const at = context.now();
          const fire = {
            scheduleId,
            fireAt: now,
            taskId: context.newId(queue.id, at),
            queueId: queue.id,
            projectId,
            tags,
          };
          const made = await makeTasks(tx, [fire], at, false);
          if (!made.get(fire.taskId)) throw new QueueGone();
          await tx.query(queries.noteTriggered(scheduleId, fire.taskId));
          after(() => context.wakeups.wake(queue.id));
          return { id: fire.taskId };
        }),
      );
    } catch (error) {
      if (!(error instanceof QueueGone) && !isLabelGone(error)) throw error;
      if (tries === TRIES) throw new Refusal("conflict", { field: "queue" });
      context.directory.forget(projectId, queue.name);
    }
  }
}
