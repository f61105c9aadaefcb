/**
 * What can be done with tasks, in terms of their rows. Each function runs on a connection the caller gives it: a pool when
 * one statement is the whole of it, a transaction where it says so.
 */
import type { Db } from "../../db/pool.ts";
import type { Outcome, State } from "./lifecycle.ts";
import * as catalogue from "./queries/catalogue.ts";
import * as change from "./queries/change.ts";
import * as dependencies from "./queries/dependencies.ts";
import * as enqueueing from "./queries/enqueue.ts";
import { enqueuePlainTasks, isPlain } from "./queries/enqueue-plain.ts";
import * as finishing from "./queries/finish.ts";
import type { Receipt } from "./receipt.ts";

export type { Ended, TaskKey } from "./queries/dependencies.ts";
export type { FailItem } from "./queries/finish.ts";

/** The queue went away between finding its number and using it. */
export class QueueGone extends Error {}

/** A moving task is in no narrow table for one snapshot; one that is never found is a fault that admin.verify reports. */
const LOOKS_MAX = 100;

export interface Added {
  readonly id: string;
  readonly state: State;
  readonly duplicate: boolean;
}

/** Adds tasks to one queue, in their order, with ids of the time `at` (epoch milliseconds); a second task with a key of the first is a duplicate of it. */
export async function addTasks(
  db: Db,
  queueId: number,
  rows: readonly enqueueing.TaskRow[],
  at: number,
): Promise<Added[]> {
  const firstOfKey = new Map<string, string>();
  let open: enqueueing.TaskRow[] = [];
  for (const row of rows) {
    if (row.dedupeKey !== null && firstOfKey.has(row.dedupeKey)) continue;
    if (row.dedupeKey !== null) firstOfKey.set(row.dedupeKey, row.id);
    open.push(row);
  }
  const added = new Set<string>();
  const holders = new Map<string, { id: string; state: State }>();
  for (let look = 0; open.length > 0; look++) {
    if (look === LOOKS_MAX) throw new Error(`Dedupe keys of queue ${queueId} keep changing hands.`);
    const statement = open.every(isPlain) ? enqueuePlainTasks : enqueueing.enqueueTasks;
    const answer = await db.maybeOne(statement(queueId, open, at));
    if (!answer) throw new QueueGone();
    const keyed = new Set(answer.keyed);
    const refused = open.filter((row) => row.dedupeKey !== null && !keyed.has(row.id));
    for (const row of open) if (row.dedupeKey === null || keyed.has(row.id)) added.add(row.id);
    for (const [key, holder] of await holdersOf(db, queueId, refused)) holders.set(key, holder);
    // A key that was given up between refusing its task and looking who holds it: the task is tried again.
    open = refused.filter((row) => !holders.has(row.dedupeKey!));
  }
  const stateOf = (row: enqueueing.TaskRow): State => (row.unmet > 0 ? "waiting" : "pending");
  const byId = new Map(rows.map((row) => [row.id, row]));
  return rows.map((row) => {
    if (added.has(row.id)) return { id: row.id, state: stateOf(row), duplicate: false };
    const first = firstOfKey.get(row.dedupeKey!)!;
    return added.has(first)
      ? { id: first, state: stateOf(byId.get(first)!), duplicate: true }
      : { ...holders.get(row.dedupeKey!)!, duplicate: true };
  });
}

/** The tasks that hold the keys of rows that were not added. Read anew: the holder may be newer than the statement. */
async function holdersOf(db: Db, queueId: number, refused: readonly enqueueing.TaskRow[]) {
  const holders = new Map<string, { id: string; state: State }>();
  if (refused.length === 0) return holders;
  const held = await db.any(
    enqueueing.keyHolders(
      queueId,
      refused.map((row) => row.dedupeKey!),
    ),
  );
  const states = await statesOf(
    db,
    queueId,
    held.map((h) => h.task_id),
  );
  for (const h of held) {
    const holder = states.get(h.task_id);
    if (holder) holders.set(h.key, { id: h.task_id, state: holder.state });
  }
  return holders;
}

/**
 * Takes a finished task's dedupe key back, before the task is made unfinished in the same transaction. False when another
 * unfinished task holds it. Three statements, since each must see what the one before waited for.
 */
export async function retakeKey(tx: Db, queueId: number, key: string, id: string): Promise<boolean> {
  await tx.any(enqueueing.ensureKey(queueId, key, id));
  await tx.one(enqueueing.lockKey(queueId, key));
  return (await tx.any(enqueueing.giveKey(queueId, key, id))).length > 0;
}

/** State and last lease of tasks of one queue; those that do not exist are left out. */
export async function statesOf(db: Db, queueId: number, ids: readonly string[]) {
  const rows = await db.any(finishing.lookAtReceipts(queueId, ids));
  return new Map(rows.map((row) => [row.id, { state: row.state as State, leaseSeq: row.lease_seq }]));
}

