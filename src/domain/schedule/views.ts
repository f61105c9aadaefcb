/** Rows as api.md shows them. */
import type { JsonObject } from "../../lib/json.ts";
import { time, timeOrNull } from "../task/views.ts";
import type { Missed, Overlap } from "./due.ts";
import type { When } from "./fire-times.ts";
import type { ScheduleRow } from "./queries.ts";

export interface ScheduleView {
  id: number;
  project: string;
  name: string;
  queue: string;
  cron: string | null;
  everySeconds: number | null;
  timezone: string;
  task: {
    name: string | null;
    payload: JsonObject;
    priority: number;
    maxAttempts: number | null;
    tags: string[];
  };
  missed: Missed;
  overlap: Overlap;
  startAt: string | null;
  endAt: string | null;
  paused: boolean;
  lastRun: string | null;
  nextRun: string | null;
  added: string;
  updated: string;
}

export const scheduleView = (row: ScheduleRow): ScheduleView => ({
  id: row.id,
  project: row.project,
  name: row.name,
  queue: row.queue,
  cron: row.cron,
  everySeconds: row.every_seconds,
  timezone: row.timezone,
  task: {
    name: row.task_name,
    payload: row.payload as JsonObject,
    priority: row.priority,
    maxAttempts: row.max_attempts,
    tags: [...row.tags],
  },
  missed: row.missed,
  overlap: row.overlap,
  startAt: timeOrNull(row.start_at),
  endAt: timeOrNull(row.end_at),
  paused: row.paused,
  lastRun: timeOrNull(row.last_run),
  nextRun: timeOrNull(row.next_run),
  added: time(row.added),
  updated: time(row.updated),
});

/** What of a row says when it fires. */
export type WhenRow = Pick<ScheduleRow, "cron" | "every_seconds" | "timezone" | "start_at" | "end_at" | "anchor">;

export function whenOf(row: WhenRow): When {
  const bounds = { startAt: row.start_at, endAt: row.end_at };
  if (row.cron !== null) return { ...bounds, cron: row.cron, timezone: row.timezone };
  return { ...bounds, everyMs: milliseconds(row.every_seconds!), anchor: row.anchor };
}

/** Seconds as whole milliseconds: 1.1 * 1000 is a little more than 1100. */
const milliseconds = (seconds: number) => Math.round(seconds * 1_000);
