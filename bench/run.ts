/** Measures openSQS beside its peers. `make bench`, or `bun bench/run.ts --help`. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeMachine } from "./machine.ts";
import { HELP, type Options, readOptions, UsageError } from "./options.ts";
import { type Peers, preparePeers } from "./peers.ts";
import { plot } from "./plot.ts";
import { startServer } from "./postgres.ts";
import { renderReport } from "./report.ts";
import { type Report, type Row, readReport, writeReport } from "./rows.ts";
import { problemsOf } from "./smoke.ts";
import type { Stage } from "./stage.ts";
import { WORKLOADS } from "./workloads/index.ts";
import type { Workload } from "./workloads/workload.ts";

const RESULTS = fileURLToPath(new URL("./results", import.meta.url));

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  if (options.report !== null) {
    await show(readReport(await readFile(options.report, "utf8")), options);
    return 0;
  }
  const chosen = choose(options.workloads);
  const report = await measureAll(chosen, options);
  if (options.smoke) {
    const names = chosen.map(({ name }) => name);
    // Our own server can tell everything.
    const untold = process.env.BENCH_DATABASE_URL ? [] : report.skipped;
    return tellProblems([...untold, ...problemsOf(report.rows, names)]);
  }
  const file = options.out ?? join(RESULTS, `${nameOf(report.at, options.workloads)}.json`);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, writeReport(report));
  await show(report, options);
  return report.rows.some(({ error, who }) => error !== undefined && who === "openSQS") ? 1 : 0;
}

function choose(names: readonly string[]): Workload[] {
  const known = new Map(WORKLOADS.map((workload) => [workload.name, workload]));
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0)
    throw new UsageError(`No such workload: ${unknown.join(", ")}; there are ${[...known.keys()].join(", ")}.`);
  return WORKLOADS.filter(({ name }) => names.length === 0 || names.includes(name));
}

function nameOf(at: string, workloads: readonly string[]): string {
  return `${at.slice(0, 16).replace("T", "-").replace(":", "")}-${workloads.join("-") || "all"}`;
}

async function show(report: Report, { plot: file }: Options): Promise<void> {
  console.log(renderReport(report));
  if (file !== null) await writeFile(file, plot(report.rows));
}

/** Ours, then each peer, workload by workload and round by round: the machine's moods then fall on all alike. */
async function measureAll(chosen: readonly Workload[], options: Options): Promise<Report> {
  const at = new Date().toISOString();
  await using stack = new AsyncDisposableStack();
  const live = new Set<AsyncDisposable>();
  stopOnSignals(live, stack);
  const server = stack.use(await startServer(process.env.BENCH_DATABASE_URL, options.smoke));
  const peers = stack.use(await preparePeers(options.peers, server));
  const { sizes, transports, connections } = options;
  const stage: Stage = { server, sizes, transports, connections, live };
  const rows: Row[] = [];
  const add = (row: Row) => {
    rows.push(row);
    console.error(lineOf(row));
  };
  for (let round = 1; round <= options.rounds; round++)
    await inLanes(options.smoke ? SMOKE_LANES : 1, chosen, async (workload) => {
      if (workload.once && round > 1) return;
      await measureOurs(workload, stage, round, add);
      await measurePeers(workload, peers, stage, round, add);
    });
  const { workloads, rounds } = options;
  return {
    format: 1,
    at,
    machine: { ...describeMachine(), ...server.about, ...peers.about },
    options: { workloads, rounds, transports, connections, peers: peers.names, ...sizes },
    skipped: [...server.skipped, ...peers.skipped],
    rows,
  };
}

/** Where speed is not asked for, workloads are run side by side. */
const SMOKE_LANES = 3;

async function inLanes<T>(lanes: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const lane = async () => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function measureOurs(workload: Workload, stage: Stage, round: number, add: (row: Row) => void): Promise<void> {
  const head = () => ({
    at: new Date().toISOString(),
    workload: workload.name,
    who: "openSQS",
    round,
    load: loadavg()[0]!,
  });
  let next = head();
  try {
    await workload.run(stage, (measurement) => {
      add({ ...next, ...measurement });
      next = head();
    });
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    add({ ...next, how: "", figures: {}, error: reason.slice(0, 1000) });
  }
}

async function measurePeers(
  { name, peers: plans }: Workload,
  peers: Peers,
  { sizes }: Stage,
  round: number,
  add: (row: Row) => void,
): Promise<void> {
  for (const plan of plans)
    for (const peer of peers.names) for (const row of await peers.measure(plan, peer, name, round, sizes)) add(row);
}

/** One line of progress. */
function lineOf({ round, workload, who, how, figures, error }: Row): string {
  const shown = Object.entries(figures).map(([key, value]) => `${key} ${value ?? "–"}`);
  return `round ${round} ${workload} ${who} ${how}: ${error ?? shown.join(", ")}`;
}

function tellProblems(problems: readonly string[]): number {
  for (const problem of problems) console.error(problem);
  console.log(problems.length === 0 ? "The bench works." : `The bench does not work: ${problems.length} problems.`);
  return problems.length === 0 ? 0 : 1;
}

/** Whatever was started ends with the bench, however that ends. */
function stopOnSignals(live: ReadonlySet<AsyncDisposable>, stack: AsyncDisposableStack): void {
  const stop = async () => {
    await Promise.allSettled([...live].map((run) => run[Symbol.asyncDispose]()));
    await stack.disposeAsync();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => void stop().finally(() => process.exit(130)));
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\nbun bench/run.ts --help tells more.`);
  process.exit(2);
}
