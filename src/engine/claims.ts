import { isUnavailable } from "../db/failure.ts";
import { type Db, NoConnection } from "../db/pool.ts";
import type { QueueRow } from "../domain/queue/queries.ts";
import { Refusal } from "../domain/refusals.ts";
import * as sql from "../domain/task/queries/claim.ts";
import { type ClaimedView, claimedView } from "../domain/task/views.ts";
import type { ClaimDispatcher, Counters, QueueName } from "./claim-dispatcher.ts";
import { ANY, type Ask, type Round } from "./claim-line.ts";
import type { EngineContext, Sizes } from "./context.ts";
import type { Call, ClaimParams } from "./engine.ts";
import { handOver } from "./hand-over.ts";
import type { Start } from "./lower-bounds.ts";
import { answered, repeatable, repeatableAll, type Told } from "./repeatable.ts";
import { type Came, runSplitting } from "./split.ts";

const METHOD = "task.claim";
/** Queues or names looked at by one statement. */
const LOOK_MAX = 500;

/** The claiming part of the engine. At most `waitersMax` claims wait at a time. */
export function claiming(context: EngineContext, dispatcher: ClaimDispatcher, waitersMax: number) {
  context.wakeups.listen(({ queueId, marked: stirred }) => {
    if (stirred) context.bounds.stir(queueId);
    const queue = context.directory.known(queueId);
    if (queue) dispatcher.wake({ projectId: queue.project_id, queue: queue.name });
  });

  return async function claim(params: ClaimParams, call: Call): Promise<ClaimedView[]> {
    const projectId = await context.directory.projectOf(params, call);
    const { requestId, worker } = params;
    if (requestId !== undefined) {
      const first = await answered<ClaimedView[]>(context.hot, { projectId, requestId, method: METHOD, params });
      if (first) return first;
    }
    if (worker !== undefined) context.workers.note(projectId, worker, {});
    const ask = askOf(projectId, params, call.signal);
    const found = await serve(dispatcher, waitersMax, ask, params.waitSeconds * 1000);
    if (found) return found;
    // An empty answer is an answer too: a repeat must not take what the first call did not.
    if (requestId === undefined || call.signal.aborted) return [];
    return await repeatable<ClaimedView[]>(context.hot, { ...ask.request, requestId }, async () => []);
  };
}

async function serve(
  dispatcher: ClaimDispatcher,
  waitersMax: number,
  ask: Ask,
  waitMs: number,
): Promise<ClaimedView[] | null> {
  if (ask.signal.aborted) return null;
  if (waitMs === 0) return await dispatcher.look(ask);
  if (dispatcher.waiting < waitersMax) return await dispatcher.wait(ask, waitMs);
  // There is no room to wait, but what is there can be had.
  const found = await dispatcher.look(ask);
  if (!found) throw new Refusal("overloaded", { retryAfterSeconds: 1 });
  return found;
}

function askOf(projectId: number, params: ClaimParams, signal: AbortSignal): Ask {
  const { names, requestId } = params;
  const filter = names ? JSON.stringify([...new Set(names)].sort()) : ANY;
  return {
    projectId,
    queues: params.queues,
    names: names ? [...new Set(names)] : null,
    limit: params.limit,
    leaseSeconds: params.leaseSeconds ?? null,
    worker: params.worker ?? null,
    request: { projectId, requestId, method: METHOD, params },
    // Recorded claims need a transaction, which the others need not wait for.
    kind: requestId === undefined ? filter : `recorded ${filter}`,
    signal,
  };
}

/** How the dispatcher's claims meet the database. */
export function claimCounters(context: EngineContext): Counters {
  return {
    of: (queue) => ({
      take: (asks) => take(context, queue, asks),
      dueNames: (names) => dueNames(context, queue, names),
      waitedFor() {
        const queueId = idOf(context, queue);
        if (queueId !== null) context.wakeups.waiting(queueId);
      },
    }),
    due: (queues) => dueQueues(context, queues),
  };
}

/** Serves claims of one kind. Takes nothing for a caller that has gone, and gives back what it took in that moment. */
async function take(context: EngineContext, { projectId, queue: name }: QueueName, asks: readonly Ask[]) {
  const came = new Map<Ask, Came<ClaimedView[]>>();
  let full = true;
  let queue: QueueRow | null = null;
  const live = asks.filter(({ signal }) => !signal.aborted);
  const run = async (some: readonly Ask[]): Promise<readonly Told<ClaimedView[]>[]> => {
    queue = await context.directory.find(projectId, name);
    const there = queue;
    if (!there) {
      full = false;
      return some.map(() => ({ answer: [] }));
    }
    let wanted = 0;
    let found = 0;
    const work = async (db: Db, due: readonly Ask[]) => {
      const taken = await takeFrom(context, db, there, due);
      wanted = sumOf(due, ({ limit }) => limit);
      // Where tasks were left for want of room there are more, as where all got what they asked for.
      found = taken.cut ? wanted : sumOf(taken.tasks, ({ length }) => length);
      return taken.tasks;
    };
    // Finding nothing leaves the requestId unused, so that the same call may look again.
    const told = await repeatableAll(context.hot, some, work, (_ask, tasks) => tasks.length === 0);
    // Of repeats alone nobody has looked at the queue; but they have left the line, unless there was nothing for them.
    full &&= wanted > 0 ? found === wanted : told.some((one) => "refusal" in one || one.answer.length > 0);
    return told;
  };
  await runSplitting(live, { run, mayBeOnes }, (ask, told) => {
    if ("error" in told) came.set(ask, told);
    else if ("refusal" in told.answer) came.set(ask, { error: told.answer.refusal });
    else came.set(ask, { answer: told.answer.answer });
  });
  if (queue) await handOver(context, queue, came);
  return { came, full: full && live.length > 0 } satisfies Round;
}

