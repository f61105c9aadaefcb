import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Sizes } from "./options.ts";
import { rowsOf } from "./peer-rows.ts";
import type { Server } from "./postgres.ts";
import { type RedisServer, startRedis } from "./redis.ts";
import type { Row } from "./rows.ts";
import type { PeerPlan } from "./workloads/workload.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CACHE = join(ROOT, ".bench");
const COPY = join(CACHE, "peers");
/** bench-peers needs Node 24, which runs its TypeScript as it is; the machine's may be older. */
const NODE = join(COPY, "node_modules", "node", "bin", "node");

/** The queues that ours is measured against, each run by bench-peers in processes of its own. */
export interface Peers extends AsyncDisposable {
  readonly names: readonly string[];
  /** Peers that cannot run here, and why. */
  readonly skipped: readonly string[];
  /** Versions, for the report; a peer's own appears once it was measured. */
  readonly about: Readonly<Record<string, string>>;
  /** One round of one workload. A failure is a row with an error. */
  measure(plan: PeerPlan, peer: string, workload: string, round: number, sizes: Sizes): Promise<Row[]>;
}

export async function preparePeers(wanted: readonly string[], server: Server): Promise<Peers> {
  const folder = resolve(ROOT, process.env.BENCH_PEERS ?? "../shared/bench-peers");
  if (wanted.length === 0) return nobody([]);
  if (!existsSync(join(folder, "run.ts")))
    return nobody(["all peers: there is no bench-peers beside this project (BENCH_PEERS)"]);
  await install(folder);
  const skipped: string[] = [];
  const names = wanted.filter((peer) => {
    const reason = whyNot(peer);
    if (reason !== null) skipped.push(`${peer}: ${reason}`);
    return reason === null;
  });
  const redis = names.some(needsRedis) ? await startRedis() : null;
  return new InstalledPeers(names, skipped, server, redis);
}

const nobody = (skipped: readonly string[]): Peers => ({
  names: [],
  skipped,
  about: {},
  measure: async () => [],
  [Symbol.asyncDispose]: async () => {},
});

const needsRedis = (peer: string) => /^bullmq(:(always|everysec))?$/.test(peer);

function whyNot(peer: string): string | null {
  if (needsRedis(peer) && Bun.which("redis-server") === null) return "redis-server is not in PATH";
  const sql = process.env.PGMQ_SQL;
  if (peer.startsWith("pgmq") && !(sql && existsSync(sql))) return "PGMQ_SQL does not name pgmq's SQL file";
  if (peer.startsWith("beanstalkd") && !process.env.BEANSTALK_URL) return "BEANSTALK_URL is not set";
  return null;
}

/** Copies bench-peers and installs what it needs, unless that is done already. */
async function install(folder: string): Promise<void> {
  const mark = join(COPY, ".installed");
  const state = await hashOf(folder);
  if ((await readFile(mark, "utf8").catch(() => "")) === state) return;
  console.error("installing the peers into .bench/peers");
  await rm(COPY, { recursive: true, force: true });
  await mkdir(CACHE, { recursive: true });
  // So that nothing in here is ever committed, whatever .gitignore says.
  await writeFile(join(CACHE, ".gitignore"), "*\n");
  await cp(folder, COPY, { recursive: true, filter: (path) => !path.includes("node_modules") });
  // The original may be read-only, and so its copy.
  for (const entry of await readdir(COPY, { recursive: true, withFileTypes: true }))
    await chmod(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
  await chmod(COPY, 0o755);
  const npm = Bun.spawn(["npm", "install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error", "node@24"], {
    cwd: COPY,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if ((await npm.exited) !== 0) throw new Error("npm could not install the peers; see above, or use --peers none.");
  await writeFile(mark, state);
}

async function hashOf(folder: string): Promise<string> {
  const hash = createHash("sha256");
  const files = (await readdir(folder, { recursive: true })).filter((name) => /^[^/]+\.(ts|json)$|^peers\//.test(name));
  for (const name of files.sort()) hash.update(name).update(await readFile(join(folder, name)));
  return hash.digest("hex");
}

class InstalledPeers implements Peers {
  readonly names: readonly string[];
  readonly skipped: readonly string[];
  readonly about: Record<string, string> = {};
  readonly #server: Server;
  readonly #redis: RedisServer | null;
  #running: Bun.Subprocess | null = null;

  constructor(names: readonly string[], skipped: readonly string[], server: Server, redis: RedisServer | null) {
    this.names = names;
    this.skipped = skipped;
    this.#server = server;
    this.#redis = redis;
    this.about.Node = Bun.spawnSync([NODE, "--version"]).stdout.toString().trim().replace(/^v/, "");
    if (redis) this.about.Redis = redis.version;
  }

  async measure(plan: PeerPlan, peer: string, workload: string, round: number, sizes: Sizes): Promise<Row[]> {
    const name = plan.as(peer);
    if (name === null) return [];
    const at = new Date().toISOString();
    const { lines, problem } = await this.#run(plan, name, sizes);
    for (const line of lines) if (line.workload === "about" && line.version) this.about[peer] = String(line.version);
    const rows = rowsOf(lines, { workload, who: peer, round });
    if (rows.length > 0) return rows;
    const error = problem || "bench-peers gave no figures";
    return [{ at, workload, who: peer, how: "", round, load: 0, figures: {}, error }];
  }

  async #run(plan: PeerPlan, name: string, sizes: Sizes) {
    const folder = await mkdtemp(join(tmpdir(), "opensqs-bench-peer-"));
    const out = join(folder, "rows.jsonl");
    const args = [
      ...["--peers", name, "--workloads", plan.workload, "--rounds", "1", "--out", out],
      ...["--seconds", String(sizes.seconds), "--jobs", String(sizes.tasks), "--cap", String(sizes.capSeconds)],
      ...["--depths", sizes.depths.join(), "--steady", String(sizes.steadySeconds), ...(plan.args ?? [])],
    ];
    const child = Bun.spawn([NODE, "run.ts", ...args], {
      cwd: COPY,
      env: {
        ...process.env,
        DATABASE_URL: this.#server.url,
        ...(this.#redis ? { REDIS_URL: this.#redis.url } : {}),
        NODE_NO_WARNINGS: "1",
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#running = child;
    const said = await new Response(child.stderr).text();
    await child.exited;
    this.#running = null;
    const text = await readFile(out, "utf8").catch(() => "");
    await rm(folder, { recursive: true, force: true });
    const lines = text.split("\n").filter((line) => line !== "");
    return {
      lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>),
      problem: said.trim().split("\n").slice(-3).join(" "),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#running?.kill();
    await this.#running?.exited;
    await this.#redis?.[Symbol.asyncDispose]();
  }
}
