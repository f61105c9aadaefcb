import type { Row } from "./rows.ts";

/** Figures that must not be 0: a workload that moved nothing has not worked. */
const POSITIVE = ["tasksPerSecond", "first", "sent", "endMb", "p50"];
/** Figures that must be: what was acknowledged is there, and what was there was handed out. */
const ZERO = ["lost"];

/** What is wrong with a run that was to show that every workload works. How fast it was is not asked. */
export function problemsOf(rows: readonly Row[], workloads: readonly string[]): string[] {
  const missing = workloads.filter((name) => !rows.some((row) => row.workload === name && row.error === undefined));
  return [
    ...missing.map((name) => `${name} gave no figures.`),
    ...rows.flatMap((row) => [...wrongIn(row)].map((what) => `${row.workload} ${row.how}: ${what}`)),
  ];
}

function* wrongIn({ figures, error }: Row): Generator<string> {
  if (error !== undefined) yield error;
  for (const [key, value] of Object.entries(figures)) {
    if (value === null || !Number.isFinite(value)) yield `${key} is missing.`;
    else if (POSITIVE.includes(key) && value <= 0) yield `${key} is ${value}.`;
    else if (ZERO.includes(key) && value !== 0) yield `${key} is ${value}, and must be 0.`;
  }
}
