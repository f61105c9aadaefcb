import { type Standing, standings } from "./goals.ts";
import { type Case, Medians, medianOf, valuesOf } from "./medians.ts";
import type { Report, Row } from "./rows.ts";

interface Column {
  readonly key: string;
  readonly heading: string;
  readonly digits: number;
}

const column = (key: string, heading: string, digits: number): Column => ({ key, heading, digits });

const RATE = column("tasksPerSecond", "tasks/s", 0);
const CALL = [column("p50", "p50 ms", 2), column("p99", "p99 ms", 2)];
const COST = [
  column("callersCpu", "callers", 3),
  column("serviceCpu", "service", 3),
  column("databaseCpu", "store", 3),
  column("walBytes", "WAL bytes/task", 0),
  column("writes", "commits/1,000", 1),
  column("statements", "statements/1,000", 1),
];
const MEMORY = [
  column("startMb", "start MB", 0),
  column("minuteMb", "1 min MB", 0),
  column("endMb", "end MB", 0),
  column("maxMb", "most MB", 0),
];

/** By workload: its title and columns. The first column carries the spread. */
const TABLES: readonly (readonly [workload: string, title: string, columns: readonly Column[]])[] = [
  ["W1", "single enqueue, 64 callers", [RATE, ...CALL, ...COST]],
  ["W2", "enqueueMany, 1,000 a call, 4 callers", [RATE, ...CALL, ...COST]],
  ["W3", "drain, one worker process of 64", [RATE, ...COST]],
  ["W3raw", "drain by claims of 250 and completeMany, 4 callers", [RATE, ...CALL, ...COST]],
  ["W3s", "drain, one claim and one complete a task, 64 callers", [RATE, ...CALL, ...COST]],
  ["W4", "pickup, one task every 50 ms", [...CALL, column("max", "max ms", 1)]],
  ["W5", "claim and complete at depth", [RATE, column("ratio", "÷ first", 2)]],
  ["W6", "steady mix", [column("first", "first 10 s", 0), column("last", "last 10 s", 0), column("ratio", "ratio", 2)]],
  ["W7", "drain, 8 worker processes of 8", [RATE, ...COST]],
  ["W8", "two replicas on one database", [RATE, ...CALL, column("max", "max ms", 1), ...COST]],
  [
    "W9",
    "resident memory of the service",
    [column("endMb", "end MB", 0), ...MEMORY.filter(({ key }) => key !== "endMb"), RATE],
  ],
  ["limits", "what PostgreSQL and Bun allow by themselves", [RATE, ...CALL]],
  [
    "catalogue",
    "lists, searches and counts",
    [
      column("fewP50", "few: p50 ms", 2),
      column("fewP99", "few: p99 ms", 2),
      column("p50", "many: p50 ms", 2),
      column("p99", "many: p99 ms", 2),
      column("ratio", "p99 ÷ few", 2),
    ],
  ],
  [
    "graphs",
    "workflows beside as many plain tasks",
    [
      RATE,
      column("p50", "p50 ms", 2),
      column("ratio", "÷ plain", 2),
      column("addSeconds", "made in s", 2),
      column("wholeRatio", "with that ÷ plain", 2),
      ...COST,
    ],
  ],
  ["schedules", "tasks of schedules that are due at one moment", [...CALL, column("max", "max ms", 0), ...COST]],
  [
    "hostile",
    "one good caller, beside callers that mean harm",
    [
      ...CALL,
      column("max", "max ms", 1),
      column("p50Ratio", "p50 ÷ alone", 2),
      column("ratio", "p99 ÷ alone", 2),
      column("tasksPerSecond", "tasks/s", 0),
      column("failed", "failed", 0),
      column("attacksPerSecond", "attacks/s", 0),
      column("answersPerSecond", "of them answered", 0),
      column("open", "left open", 0),
    ],
  ],
  ["callers", "W1 by number of callers", [RATE, ...CALL, ...COST]],
];

