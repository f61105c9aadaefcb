import { z } from "zod";
import { method } from "../method.ts";
import { Cron, EverySeconds, Missed, Overlap, Schedule, ScheduleName, TimeZone } from "../schedule-shapes.ts";
import { Cursor, inProject, Limit, newTask, QueueName, repeatable, TaskId, Time, TimeOut } from "../shapes.ts";

const named = { ...repeatable, name: ScheduleName };
const { name: taskName, payload, priority, maxAttempts, tags } = newTask;
const times = {
  cron: Cron.optional().describe("Five fields, or six with seconds first."),
  everySeconds: EverySeconds.optional().describe("Elapsed time from one fire to the next."),
  timezone: TimeZone.optional().describe("Where the clock hangs that cron means. Default UTC."),
};
const policies = {
  missed: Missed.optional().describe("What becomes of fire times that nobody was there for. Default latest."),
  overlap: Overlap.optional().describe("Whether to fire while the last task is unfinished. Default allow."),
};

/** A schedule fires by a clock or by a rhythm, not by both. */
function checkTimes(
  { cron, everySeconds }: { cron?: unknown; everySeconds?: unknown },
  context: z.core.$RefinementCtx,
): void {
  if (cron !== undefined && everySeconds !== undefined)
    context.addIssue({ code: "custom", path: ["everySeconds"], message: "give cron or everySeconds, not both" });
}

export const create = method({
  name: "schedule.create",
  summary: "Creates a schedule: a task is added to a queue by itself at each of its fire times.",
  params: z
    .strictObject({
      ...named,
      queue: QueueName,
      ...times,
      task: z.strictObject({ name: taskName, payload, priority, maxAttempts, tags }).optional(),
      ...policies,
      startAt: Time.optional().describe("No fire before."),
      endAt: Time.optional().describe("No fire after."),
    })
    .superRefine(checkTimes)
    .refine(({ cron, everySeconds }) => cron !== undefined || everySeconds !== undefined, {
      path: ["cron"],
      message: "give cron or everySeconds",
    }),
  result: Schedule,
  changing: true,
  scope: "schedule:write",
  refusals: ["not_found", "conflict", "payload_too_large"],
  run: (engine, params, call) => engine.createSchedule(params, call),
});

export const update = method({
  name: "schedule.update",
  summary: "Changes what is named of a schedule; cron replaces everySeconds, and the other way round.",
  params: z
    .strictObject({
      ...named,
      queue: QueueName.optional(),
      ...times,
      task: z
        .strictObject({
          name: taskName.nullable(),
          payload,
          priority,
          maxAttempts: maxAttempts.nullable(),
          tags,
        })
        .optional()
        .describe("What is not named of it stays."),
      ...policies,
      startAt: Time.nullable().optional().describe("Null takes it away."),
      endAt: Time.nullable().optional().describe("Null takes it away."),
    })
    .superRefine(checkTimes),
  result: Schedule,
  changing: true,
  scope: "schedule:write",
  refusals: ["not_found", "payload_too_large"],
  run: (engine, params, call) => engine.updateSchedule(params, call),
});

export const get = method({
  name: "schedule.get",
  summary: "One schedule.",
  params: z.strictObject({ ...inProject, name: ScheduleName }),
  result: Schedule,
  changing: false,
  scope: ["schedule:write", "task:read"],
  refusals: ["not_found"],
  run: (engine, params, call) => engine.getSchedule(params, call),
});

export const list = method({
  name: "schedule.list",
  summary: "The project's schedules by name.",
  params: z.strictObject({ ...inProject, limit: Limit(1000, 100), cursor: Cursor.optional() }),
  result: z.strictObject({ schedules: z.array(Schedule), nextCursor: z.string().nullable() }),
  changing: false,
  heavy: true,
  scope: ["schedule:write", "task:read"],
  refusals: ["not_found"],
  run: (engine, params, call) => engine.listSchedules(params, call),
});

export const pause = method({
  name: "schedule.pause",
  summary: "Stops a schedule from firing.",
  params: z.strictObject(named),
  result: Schedule,
  changing: true,
  scope: "schedule:write",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.pauseSchedule({ ...params, paused: true }, call),
});

export const resume = method({
  name: "schedule.resume",
  summary: "Lets a paused schedule fire again; what it did not fire meanwhile is not made up for.",
  params: z.strictObject(named),
  result: Schedule,
  changing: true,
  scope: "schedule:write",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.pauseSchedule({ ...params, paused: false }, call),
});

export const remove = method({
  name: "schedule.delete",
  summary: "Deletes a schedule; the tasks it made stay.",
  params: z.strictObject(named),
  result: z.strictObject({ name: ScheduleName }),
  changing: true,
  scope: "schedule:write",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.deleteSchedule(params, call),
});

export const trigger = method({
  name: "schedule.trigger",
  summary: "Makes one task of a schedule now, also while it is paused.",
  params: z.strictObject(named),
  result: z.strictObject({ id: TaskId }),
  changing: true,
  scope: "schedule:write",
  refusals: ["not_found", "conflict"],
  run: (engine, params, call) => engine.triggerSchedule(params, call),
});

export const next = method({
  name: "schedule.next",
  summary: "The next fire times of a schedule, or of an expression that is to become one.",
  params: z
    .strictObject({
      ...inProject,
      name: ScheduleName.optional(),
      cron: Cron.optional(),
      timezone: TimeZone.optional().describe("Of cron. Default UTC."),
      count: Limit(100, 10),
      after: Time.optional().describe("Default now."),
    })
    .superRefine(({ name, cron, timezone }, context) => {
      if ((name === undefined) === (cron === undefined))
        context.addIssue({ code: "custom", path: ["name"], message: "give name or cron, one of them" });
      if (name !== undefined && timezone !== undefined)
        context.addIssue({ code: "custom", path: ["timezone"], message: "goes with cron: a schedule has its own" });
    }),
  result: z.strictObject({ runs: z.array(TimeOut) }),
  changing: false,
  scope: ["schedule:write", "task:read"],
  refusals: ["not_found"],
  async run(engine, params, call) {
    return { runs: await engine.nextRuns(params, call) };
  },
});
