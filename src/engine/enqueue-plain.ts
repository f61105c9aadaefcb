import type { Db } from "../db/pool.ts";
import type { QueueRow } from "../domain/queue/queries.ts";
import { REMEMBERED_SECONDS } from "../domain/request/queries.ts";
import * as sql from "../domain/task/queries/enqueue-plain.ts";
import { formatReceipt } from "../domain/task/receipt.ts";
import { type Added, QueueGone } from "../domain/task/repository.ts";
import { type ClaimedView, time } from "../domain/task/views.ts";
import type { JsonObject } from "../lib/json.ts";
import type { ClaimDispatcher } from "./claim-dispatcher.ts";
import type { Ask, Kept } from "./claim-line.ts";
import type { EngineContext } from "./context.ts";
import { handOver } from "./hand-over.ts";
import { answersTo, type RequestKey, requestRow, type Told } from "./repeatable.ts";
import type { Came } from "./split.ts";

/** One call's plain tasks, as taskRow makes them. */
export interface PlainCall {
  readonly rows: readonly sql.PlainRow[];
  readonly request: RequestKey;
}

/** A batch of calls: which of them are the first with their requestIds, what those add and will have been answered. */
interface Batch {
  readonly calls: readonly PlainCall[];
  /** Per call; null for one without a requestId. */
  readonly requests: readonly ReturnType<typeof requestRow>[];
  readonly isFirst: (at: number) => boolean;
  readonly rows: readonly sql.PlainRequestRow[];
  readonly noted: readonly sql.AnsweredRequest[];
  /** When its tasks are added: the time of their ids. */
  readonly at: number;
}

const pending = ({ id }: { readonly id: string }): Added => ({ id, state: "pending", duplicate: false });

/**
 * Adds the plain tasks of calls on one queue, some of them perhaps with requestIds, in one statement: what they are
 * answered is known before. Calls that came before, or come twice in the batch, get the first one's answer. Tasks that a
 * claim waits for are handed to it by the same statement.
 */
export async function addPlain(
  context: EngineContext,
  dispatcher: ClaimDispatcher,
  queue: QueueRow,
  calls: readonly PlainCall[],
  at: number,
): Promise<Told<Added[]>[]> {
  const batch = batchOf(calls, at);
  const line = { projectId: queue.project_id, queue: queue.name };
  // Most batches come while nobody waits: they need no order.
  const order = dispatcher.isAwaited(line) ? inOrder(batch.rows) : [];
  const kept = dispatcher.keep(
    line,
    order.map((place) => batch.rows[place]!.name),
  );
  const came = new Map<Ask, Came<ClaimedView[]>>();
  try {
    const told = await context.hot.run(async (db) => {
      const taken =
        kept.length > 0 ? await addHanded(db, queue, batch, order, kept, came) : await add(db, queue, batch);
      return await answers(db, batch, new Set(taken));
    });
    const handed = [...came.values()].reduce((sum, one) => sum + ("answer" in one ? one.answer.length : 0), 0);
    if (handed < batch.rows.length) context.wakeups.wake(queue.id, { stirred: false });
    if (handed > 0) await handOver(context, queue, came);
    return told;
  } finally {
    dispatcher.settle(
      line,
      kept.map(({ one }) => one),
      came,
    );
  }
}

function batchOf(calls: readonly PlainCall[], at: number): Batch {
  const requests = calls.map(({ request }) => requestRow(request));
  const firstOf = new Map<string, number>();
  for (const [place, request] of requests.entries())
    if (request && !firstOf.has(request.requestId)) firstOf.set(request.requestId, place);
  const isFirst = (place: number) => requests[place] === null || firstOf.get(requests[place]!.requestId) === place;
  const rows = calls.flatMap((call, place) =>
    isFirst(place) ? call.rows.map((row) => ({ ...row, requestId: requests[place]?.requestId ?? null })) : [],
  );
  const noted = [...firstOf.values()].map((place) => ({
    ...requests[place]!,
    answer: JSON.stringify(calls[place]!.rows.map(pending)),
  }));
  return { calls, requests, isFirst, rows, noted, at };
}