/** All tables of a run, as markdown. */
export function renderReport(report: Report): string {
  const medians = new Medians(report.rows);
  const tables = TABLES.map(([workload, title, columns]) => {
    const cases = medians.cases.filter((each) => each.workload === workload);
    return cases.length === 0 ? "" : table(`${workload}: ${title}`, columns, cases);
  });
  const parts = [headOf(report), ...tables, standingsTable(standings(medians)), remarks(report.rows)];
  return parts.filter((part) => part !== "").join("\n\n");
}

function headOf({ at, machine, options, skipped }: Report): string {
  // A peer's version begins with its name already, and two variants of one peer say the same.
  const fact = ([name, value]: [string, string]) =>
    value.startsWith(name.split(":")[0]!) ? value : `${name} ${value}`;
  const facts = [...new Set(Object.entries(machine).map(fact))];
  const left = skipped.map((reason) => `\nLeft out: ${reason}.`);
  return [
    `Measured ${at.slice(0, 10)}. ${facts.join("; ")}.${left.join("")}`,
    `Medians of up to ${options.rounds} rounds, lowest–highest in brackets. CPU is in seconds per 1,000 tasks, of the callers' or`,
    "workers' processes, the service, and PostgreSQL or Redis with all its processes.",
  ].join("\n");
}

function table(title: string, columns: readonly Column[], cases: readonly Case[]): string {
  const used = columns.filter(({ key }) => cases.some((each) => valuesOf(each, key).length > 0));
  const head = ["", "", ...used.map(({ heading }) => heading)];
  const lines = cases.map((each) => [each.who, each.how, ...used.map((of, at) => cell(each, of, at === 0))]);
  return `### ${title}\n\n${markdown(head, lines, 2)}`;
}

function cell(each: Case, { key, digits }: Column, withSpread: boolean): string {
  const middle = medianOf(each, key);
  if (middle === null) return "–";
  const values = valuesOf(each, key);
  if (!withSpread || values.length < 2) return number(middle, digits);
  return `${number(middle, digits)} (${number(Math.min(...values), digits)}–${number(Math.max(...values), digits)})`;
}

function standingsTable(all: readonly Standing[]): string {
  if (all.length === 0) return "";
  const lines = all.map(({ what, value, unit, goal, met }) => {
    const digits = unit === "×" ? 2 : unit === "ms" ? 2 : 0;
    return [what, `${number(value, digits)} ${unit}`, goal, met === null ? "" : met ? "yes" : "**no**"];
  });
  return `### Against the goals\n\n${markdown(["", "measured", "goal", "reached"], lines, 1)}`;
}

/** Somebody else's work on the machine beyond this many cores makes a measurement worth less. */
const DISTURBED_CORES = 0.2;

/** What a reader of the tables must know: errors, losses, runs twice, and who else was busy. */
function remarks(rows: readonly Row[]): string {
  const of = ({ workload, who, how, round }: Row) => [workload, who, how, `round ${round}`].filter(Boolean).join(" ");
  const lines = rows.flatMap((row) => {
    const { lost = 0, extraRuns = 0, troubles = 0, otherCores = 0 } = row.figures;
    return [
      row.error ? `- ${of(row)} failed: ${row.error.split("\n")[0]}` : "",
      lost ? `- ${of(row)}: ${lost} tasks are not where they should be` : "",
      extraRuns ? `- ${of(row)}: ${extraRuns} handlers ran once too often` : "",
      troubles ? `- ${of(row)}: the worker told of ${troubles} troubles` : "",
      (otherCores ?? 0) > DISTURBED_CORES ? `- ${of(row)}: something else used ${otherCores} cores` : "",
    ];
  });
  const said = lines.filter((line) => line !== "");
  return said.length === 0 ? "" : `### Remarks\n\n${said.join("\n")}`;
}

function number(value: number, digits: number): string {
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** `texts`: how many of the first columns are not numbers. */
function markdown(head: readonly string[], lines: readonly (readonly string[])[], texts: number): string {
  const rule = head.map((_, at) => (at < texts ? "---" : "--:"));
  return [head, rule, ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
