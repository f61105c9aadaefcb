import { InvalidParams } from "../domain/refusals.ts";
import { nextFire } from "../domain/schedule/fire-times.ts";
import type { Definition, ScheduleRow } from "../domain/schedule/queries.ts";
import { whenOf } from "../domain/schedule/views.ts";
import { distinctTags } from "../domain/tag/tag.ts";
import type { ScheduleParams } from "./engine.ts";
import { DEFAULT_PRIORITY } from "./new-tasks.ts";

export const UTC = "UTC";

/** What of a schedule a call may say something about. */
type Defined = Omit<ScheduleRow, "id" | "project" | "name" | "last_run" | "added" | "updated">;

/** A schedule of which nothing was said yet but the queue. */
export const newSchedule = (queue: string, now: number): Defined => ({
  queue,
  cron: null,
  every_seconds: null,
  timezone: UTC,
  task_name: null,
  payload: {},
  priority: DEFAULT_PRIORITY,
  max_attempts: null,
  tags: [],
  missed: "latest",
  overlap: "allow",
  start_at: null,
  end_at: null,
  anchor: now,
  paused: false,
  next_run: null,
});

/** A schedule as it is, with what a call says of it at `now`. */
export function definitionOf(row: Defined, params: ScheduleParams, now: number): Definition {
  const { task = {} } = params;
  return {
    ...timesOf(row, params, now),
    queue: params.queue ?? row.queue,
    taskName: task.name === undefined ? row.task_name : task.name,
    payload: task.payload ?? (row.payload as object),
    priority: task.priority ?? row.priority,
    maxAttempts: task.maxAttempts === undefined ? row.max_attempts : task.maxAttempts,
    tags: task.tags === undefined ? row.tags : distinctTags(task.tags),
    missed: params.missed ?? row.missed,
    overlap: params.overlap ?? row.overlap,
  };
}

type Times = Pick<Definition, "cron" | "everySeconds" | "timezone" | "startAt" | "endAt" | "anchor" | "nextRun">;

/** When it fires: computed anew if anything that says so changes, else left as it is. */
function timesOf(row: Defined, params: ScheduleParams, now: number): Times {
  const said = {
    cron: params.everySeconds === undefined ? (params.cron ?? row.cron) : null,
    everySeconds: params.cron === undefined ? (params.everySeconds ?? row.every_seconds) : null,
    timezone: params.timezone ?? row.timezone,
    startAt: params.startAt === undefined ? row.start_at : timeOf(params.startAt),
    endAt: params.endAt === undefined ? row.end_at : timeOf(params.endAt),
  };
  if (said.startAt !== null && said.endAt !== null && said.startAt > said.endAt)
    throw new InvalidParams([{ path: "endAt", message: "must not be before startAt" }]);
  const counts = said.everySeconds === row.every_seconds && said.startAt === row.start_at;
  if (counts && said.cron === row.cron && said.timezone === row.timezone && said.endAt === row.end_at)
    return { ...said, anchor: row.anchor, nextRun: row.next_run };
  const anchor = counts ? row.anchor : (said.startAt ?? now);
  const when = whenOf({
    cron: said.cron,
    every_seconds: said.everySeconds,
    timezone: said.timezone,
    start_at: said.startAt,
    end_at: said.endAt,
    anchor,
  });
  return { ...said, anchor, nextRun: row.paused ? null : nextFire(when, now) };
}

const timeOf = (text: string | null) => (text === null ? null : Date.parse(text));
