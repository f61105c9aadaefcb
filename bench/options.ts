import { parseArgs } from "node:util";

export const HELP = `Measures openSQS beside what people would use instead, on this machine.

  make bench                                   everything, three rounds
  make bench ARGS="W1 W3 --rounds 1 --peers none"
  bun bench/run.ts --report bench/results/FILE [--plot docs/performance.svg]

Workloads, all unless some are named:
  W1      64 callers, one task a call            W5      5,000 tasks at other depths, and beside finished ones
  W2      4 callers, 1,000 tasks a call          W6      a steady mix while a snapshot is held, and a control run
  W3      one worker of 64 drains 50,000         W7      as W3, 8 processes of 8
  W3raw   the same by claims of 250              W8      two replicas on one database
  W3s     the same, one task a call              W9      memory of the service
  W4      from send to handler                   limits  what PostgreSQL and HTTP alone allow
                                                 callers W1 by number of callers (for --plot)
  catalogue  lists, searches and counts among many tasks ÷ among few
  graphs     workflows of different shapes ÷ as many plain tasks
  schedules  how late are tasks of schedules that are all due at once
  hostile    a good caller beside wrong keys, oversized bodies, idle sockets and long polls

  --rounds N           rounds over all workloads; W5, W6, W9 and callers are measured in the first only (3)
  --seconds N          length of W1, W2 and the limits (8)
  --warm-seconds N     our service runs under the same load for so long before W1, W2 and drains count; peers never do (0)
  --peers a,b|none     peers of bench-peers (pg-boss,graphile-worker,pgmq,bullmq:pg,bullmq:always,bullmq:everysec)
  --transports a,b     HTTP,WebSocket
  --connections N      WebSocket connections that a process's callers share (1)
  --tasks N            size of W3 and W7 (50000)
  --cap N              seconds after which a drain is stopped and its rate so far taken (60)
  --depths a,b         W5: other tasks waiting (0,100000,1000000)
  --finished N         W5: finished tasks put in first (10000000)
  --steady-seconds N   W6: length of each run (60)
  --memory-seconds N   W9: length of the enqueueing (600)
  --catalogued N       catalogue: tasks of the larger database (1000000; the smaller has a hundredth)
  --graph N            graphs: tasks of a workflow; the chain has a tenth (10000)
  --schedules N        schedules: how many (10000)
  --idle-sockets N     hostile: sockets that send half a head (10000)
  --hostile-seconds N  hostile: length of each run (20)
  --smoke              every workload of ours in tiny sizes, checking that each works, not how fast; writes no file
  --out FILE           results (bench/results/<date>-<workloads>.json)
  --report FILE        prints the tables of saved results again
  --plot FILE          draws "callers" as SVG

Environment: BENCH_DATABASE_URL (a superuser's URL of a server that holds nothing else; else an embedded PostgreSQL is started
in a temporary folder), BENCH_PEERS (the folder of bench-peers; ../shared/bench-peers), PGMQ_SQL (pgmq's own pgmq.sql) and
PGMQ_VERSION. The peers are copied to .bench/peers and installed there with npm. redis-server is used if it is in PATH.`;

export type TransportName = "HTTP" | "WebSocket";

/** How much of each workload is run. */
export interface Sizes {
  readonly seconds: number;
  /** W1 and W2: the same load before it counts. The peers have none, so for ours it has to be asked for. */
  readonly warmSeconds: number;
  /** The same for "callers", where there is no peer to be fair to and the service as it runs all day is of interest. */
  readonly sweepWarmSeconds: number;
  readonly tasks: number;
  readonly capSeconds: number;
  readonly pickupSeconds: number;
  /** W4: how long the worker has waited when the first task is sent; as in bench-peers. */
  readonly pickupWarmSeconds: number;
  /** W5: tasks that are not timed, tasks that are, and how often. Ours are quick, so more often than the peers' three. */
  readonly warm: number;
  readonly timed: number;
  readonly repeats: number;
  /** W5: how often it is done before it counts. */
  readonly warmUps: number;
  readonly depths: readonly number[];
  readonly finished: number;
  /** W6: how long the mix runs before the snapshot is taken and the figures begin. */
  readonly steadyWarmSeconds: number;
  readonly steadySeconds: number;
  readonly polls: number;
  readonly settleSeconds: number;
  readonly memorySeconds: number;
  readonly callers: readonly number[];
  /** catalogue: tasks of the two databases, and calls of each kind. */
  readonly catalogued: number;
  readonly cataloguedFew: number;
  readonly catalogueCalls: number;
  /** graphs: tasks of the fan-out and the lattice; the chain has a tenth. */
  readonly graph: number;
  /** schedules: how many are due at once. */
  readonly schedules: number;
  /** hostile: how long the good caller calls, before it counts and while it does; and how many sockets are idle. */
  readonly hostileWarmSeconds: number;
  readonly hostileSeconds: number;
  readonly idleSockets: number;
}

