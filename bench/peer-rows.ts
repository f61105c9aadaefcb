import { type Figures, type Row, round } from "./rows.ts";

/** A line of bench-peers' output. */
type Line = Readonly<Record<string, unknown>>;

/** Its measurements as rows of ours. Times are milliseconds there as well, CPU seconds per 1,000 jobs. */
export function rowsOf(lines: readonly Line[], about: { workload: string; who: string; round: number }): Row[] {
  return lines
    .filter((line) => line.workload !== "about")
    .map((line) => ({
      at: String(line.at),
      ...about,
      how: howOf(line),
      load: numberOf(line.load) ?? 0,
      figures: line.error === undefined ? figuresOf(line) : {},
      ...seriesOf(line),
      ...(line.error === undefined ? {} : { error: String(line.error) }),
    }));
}

function howOf(line: Line): string {
  if (typeof line.depth === "number") return `${line.depth.toLocaleString("en")} waiting`;
  if (typeof line.held === "boolean") return line.held ? "snapshot held" : "control";
  return line.capped === true ? "capped" : "";
}

/** What it calls a figure, and what it is called here. */
const NAMES: readonly (readonly [theirs: string, ours: string])[] = [
  ["jobsPerSecond", "tasksPerSecond"],
  ["p50ms", "p50"],
  ["p99ms", "p99"],
  ["maxms", "max"],
  ["seconds", "seconds"],
  ["clientCpuPer1000", "callersCpu"],
  ["serverCpuPer1000", "databaseCpu"],
  ["walBytesPerJob", "walBytes"],
  ["writeTxPer1000", "writes"],
  ["extraRuns", "extraRuns"],
  ["ratioToFirst", "ratio"],
  ["ratio", "ratio"],
  ["first10", "first"],
  ["last10", "last"],
];

function figuresOf(line: Line): Figures {
  const figures: Record<string, number | null> = {};
  for (const [theirs, ours] of NAMES) if (theirs in line) figures[ours] = numberOf(line[theirs]);
  const [total, seconds] = [numberOf(line.total), numberOf(line.seconds)];
  if (total !== null && seconds !== null) figures.tasksPerSecond = round(total / seconds, 0);
  const [sent, received] = [numberOf(line.sent), numberOf(line.received)];
  if (sent !== null && received !== null) figures.lost = sent - received;
  return figures;
}

function seriesOf(line: Line): { series?: readonly number[] } {
  const series = line.repeats ?? line.perTenSeconds;
  return Array.isArray(series) ? { series: series.map(Number) } : {};
}

const numberOf = (value: unknown) => (typeof value === "number" && Number.isFinite(value) ? value : null);
