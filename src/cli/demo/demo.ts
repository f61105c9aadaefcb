import { mkdir, readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Client, createClient, type Task } from "../../client/index.ts";
import type { CommandContext } from "../context.ts";
import type { TextOutput } from "../deps.ts";
import { progressBar } from "../progress-bar.ts";
import { sleep } from "../wait.ts";
import type { Accepted } from "./demo-worker.ts";
import { HOPELESS, LEASE_SECONDS, plannedTasks, QUEUE_POLICY, TASK_COUNT } from "./plan.ts";
import { type Child, freePort, startChild, untilReady } from "./processes.ts";
import { resultTable, whatNext } from "./story.ts";
import { tally } from "./tally.ts";

const QUEUE = "demo";
const POLL_MS = 100;
/** A run takes about ten seconds; this is for one that hangs. */
const GIVE_UP_MS = 120_000;

/** Set for another service, and nothing that these processes should know. */
const NOT_THE_DEMOS = {
  DATABASE_URL: null,
  LISTEN_DATABASE_URL: null,
  ADMIN_KEY: null,
  AUTH_SECRET: null,
  OPENSQS_KEY: null,
  PUBLIC_URL: null,
  TRUSTED_PROXIES: null,
};

/** What the steps of the demo share. */
interface Stage {
  readonly context: CommandContext;
  readonly client: Client;
  readonly url: string;
  readonly folder: string;
  readonly say: TextOutput;
  readonly children: Child[];
}

/**
 * The whole story, on a service of its own. Answers true when nothing was lost and nothing was done twice. Ends all its
 * processes and removes their files, also when it is interrupted.
 */
export async function demo(context: CommandContext): Promise<boolean> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const folder = join(resolve(context.config.dataDir), "demo");
  const say = context.json ? context.stderr : context.stdout;
  const stage: Stage = { context, client: createClient({ url }), url, folder, say, children: [] };
  await mkdir(folder, { recursive: true });
  try {
    await startService(stage);
    const enqueued = await enqueueAll(stage);
    const startedMs = performance.now();
    await workAndKill(stage);
    return await settle(stage, enqueued, (performance.now() - startedMs) / 1000);
  } finally {
    // Workers first: they report to the service.
    for (const child of stage.children.reverse()) await child.end();
    await rm(folder, { recursive: true, force: true });
  }
}

async function startService(stage: Stage): Promise<void> {
  const { context, url, folder, say } = stage;
  say.write("Starting a service with a PostgreSQL of its own; that takes some seconds …\n");
  const service = startChild([...context.program, "demo-serve"], {
    ...NOT_THE_DEMOS,
    HOST: "127.0.0.1",
    AUTH: "off",
    PORT: new URL(url).port,
    DATA_DIR: join(folder, "data"),
    LOG_LEVEL: "warn",
  });
  stage.children.push(service);
  await untilReady(url, service, context.signal);
  say.write(`It listens at ${url}.\n`);
}

/** Enqueues the plan and answers the ids that the service acknowledged. */
async function enqueueAll({ client, context, say }: Stage): Promise<string[]> {
  const { signal } = context;
  // A demo that was killed leaves its queue behind.
  await client.queue.delete({ name: QUEUE, force: true }, { signal }).catch(() => undefined);
  await client.queue.create({ name: QUEUE, ...QUEUE_POLICY }, { signal });
  const startedMs = performance.now();
  const { tasks } = await client.task.enqueueMany({ queue: QUEUE, tasks: plannedTasks().slice(0, 1000) }, { signal });
  const rest = await client.task.enqueueMany({ queue: QUEUE, tasks: plannedTasks().slice(1000) }, { signal });
  const took = (performance.now() - startedMs) / 1000;
  say.write(`${TASK_COUNT} tasks enqueued and acknowledged in ${took.toFixed(2)} s.\n`);
  return [...tasks, ...rest.tasks].map(({ id }) => id);
}

async function workAndKill(stage: Stage): Promise<void> {
  const { context, client, say } = stage;
  const [first] = [startWorker(stage, 1), startWorker(stage, 2)];
  say.write("Two worker processes start, 30 tasks at once each. One is killed half-way.\n\n");
  const bar = progressBar(say, "finished", TASK_COUNT);
  const deadline = performance.now() + GIVE_UP_MS;
  let killed = false;
  for (;;) {
    const stats = await client.queue.stats({ name: QUEUE }, { signal: context.signal });
    if ("queues" in stats) throw new Error("queue.stats answered for all queues, and was asked for one.");
    const finished = stats.completed + stats.failed;
    bar.update(finished, `claimed ${stats.claimed}, delayed ${stats.delayed}, dead ${stats.failed}`);
    if (finished >= TASK_COUNT) break;
    if (!killed && finished >= TASK_COUNT / 2) {
      killed = true;
      first!.kill();
      bar.end();
      say.write(`Worker 1 is killed (SIGKILL). Its leases run out in ${LEASE_SECONDS} s; then others take over.\n`);
    }
    if (performance.now() > deadline) break;
    await sleep(POLL_MS, context.signal);
  }
  bar.end();
}

function startWorker({ context, url, folder, children }: Stage, number: number): Child {
  const command = [...context.program, "--url", url, "demo-worker", QUEUE, reportFile(folder, number)];
  const child = startChild(command, NOT_THE_DEMOS);
  children.push(child);
  return child;
}

const reportFile = (folder: string, number: number) => join(folder, `worker-${number}.ndjson`);

/** Reads both sides of the story, compares them, and tells. */
async function settle(
  { context, client, folder, say, children }: Stage,
  enqueued: string[],
  seconds: number,
): Promise<boolean> {
  const tasks = await allTasks(client, context.signal);
  const accepted = (await Promise.all([1, 2].map((number) => readReport(reportFile(folder, number))))).flat();
  const counts = tally(enqueued, tasks, accepted);
  const { ok: verified, violations } = await client.admin.verify({}, { signal: context.signal });
  const perSecond = Math.round((counts.completed + counts.dead) / seconds);
  const asPlanned = counts.lost === 0 && counts.double === 0 && counts.dead === HOPELESS && verified;
  say.write(resultTable({ ...counts, seconds, perSecond }));
  if (!verified)
    say.write(`admin.verify found: ${violations.map(({ rule, count }) => `${rule} (${count})`).join(", ")}\n`);
  if (asPlanned) say.write(whatNext());
  else say.write(`This is not as it should be. What the service and the workers said last:\n${logsOf(children)}`);
  if (context.json) context.stdout.write(`${JSON.stringify({ ...counts, seconds, perSecond, verified })}\n`);
  return asPlanned;
}

function logsOf(children: readonly Child[]): string {
  return children.map((child) => `--- process ${child.pid}\n${child.log()}\n`).join("");
}

async function allTasks(client: Client, signal: AbortSignal): Promise<Task[]> {
  const all: Task[] = [];
  let cursor: string | null = null;
  do {
    const page: { tasks: Task[]; nextCursor: string | null } = await client.task.list(
      { queue: QUEUE, limit: 1000, ...(cursor === null ? {} : { cursor }) },
      { signal },
    );
    all.push(...page.tasks);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return all;
}

async function readReport(file: string): Promise<Accepted[]> {
  // A worker that completed nothing wrote no file. A line cut short by the kill cannot be: each is one write.
  const text = await readFile(file, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Accepted);
}
