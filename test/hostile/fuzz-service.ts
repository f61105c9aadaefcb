/** A service as a process of its own, fuzzed from outside: what it answers, what it logs, and what it takes of the memory. */
import { execFileSync } from "node:child_process";
import { type SpawnedService, spawnService } from "../support/service.ts";
import { type FuzzReport, fuzz } from "./fuzz.ts";

export interface FuzzServiceOptions {
  readonly databaseUrl: string;
  readonly seed: number;
  readonly count: number;
  onProgress?(done: number, rssMb: number): void;
}

export interface FuzzServiceReport extends FuzzReport {
  /** Lines of the log that tell of an error, or are no line of a log. */
  readonly wrongLines: readonly string[];
  /** Resident memory of the service, after the first quarter and at the end. */
  readonly rssMb: { readonly settled: number; readonly last: number };
}

export async function fuzzService({
  databaseUrl,
  seed,
  count,
  onProgress,
}: FuzzServiceOptions): Promise<FuzzServiceReport> {
  const service = await spawnService({
    DATABASE_URL: databaseUrl,
    LOG_LEVEL: "info",
    ROW_CHECKS: "on",
  });
  try {
    let settled = 0;
    const report = await fuzz({
      url: service.url,
      seed,
      count,
      onProgress(done) {
        const rssMb = rssOf(service);
        if (settled === 0 && done >= count / 4) settled = rssMb;
        onProgress?.(done, rssMb);
      },
    });
    const last = rssOf(service);
    const how = await service.stop();
    if (how !== 0) throw new Error(`The service ended with ${how}:\n${service.log()}`);
    return { ...report, wrongLines: wrongLines(service.log()), rssMb: { settled, last } };
  } finally {
    service.kill("SIGKILL");
  }
}

function rssOf({ pid }: SpawnedService): number {
  return Math.round(Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) / 1024);
}

export function wrongLines(log: string): string[] {
  return log.split("\n").filter((line) => line !== "" && !isFine(line));
}

/** A line of the log, of no error. */
function isFine(line: string): boolean {
  // What a terminal would take for more than text must not come through.
  if (/\p{Cc}/u.test(line)) return false;
  try {
    return (JSON.parse(line) as { level: string }).level !== "error";
  } catch {
    return false;
  }
}