/** How the tasks ended that new tasks depend on. */
export interface Awaited {
  /** Those that have ended already; the others cannot end before the transaction does. */
  readonly ended: ReadonlyMap<string, Outcome>;
  /** A task that does not exist, if there is one. */
  readonly unknown: string | null;
  /** Queues with ready tasks among them: claims that came meanwhile have passed these by. */
  readonly passedBy: ReadonlySet<number>;
}

/** Marks tasks of any queues as waited for. */
export async function markAwaited(tx: Db, on: readonly dependencies.TaskKey[]): Promise<Awaited> {
  const ended = new Map<string, Outcome>();
  const passedBy = new Set<number>();
  let open = on;
  for (let look = 0; open.length > 0; look++) {
    if (look === LOOKS_MAX) throw new Error(`Tasks are in no state: ${open.map(({ id }) => id).join(", ")}`);
    const rows = await tx.any(dependencies.markAwaited(open));
    for (const row of rows) if (row.ready) passedBy.add(row.queue_id);
    const found = new Set(rows.map((row) => row.id));
    const rest = open.filter(({ id }) => !found.has(id));
    if (rest.length === 0) break;
    const known = new Map((await tx.any(dependencies.outcomes(rest))).map((row) => [row.id, row.outcome]));
    const unknown = rest.find(({ id }) => !known.has(id));
    if (unknown !== undefined) return { ended, unknown: unknown.id, passedBy };
    for (const { id } of rest) if (known.get(id)) ended.set(id, known.get(id)!);
    open = rest.filter(({ id }) => !known.get(id));
  }
  return { ended, unknown: null, passedBy };
}

/** What settling did: the queues that got ready tasks, and the tasks that ended with those they depended on. */
export interface Settled {
  readonly woken: Set<number>;
  /** Tasks that were waiting and are ready now. */
  readonly freed: string[];
  readonly ended: dependencies.Ended[];
}

/**
 * Carries the end of tasks on to those that wait for them, down the whole graph, and to their workflows, in the
 * transaction that ended them: each waiting task becomes pending, is cancelled or fails with its last, or first failed,
 * dependency.
 */
export async function settle(tx: Db, ended: readonly dependencies.Ended[]): Promise<Settled> {
  const settled: Settled = { woken: new Set(), freed: [], ended: [] };
  let frontier: readonly dependencies.Ended[] = ended;
  while (frontier.length > 0) {
    const rows = await tx.any(dependencies.settleEnded(frontier));
    for (const row of rows) {
      if (row.doomed) continue;
      settled.woken.add(row.queue_id);
      settled.freed.push(row.id);
    }
    frontier = await endDoomed(
      tx,
      rows.filter((row) => row.doomed).map((row) => ({ id: row.id, queueId: row.queue_id })),
    );
    settled.ended.push(...frontier);
  }
  return settled;
}

/** Ends waiting tasks that are doomed, and all that are doomed with them: the next to be settled. */
export async function endDoomed(tx: Db, doomed: readonly dependencies.TaskKey[]): Promise<dependencies.Ended[]> {
  if (doomed.length === 0) return [];
  const all = (await tx.any(dependencies.doomedWith(doomed))).map((row) => ({ id: row.id, queueId: row.queue_id }));
  const rows = await tx.any(dependencies.endWaiting(all));
  for (const [queueId, some] of groupBy(rows, (row) => row.queue_id)) await recatalogue(tx, queueId, some);
  return rows.map((row) => ({ id: row.id, queueId: row.queue_id, outcome: row.outcome }));
}

/** Brings up to date what the catalogue says of tasks of one queue that have changed, those of them that are in it. */
export async function recatalogue(
  db: Db,
  queueId: number,
  rows: readonly { readonly id: string; readonly catalogued: boolean }[],
): Promise<void> {
  const listed = rows.filter((row) => row.catalogued).map((row) => row.id);
  if (listed.length > 0) await db.any(catalogue.catalogueTasks(queueId, listed));
}

/** Removes tasks for good and settles those that waited for them, as if they had failed. */
export async function purge(tx: Db, queueId: number, ids: readonly string[], state: State | null) {
  const gone = await tx.any(change.purgeTasks(queueId, ids, state));
  const listed = gone.filter((row) => row.catalogued).map((row) => row.id);
  if (listed.length > 0) await tx.any(catalogue.uncatalogueTasks(queueId, listed));
  const awaited = gone
    .filter((row) => row.has_dependents)
    .map((row) => ({ id: row.id, queueId, outcome: "cancelled" as const }));
  return { count: gone.length, settled: await settle(tx, awaited) };
}

export function byQueue(keys: readonly dependencies.TaskKey[]): Map<number, dependencies.TaskKey[]> {
  return groupBy(keys, (key) => key.queueId);
}

export function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

export type { Receipt };
