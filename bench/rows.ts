/** What one measurement gave. Kept as JSON, so that tables can be printed from a saved run again. */
export interface Row {
  /** When it began, ISO 8601. */
  readonly at: string;
  /** Name of the workload: "W1". */
  readonly workload: string;
  /** "openSQS", "limit", or a peer as bench-peers calls it: "bullmq:everysec". */
  readonly who: string;
  /** Which of the workload's cases: "HTTP", "1,000,000 waiting". Empty where there is one only. */
  readonly how: string;
  /** From 1 on. */
  readonly round: number;
  /** One-minute load average before it began. */
  readonly load: number;
  /** Times in milliseconds, CPU in seconds per 1,000 tasks, WAL in bytes per task; null: could not be measured. */
  readonly figures: Figures;
  /** What one number cannot say: the rate of each ten seconds, say. */
  readonly series?: readonly number[];
  /** Why there are no figures. */
  readonly error?: string;
}

export type Figures = Readonly<Record<string, number | null>>;

/** A measurement of ours, to which the loop adds when and where. */
export interface Measurement {
  readonly how: string;
  readonly who?: string;
  readonly figures: Figures;
  readonly series?: readonly number[];
}

/** All that one run of the bench leaves behind. */
export interface Report {
  readonly format: 1;
  readonly at: string;
  /** Name and value: processor, versions, settings. */
  readonly machine: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, unknown>>;
  /** What was left out, and why. */
  readonly skipped: readonly string[];
  readonly rows: readonly Row[];
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** p50, p99 and the greatest of some times, to a thousandth. All 0 when there are none. */
export function quantiles(times: readonly number[]): { p50: number; p99: number; max: number } {
  const sorted = Float64Array.from(times).sort();
  const at = (share: number) => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0, 3);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

export function round(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

/** One row a line, so that two saved runs can be compared by eye and by git. */
export function writeReport(report: Report): string {
  const { rows, ...head } = report;
  const lines = rows.map((row) => `    ${JSON.stringify(row)}`).join(",\n");
  return `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "rows": [\n${lines}\n  ]\n}\n`;
}

export function readReport(text: string): Report {
  const report = JSON.parse(text) as Report;
  if (report.format !== 1 || !Array.isArray(report.rows)) throw new Error("This is not a report of the bench.");
  return report;
}
