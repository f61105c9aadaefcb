/**
 * A project filled with everything there is, and what of it somebody else could try: for each value that belongs to it a
 * twin of the same shape that belongs to nobody.
 */
import { formatReceipt, parseReceipt } from "../../src/domain/task/receipt.ts";
import type { Contract } from "../../src/rpc/methods/index.ts";
import type { Kind } from "./params.ts";
import { unknownId } from "./stage.ts";

type Call = <M extends keyof Contract>(method: M, params: Contract[M]["params"]) => Promise<Contract[M]["result"]>;

/** A value of the filled project, and its twin. */
export type Pair = readonly [foreign: unknown, twin: unknown];

/** Stands in everything of the filled project that nobody could name: descriptions, payloads, results, errors, notes. */
export const SECRET = "sesame";

export interface Filled {
  readonly pairs: Readonly<Record<Kind, readonly Pair[]>>;
  /** Cursors of the project's lists, by method. */
  readonly cursors: Readonly<Record<string, readonly Pair[]>>;
  /** All texts by which the project would be known in an answer. */
  readonly marks: readonly string[];
}

/** Of the same length and the same place among names, but another. */
const twinName = (name: string): string => `${name.slice(0, -1)}${name.at(-1) === "q" ? "r" : "q"}`;
/** Of the same moment; of a queue and a project that there are not. */
const twinId = (id: string): string => id.slice(0, 15) + unknownId().slice(15);
const twinReceipt = (receipt: string): string => {
  const { id, leaseSeq, awaited } = parseReceipt(receipt)!;
  return formatReceipt(twinId(id), leaseSeq, awaited);
};

const pairsOf = <T>(twin: (value: T) => T, ...values: T[]): Pair[] => values.map((value) => [value, twin(value)]);
const names = (...values: string[]) => pairsOf(twinName, ...values);
const ids = (...values: string[]) => pairsOf(twinId, ...values);

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const TIME = /^\d{4}-\d\d-\d\d |^\d+$|^-?\w+$/;

function twinCursor(cursor: string): string {
  const parts = JSON.parse(Buffer.from(cursor, "base64url").toString()) as string[];
  const twins = parts.map((part) => (UUID.test(part) ? twinId(part) : /aleph/.test(part) ? twinName(part) : part));
  if (twins.join() === parts.join() && !parts.every((part) => TIME.test(part))) throw new Error(`A cursor of ${parts}`);
  return Buffer.from(JSON.stringify(twins)).toString("base64url");
}

/** Far off, so that no schedule fires and no lease runs out in a test. */
const LATER = "2099-01-01T00:00:00.000Z";
const LEASE = { leaseSeconds: 43_200 };