export interface Options {
  /** Empty: all. */
  readonly workloads: readonly string[];
  readonly rounds: number;
  readonly peers: readonly string[];
  readonly transports: readonly TransportName[];
  readonly connections: number;
  readonly sizes: Sizes;
  readonly smoke: boolean;
  readonly out: string | null;
  readonly report: string | null;
  readonly plot: string | null;
  readonly help: boolean;
}

const SMOKE: Sizes = {
  seconds: 0.2,
  warmSeconds: 0,
  sweepWarmSeconds: 0,
  tasks: 600,
  capSeconds: 20,
  pickupSeconds: 0.5,
  pickupWarmSeconds: 0.2,
  warm: 50,
  timed: 200,
  repeats: 1,
  warmUps: 0,
  depths: [0, 1000],
  finished: 2000,
  steadyWarmSeconds: 0.3,
  steadySeconds: 0.9,
  polls: 20,
  settleSeconds: 0.2,
  memorySeconds: 0.5,
  callers: [8],
  catalogued: 2_000,
  cataloguedFew: 200,
  catalogueCalls: 2,
  graph: 100,
  schedules: 100,
  hostileWarmSeconds: 0.2,
  hostileSeconds: 0.5,
  idleSockets: 100,
};

export class UsageError extends Error {}

/** Throws UsageError for what makes no sense. */
export function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parse(args);
  const smoke = values.smoke;
  const transports = list(values.transports).map((name) => {
    if (name !== "HTTP" && name !== "WebSocket") throw new UsageError(`No such transport: ${name}.`);
    return name;
  });
  if (transports.length === 0) throw new UsageError("--transports must name one.");
  const depths = list(values.depths).map((text) => number("depths", text, 0));
  if (depths.length === 0) throw new UsageError("--depths must have one.");
  return {
    workloads: positionals,
    rounds: smoke ? 1 : number("rounds", values.rounds, 1),
    peers: smoke || values.peers === "none" ? [] : list(values.peers),
    transports,
    connections: number("connections", values.connections, 1),
    sizes: smoke ? SMOKE : { ...fullSizes(values), depths },
    smoke,
    out: values.out ?? null,
    report: values.report ?? null,
    plot: values.plot ?? null,
    help: values.help,
  };
}

function parse(args: readonly string[]) {
  const text = (fallback: string) => ({ type: "string", default: fallback }) as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        rounds: text("3"),
        seconds: text("8"),
        peers: text("pg-boss,graphile-worker,pgmq,bullmq:pg,bullmq:always,bullmq:everysec"),
        transports: text("HTTP,WebSocket"),
        connections: text("1"),
        "warm-seconds": text("0"),
        tasks: text("50000"),
        cap: text("60"),
        depths: text("0,100000,1000000"),
        finished: text("10000000"),
        "steady-seconds": text("60"),
        "memory-seconds": text("600"),
        catalogued: text("1000000"),
        graph: text("10000"),
        schedules: text("10000"),
        "idle-sockets": text("10000"),
        "hostile-seconds": text("20"),
        smoke: { type: "boolean", default: false },
        out: { type: "string" },
        report: { type: "string" },
        plot: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function fullSizes(values: ReturnType<typeof parse>["values"]): Sizes {
  return {
    seconds: number("seconds", values.seconds, 0.1),
    warmSeconds: number("warm-seconds", values["warm-seconds"], 0),
    sweepWarmSeconds: 3,
    tasks: number("tasks", values.tasks, 1),
    capSeconds: number("cap", values.cap, 1),
    pickupSeconds: 10,
    pickupWarmSeconds: 1.5,
    warm: 1000,
    timed: 5000,
    repeats: 21,
    warmUps: 2,
    depths: [],
    finished: number("finished", values.finished, 0),
    steadyWarmSeconds: 5,
    steadySeconds: number("steady-seconds", values["steady-seconds"], 1),
    polls: 1000,
    settleSeconds: 5,
    memorySeconds: number("memory-seconds", values["memory-seconds"], 1),
    callers: [1, 2, 4, 8, 16, 32, 64, 128, 256],
    catalogued: number("catalogued", values.catalogued, 100),
    cataloguedFew: Math.ceil(number("catalogued", values.catalogued, 100) / 100),
    catalogueCalls: 100,
    graph: number("graph", values.graph, 10),
    schedules: number("schedules", values.schedules, 1),
    hostileWarmSeconds: 10,
    hostileSeconds: number("hostile-seconds", values["hostile-seconds"], 0.1),
    idleSockets: number("idle-sockets", values["idle-sockets"], 1),
  };
}

function list(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

function number(name: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= least) || !Number.isFinite(value))
    throw new UsageError(`--${name} must be a number not below ${least}, not ${JSON.stringify(text)}.`);
  return value;
}