const sumOf = <T>(items: readonly T[], of: (item: T) => number) => items.reduce((sum, item) => sum + of(item), 0);

const mayBeOnes = (error: unknown) => !isUnavailable(error) && !(error instanceof NoConnection);

/** Claims in one statement for all, and shares out the tasks in their order: priority, then runAt, then id. */
async function takeFrom(
  context: EngineContext,
  db: Db,
  queue: QueueRow,
  asks: readonly Ask[],
): Promise<{ readonly tasks: ClaimedView[][]; readonly cut: boolean }> {
  const [first] = asks;
  if (!first) return { tasks: [], cut: false };
  const start = context.bounds.start(queue.id, first.kind);
  const { rows, cut } = await claimOnce(context, db, queue, asks, start);
  const missing = asks.map(({ limit }, at) => limit - rows[at]!.length);
  const short = !cut && missing.some((count) => count > 0);
  if (short && !start.sweeping && context.bounds.isCheapToSweep(queue.id, first.kind)) {
    // The queue is about to be called empty: not without a look at what may lie before the bound.
    const some = asks.flatMap((ask, at) => (missing[at]! > 0 ? [{ ...ask, limit: missing[at]!, at }] : []));
    const more = await claimOnce(context, db, queue, some, context.bounds.start(queue.id, first.kind));
    for (const [index, { at }] of some.entries()) rows[at] = [...more.rows[index]!, ...rows[at]!].sort(byOrder);
  }
  return { tasks: rows.map((some) => some.map((row) => claimedView(row, queue.name))), cut };
}

/** One claim statement: for each ask the tasks it got; `cut` where some were left for want of room. */
async function claimOnce(
  { bounds, sizes, withInputs }: EngineContext,
  db: Db,
  queue: QueueRow,
  asks: readonly Ask[],
  start: Start,
): Promise<{ readonly rows: sql.ClaimedRow[][]; readonly cut: boolean }> {
  const { names, kind } = asks[0]!;
  const args = { queueId: queue.id, shares: asks, from: start.from };
  const began = performance.now();
  const each = queue.max_payload_bytes + (withInputs.has(queue.id) ? sql.INPUTS_BYTES_MAX : 0);
  const room = mayBeTooMuch(each, sql.limitOf(args), sizes) ? { bytesMax: sizes.answerBytesMax } : null;
  const rows = [...(await db.any(names ? sql.claimNamedTasks(args, names, room) : sql.claimTasks(args, room)))];
  rows.sort((a, b) => a.place - b.place);
  if (rows.some((row) => row.depends_on !== null)) withInputs.add(queue.id);
  const cut = rows[0]?.cut ?? false;
  const full = cut || rows.length === sql.limitOf(args);
  bounds.passed(queue.id, kind, start, { tasks: rows, full, tookMs: performance.now() - began });
  const shared: sql.ClaimedRow[][] = asks.map(() => []);
  for (const row of rows) shared[row.share - 1]!.push(row);
  return { rows: shared, cut };
}

/**
 * Whether so many tasks could be more than an answer may hold. To look costs a tenth of a claim, so it is not done for what cannot
 * be. Inputs, the results of other tasks, count where a queue's tasks were seen to have some.
 */
const mayBeTooMuch = (bytesOfEach: number, tasks: number, { answerBytesMax }: Sizes) =>
  tasks > 1 && (tasks - 1) * bytesOfEach > answerBytesMax;

const byOrder = (a: sql.ClaimedRow, b: sql.ClaimedRow) =>
  a.priority - b.priority || a.run_at - b.run_at || (a.id < b.id ? -1 : 1);

/** Where that cannot be told, all of them: who then claims is told why. */
async function dueNames(
  context: EngineContext,
  { projectId, queue: name }: QueueName,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  try {
    const queue = await context.directory.find(projectId, name);
    const due = new Set<string>();
    for (let at = 0; queue && at < names.length; at += LOOK_MAX) {
      const some = names.slice(at, at + LOOK_MAX);
      for (const row of await context.hot.run((db) => db.any(sql.namesWithDueTasks(queue.id, some)))) due.add(row.name);
    }
    return due;
  } catch {
    return new Set(names);
  }
}

async function dueQueues(context: EngineContext, queues: readonly QueueName[]): Promise<ReadonlySet<QueueName>> {
  try {
    const due = new Set<QueueName>();
    for (let at = 0; at < queues.length; at += LOOK_MAX)
      for (const queue of await dueAmong(context, queues.slice(at, at + LOOK_MAX))) due.add(queue);
    return due;
  } catch {
    return new Set(queues);
  }
}

async function dueAmong(context: EngineContext, queues: readonly QueueName[]): Promise<QueueName[]> {
  const places = queues.map((queue) => ({ queue, ...context.bounds.peek(idOf(context, queue), ANY) }));
  const began = performance.now();
  const found = await context.hot.run((db) =>
    db.any(sql.queuesWithDueTasks(places.map(({ queue, from }) => ({ ...queue, from })))),
  );
  const due = new Set(found.map(({ at }) => queues[at - 1]!));
  const tookMs = (performance.now() - began) / places.length;
  for (const { queue, ...start } of places)
    if (!due.has(queue)) context.bounds.peekedInVain(idOf(context, queue), ANY, start, tookMs);
  return [...due];
}

/** The queue's number, or null for one that this instance has not seen. */
const idOf = ({ directory }: EngineContext, { projectId, queue }: QueueName) => directory.numberOf(projectId, queue);