/** Fills a project. Every name that it makes begins with `aleph`. */
export async function fill(call: Call, project: string): Promise<Filled> {
  const queue = "aleph-mail";
  const about = { description: `${SECRET} described`, payload: { aleph: SECRET } };
  const worker = "aleph-worker";
  await call("queue.create", { project, name: queue, description: SECRET, maxAttempts: 1 });
  await call("queue.create", { project, name: "aleph-print", description: SECRET });
  await call("category.create", { project, name: "aleph-category", description: SECRET });
  await call("category.create", { project, name: "aleph-child", parent: "aleph-category", description: SECRET });
  await call("tag.create", { project, name: "aleph-tag", colour: "#abcdef" });
  const add = async (more: Partial<Contract["task.enqueue"]["params"]> = {}) =>
    (
      await call("task.enqueue", {
        project,
        queue,
        name: "aleph-name",
        ...about,
        tags: ["aleph-tag", "aleph-other"],
        categories: ["aleph-child"],
        ownerId: "aleph-owner",
        dueAt: LATER,
        ...more,
      })
    ).id;
  const take = async (id: string) => {
    const { tasks } = await call("task.claim", { project, queue, worker, limit: 1, ...LEASE });
    if (tasks[0]?.id !== id) throw new Error("Another task was claimed.");
    return tasks[0].receipt;
  };
  const completed = await add();
  const completedBy = await take(completed);
  await call("task.complete", { project, receipt: completedBy, result: { aleph: SECRET } });
  const failed = await add();
  const failedBy = await take(failed);
  await call("task.fail", { project, receipt: failedBy, error: { message: SECRET, code: SECRET }, retry: false });
  const cancelled = await add();
  await call("task.cancel", { project, id: cancelled, reason: SECRET });
  const deleted = await add();
  await call("task.delete", { project, id: deleted });
  const claimed = await add({ requestId: "aleph-request", dedupeKey: "aleph-taken" });
  const claimedBy = await take(claimed);
  await call("task.progress", { project, receipt: claimedBy, percent: 50, note: SECRET });
  const waiting = await add({ dependsOn: [claimed] });
  const pending = await add({ dedupeKey: "aleph-held", delaySeconds: 1_000_000 });
  const workflow = await call("workflow.create", {
    project,
    name: "aleph-flow",
    queue: "aleph-print",
    tasks: [
      { key: "aleph-first", ...about },
      { key: "aleph-second", dependsOn: ["aleph-first"], ...about },
    ],
  });
  await call("workflow.create", { project, name: "aleph-flow", queue: "aleph-print", tasks: [{ key: "aleph-first" }] });
  for (const name of ["aleph-schedule", "aleph-weekly"])
    await call("schedule.create", {
      project,
      name,
      queue,
      cron: "0 0 1 1 *",
      startAt: LATER,
      task: { name: "aleph-name", payload: { aleph: SECRET } },
    });
  const key = await call("apiKey.create", { project, name: "aleph-program", scopes: ["task:read"] });
  await call("apiKey.create", { project, name: "aleph-program", scopes: ["task:read"] });
  await call("task.claim", { project, queue: "aleph-print", worker: "aleph-second-worker", limit: 1, ...LEASE });

  const cursors: Record<string, readonly Pair[]> = {};
  const page = async (method: string, cursor: Promise<{ nextCursor: string | null }>) => {
    const { nextCursor } = await cursor;
    if (nextCursor === null) throw new Error(`${method} gave no cursor.`);
    cursors[method] = [...(cursors[method] ?? []), [nextCursor, twinCursor(nextCursor)]];
  };
  const of = { project, limit: 1 };
  await page("worker.list", call("worker.list", of));
  await page("worker.tasks", call("worker.tasks", { ...of, id: worker }));
  for (const sort of ["-added", "added", "dueAt", "priority", "-finished"] as const)
    await page("task.list", call("task.list", { ...of, sort }));
  await page("task.list", call("task.list", { ...of, sort: "relevance", text: SECRET }));
  await page("queue.list", call("queue.list", of));
  await page("workflow.list", call("workflow.list", of));
  await page("tag.list", call("tag.list", of));
  await page("category.list", call("category.list", of));
  await page("schedule.list", call("schedule.list", of));
  await page("apiKey.list", call("apiKey.list", of));
  await page("project.list", call("project.list", { limit: 1 }));

  const pairs: Record<Kind, readonly Pair[]> = {
    task: ids(completed, failed, cancelled, deleted, claimed, waiting, pending, String(workflow.tasks["aleph-first"])),
    receipt: pairsOf(twinReceipt, claimedBy, completedBy, failedBy),
    workflow: ids(workflow.id),
    key: ids(key.id),
    worker: names(worker),
    queue: names(queue),
    project: names(project, "default"),
    tag: names("aleph-tag"),
    category: names("aleph-child", "aleph-category"),
    schedule: names("aleph-schedule"),
    taskName: names("aleph-name"),
    workflowName: names("aleph-flow"),
    workflowKey: names("aleph-first"),
    keyName: names("aleph-program"),
    owner: names("aleph-owner"),
    dedupeKey: names("aleph-held", "aleph-taken"),
    requestId: names("aleph-request"),
    cursor: [],
    text: names(SECRET),
    payload: [[{ aleph: SECRET }, { aleph: twinName(SECRET) }]],
    user: names("aleph-user"),
  };
  const values = Object.values(pairs).flatMap((some) => some.map(([foreign]) => foreign));
  // A project named so is everybody's default, and may be told.
  const marks = values.filter((value) => typeof value === "string" && value !== "default");
  return { pairs, cursors, marks: marks as string[] };
}
