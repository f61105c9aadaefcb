import type { Json, Result, Task } from "../../client/index.ts";
import type { CommandContext } from "../context.ts";
import { readPages } from "../pages.ts";
import { type Column, exactTime, type Field, fields, table } from "../text.ts";

type Attempt = Result<"task.attempts">["attempts"][number];

const COLUMNS: readonly Column[] = [
  { title: "ATTEMPT", right: true },
  { title: "WORKER", least: 8 },
  { title: "CLAIMED" },
  { title: "FINISHED" },
  { title: "OUTCOME" },
  { title: "MESSAGE", least: 8 },
];

/** One task with all that is known of it, and who tried it. */
export async function show(context: CommandContext, id: string): Promise<void> {
  const { client, inProject, signal, width } = context;
  const [task, { items: attempts }] = await Promise.all([
    client.task.get({ ...inProject, id }, { signal }),
    readPages<Attempt>(Number.POSITIVE_INFINITY, async (place) => {
      const page = await client.task.attempts({ ...inProject, id, ...place }, { signal });
      return { items: page.attempts, nextCursor: page.nextCursor };
    }),
  ]);
  context.print({ task, attempts }, () =>
    [fields(fieldsOf(task), width), attemptTable(attempts, width), errorsOf(task, width)]
      .filter((part) => part !== "")
      .join("\n"),
  );
}

/** The task's fields by their own names, without those that say nothing. */
function fieldsOf(task: Task): Field[] {
  const { progress } = task;
  const all: [string, string | null][] = [
    ["id", task.id],
    ["state", task.state],
    ["queue", task.queue],
    ["project", task.project],
    ["name", task.name],
    ["description", task.description],
    ["priority", String(task.priority)],
    ["attempts", `${task.attempts} of ${task.maxAttempts}`],
    ["tags", task.tags.join(", ")],
    ["categories", task.categories.join(", ")],
    ["ownerId", task.ownerId],
    ["added", time(task.added)],
    ["runAt", time(task.runAt)],
    ["dueAt", time(task.dueAt)],
    ["updated", time(task.updated)],
    ["finished", time(task.finished)],
    ["deletedAt", time(task.deletedAt)],
    ["worker", task.worker],
    ["leaseExpiresAt", time(task.leaseExpiresAt)],
    ["progress", progress && `${progress.percent} %${progress.note === null ? "" : `, ${progress.note}`}`],
    ["dedupeKey", task.dedupeKey],
    ["dependsOn", task.dependsOn.join("\n")],
    ["payload", json(task.payload)],
    ["result", task.result === null ? null : json(task.result)],
  ];
  return all.filter((field): field is [string, string] => field[1] !== null && field[1] !== "");
}

const time = (at: string | null) => (at === null ? null : `${exactTime(at)} UTC`);

/** On one line where it is short, else with a line for each part. */
function json(value: Json): string {
  const line = JSON.stringify(value);
  return line.length <= 60 ? line : JSON.stringify(value, null, 2);
}

function attemptTable(attempts: readonly Attempt[], width: number): string {
  const rows = attempts.map(({ attempt, worker, claimed, finished, outcome, message }) => [
    String(attempt),
    worker ?? "-",
    exactTime(claimed),
    finished === null ? "-" : laterTime(claimed, finished),
    outcome,
    message ?? "-",
  ]);
  return rows.length === 0 ? "" : table(COLUMNS, rows, width);
}

/** Without the date on the same day: the messages need the room. */
function laterTime(from: string, to: string): string {
  const text = exactTime(to);
  return exactTime(from).slice(0, 10) === text.slice(0, 10) ? text.slice(11) : text;
}

/** The table has room for the beginning of a message only. */
function errorsOf({ errors }: Task, width: number): string {
  if (errors.length === 0) return "";
  const told = errors.map(({ attempt, at, code, message, data }): Field => {
    const lines = [
      `${time(at)}${code === null ? "" : `  ${code}`}`,
      message,
      ...(data === undefined ? [] : [json(data)]),
    ];
    return [String(attempt), lines.join("\n")];
  });
  return `Errors by attempt:\n${fields(told, width)}`;
}
