import type { Result } from "../../client/index.ts";
import type { CommandContext } from "../context.ts";
import { readPages } from "../pages.ts";
import { type Column, exactTime, type Field, fields, MORE, shortTime, table } from "../text.ts";

type Schedule = Result<"schedule.get">;

const COLUMNS: readonly Column[] = [
  { title: "NAME", least: 8 },
  { title: "WHEN" },
  { title: "QUEUE", least: 6 },
  { title: "NEXT (UTC)" },
  { title: "LAST (UTC)", spare: true },
  { title: "PAUSED" },
];

export async function schedules(context: CommandContext, { limit }: { readonly limit: number }): Promise<void> {
  const { client, inProject, signal, width } = context;
  const { items, more } = await readPages<Schedule>(limit, async (place) => {
    const page = await client.schedule.list({ ...inProject, ...place }, { signal });
    return { items: page.schedules, nextCursor: page.nextCursor };
  });
  const rows = items.map((schedule) => [
    schedule.name,
    when(schedule),
    schedule.queue,
    shortTime(schedule.nextRun),
    shortTime(schedule.lastRun),
    schedule.paused ? "yes" : "-",
  ]);
  context.printEach(items, () =>
    items.length === 0 ? "No schedules.\n" : `${table(COLUMNS, rows, width)}${more ? MORE : ""}`,
  );
}

const when = ({ cron, everySeconds, timezone }: Schedule) =>
  cron === null ? `every ${everySeconds} s` : timezone === "UTC" ? cron : `${cron} ${timezone}`;

export interface ScheduleOptions {
  readonly trigger?: boolean;
  readonly pause?: boolean;
  readonly resume?: boolean;
  readonly next?: number;
}

/** Shows one schedule, or does the one thing with it that was asked for. */
export async function schedule(context: CommandContext, name: string, options: ScheduleOptions): Promise<void> {
  const { client, inProject, signal } = context;
  const params = { ...inProject, name };
  if (options.trigger) {
    const made = await client.schedule.trigger(params, { signal });
    return context.print(made, () => `${made.id}\n`);
  }
  if (options.next !== undefined) {
    const { runs } = await client.schedule.next({ ...params, count: options.next }, { signal });
    return context.printEach(runs, () =>
      runs.length === 0 ? "No fire times to come.\n" : runs.map((run) => `${utc(run)}\n`).join(""),
    );
  }
  const shown = await (options.pause
    ? client.schedule.pause(params, { signal })
    : options.resume
      ? client.schedule.resume(params, { signal })
      : client.schedule.get(params, { signal }));
  context.print(shown, () => fields(fieldsOf(shown), context.width));
}

const utc = (time: string | null) => (time === null ? null : `${exactTime(time)} UTC`);

/** The schedule's fields by their own names, without those that say nothing. */
function fieldsOf(schedule: Schedule): Field[] {
  const { task } = schedule;
  const all: [string, string | null][] = [
    ["name", schedule.name],
    ["project", schedule.project],
    ["queue", schedule.queue],
    ["cron", schedule.cron],
    ["everySeconds", schedule.everySeconds === null ? null : String(schedule.everySeconds)],
    ["timezone", schedule.cron === null ? null : schedule.timezone],
    ["startAt", utc(schedule.startAt)],
    ["endAt", utc(schedule.endAt)],
    ["missed", schedule.missed],
    ["overlap", schedule.overlap],
    ["paused", schedule.paused ? "yes" : "no"],
    ["nextRun", utc(schedule.nextRun)],
    ["lastRun", utc(schedule.lastRun)],
    ["task.name", task.name],
    ["task.payload", JSON.stringify(task.payload)],
    ["task.priority", String(task.priority)],
    ["task.maxAttempts", task.maxAttempts === null ? null : String(task.maxAttempts)],
    ["task.tags", task.tags.join(", ")],
    ["added", utc(schedule.added)],
    ["updated", utc(schedule.updated)],
  ];
  return all.filter((field): field is [string, string] => field[1] !== null && field[1] !== "");
}
