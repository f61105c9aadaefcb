/** The shapes of schedules; see shapes.ts. */
import { z } from "zod";
import { MISSED, OVERLAP } from "../domain/schedule/due.ts";
import { cronIssue, isZone } from "../domain/schedule/fire-times.ts";
import { DELAY_SECONDS_MAX, filledText, Payload, QueueName, TimeOut, text } from "./shapes.ts";

export const ScheduleName = filledText(80);
/** Lists of all there is fit in. */
const CRON_MAX = 1_000;
export const Cron = text(CRON_MAX).superRefine((expression, context) => {
  if (expression.length > CRON_MAX) return;
  const message = cronIssue(expression);
  if (message !== null) context.addIssue({ code: "custom", message });
});
/** Between two fires; times are whole milliseconds. */
export const EverySeconds = z
  .number()
  .min(1)
  .max(DELAY_SECONDS_MAX)
  .refine((seconds) => Math.abs(seconds * 1_000 - Math.round(seconds * 1_000)) < 1e-3, "must be whole milliseconds");
export const TimeZone = text(100).refine(isZone, "must be an IANA time zone such as Europe/Berlin");
export const Missed = z.enum(MISSED);
export const Overlap = z.enum(OVERLAP);

export const Schedule = z
  .strictObject({
    id: z.int(),
    project: z.string(),
    name: z.string(),
    queue: QueueName,
    cron: z.string().nullable(),
    everySeconds: z.number().nullable(),
    timezone: z.string(),
    task: z.strictObject({
      name: z.string().nullable(),
      payload: Payload,
      priority: z.int(),
      maxAttempts: z.int().nullable().describe("Null for the queue's."),
      tags: z.array(z.string()),
    }),
    missed: Missed,
    overlap: Overlap,
    startAt: TimeOut.nullable(),
    endAt: TimeOut.nullable(),
    paused: z.boolean(),
    lastRun: TimeOut.nullable().describe("The last fire time that made a task."),
    nextRun: TimeOut.nullable().describe("Null while paused, and when none comes any more."),
    added: TimeOut,
    updated: TimeOut,
  })
  .meta({ id: "Schedule" });
