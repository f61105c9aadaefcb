/**
 * Measures the service as its users meet it: over HTTP on loopback, on an embedded PostgreSQL with every durability setting
 * on, callers, service and database sharing this machine. Prints medians over interleaved rounds.
 *
 *     make bench                                 all workloads, three rounds of five seconds
 *     make bench ARGS="--rounds 1 --seconds 1 enqueue drain"
 */
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { spawnService } from "../test/support/service.ts";
import { type Figures, type Run, WORKLOADS } from "./workloads.ts";

const { values, positionals } = parseArgs({
  options: { rounds: { type: "string", default: "3" }, seconds: { type: "string", default: "5" } },
  allowPositionals: true,
});
const rounds = Number(values.rounds);
const chosen = positionals.length > 0 ? positionals : Object.keys(WORKLOADS);
const unknown = chosen.filter((name) => !(name in WORKLOADS));
if (unknown.length > 0 || !(rounds >= 1) || !(Number(values.seconds) > 0)) {
  console.error(`Workloads: ${Object.keys(WORKLOADS).join(", ")}. Options: --rounds N, --seconds N.`);
  process.exit(2);
}

const median = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
const short = (number: number) => (number >= 100 ? Math.round(number).toLocaleString("en") : number.toPrecision(3));

const dataDir = await mkdtemp(join(tmpdir(), "opensqs-bench-"));
const env = {
  DATA_DIR: dataDir,
  DATABASE_URL: "",
  ALLOW_UNSAFE_DATABASE: "off",
  NODE_ENV: "production",
  LOG_LEVEL: "info",
};
const service = await spawnService(env);
const measured = new Map<string, Figures[]>(chosen.map((name) => [name, []]));
try {
  const run: Run = { url: service.url, seconds: Number(values.seconds) };
  // Round by round over all workloads: the machine's moods then fall on each of them alike.
  for (let round = 1; round <= rounds; round++)
    for (const name of chosen) {
      const figures = await WORKLOADS[name]!.measure({ ...run, queue: `${name}-${round}` });
      measured.get(name)!.push(figures);
      console.error(`round ${round} ${name}: ${short(figures.perSecond)}/s`);
    }
} finally {
  await service.stop();
  await rm(dataDir, { recursive: true, force: true });
}

const cpu = cpus()[0]?.model ?? "unknown processor";
console.log(
  `${cpu}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB; Bun ${Bun.version}, PostgreSQL 18 (embedded), durable`,
);
console.log(`medians of ${rounds} rounds of ${values.seconds} s; lowest–highest in brackets\n`);
console.log("| workload | tasks/s | p50 ms | p99 ms |\n|---|---|---|---|");
for (const [name, all] of measured) {
  const rates = all.map(({ perSecond }) => perSecond);
  const spread = `${short(Math.min(...rates))}–${short(Math.max(...rates))}`;
  const of = (key: "p50" | "p99") => short(median(all.map((figures) => figures[key])));
  console.log(
    `| ${name}: ${WORKLOADS[name]!.what} | ${short(median(rates))} (${spread}) | ${of("p50")} | ${of("p99")} |`,
  );
}