/** The places of rows in the order in which their tasks leave. */
const inOrder = (rows: readonly sql.PlainRow[]): number[] =>
  [...rows.keys()].sort((a, b) => rows[a]!.priority - rows[b]!.priority || a - b);

/** Adds a batch for whoever comes; which requestIds were new. */
async function add(db: Db, queue: QueueRow, { rows, noted, at }: Batch): Promise<readonly string[]> {
  if (noted.length === 0) {
    if (!(await db.maybeOne(sql.enqueuePlainTasks(queue.id, rows, at)))) throw new QueueGone();
    return [];
  }
  const answer = await db.maybeOne(sql.enqueuePlainTasksOnce(queue.id, rows, at, noted, REMEMBERED_SECONDS));
  if (!answer) throw new QueueGone();
  return answer.taken;
}

/** Adds a batch, some of it claimed by those who were kept for it: notes in `came` what each of them got. */
async function addHanded(
  db: Db,
  queue: QueueRow,
  { rows, noted, at: addedAt }: Batch,
  order: readonly number[],
  kept: readonly Kept[],
  came: Map<Ask, Came<ClaimedView[]>>,
): Promise<readonly string[]> {
  const askOf = new Map(kept.flatMap(({ one, tasks }) => tasks.map((place) => [order[place]!, one.ask] as const)));
  const handed = rows.map((row, at) => {
    const ask = askOf.get(at);
    return { ...row, handed: !!ask, leaseSeconds: ask?.leaseSeconds ?? null, worker: ask?.worker ?? null };
  });
  const statement =
    noted.length === 0
      ? sql.enqueueHandedTasks(queue.id, handed, addedAt)
      : sql.enqueueHandedTasksOnce(queue.id, handed, addedAt, noted, REMEMBERED_SECONDS);
  const answer = await db.maybeOne(statement);
  if (!answer) throw new QueueGone();
  came.clear();
  if (answer.paused) return answer.taken;
  const taken = new Set(answer.taken);
  for (const { one, tasks } of kept) {
    const mine = tasks.map((place) => rows[order[place]!]!);
    const added = mine.filter(({ requestId }) => requestId === null || taken.has(requestId));
    const leaseSeconds = one.ask.leaseSeconds ?? answer.lease_seconds;
    came.set(one.ask, {
      answer: added.map((row) => firstAttempt(row, queue.name, { ...answer, addedAt, leaseSeconds })),
    });
  }
  return answer.taken;
}

interface Claimed {
  /** Epoch milliseconds. */
  readonly addedAt: number;
  readonly claimed_at: number;
  readonly max_attempts: number;
  readonly leaseSeconds: number;
}

/** A task that was claimed as it was added, as claiming answers it. */
function firstAttempt(row: sql.PlainRow, queue: string, claimed: Claimed): ClaimedView {
  return {
    id: row.id,
    queue,
    name: row.name,
    payload: JSON.parse(row.payload) as JsonObject,
    priority: row.priority,
    attempt: 1,
    maxAttempts: claimed.max_attempts,
    receipt: formatReceipt(row.id, 1, false),
    leaseExpiresAt: time(claimed.claimed_at + claimed.leaseSeconds * 1000),
    added: time(claimed.addedAt),
    tags: [],
    dependsOn: [],
    inputs: {},
  };
}

/** What each call is answered: the repeats what was noted for the first. */
async function answers(
  db: Db,
  { calls, requests, isFirst }: Batch,
  taken: ReadonlySet<string>,
): Promise<Told<Added[]>[]> {
  const isRepeat = (at: number) => !isFirst(at) || (requests[at] !== null && !taken.has(requests[at]!.requestId));
  const repeats = calls.flatMap((_, at) => (isRepeat(at) ? [at] : []));
  const told = await answersTo<Added[]>(
    db,
    repeats.map((at) => requests[at]!),
  );
  const toldAt = new Map(repeats.map((at, index) => [at, told[index]!]));
  return calls.map((call, at) => toldAt.get(at) ?? { answer: call.rows.map(pending) });
}
