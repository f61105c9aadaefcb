import { isUnavailable } from "../db/failure.ts";
import { type Db, NoConnection } from "../db/pool.ts";
import type { QueueRow } from "../domain/queue/queries.ts";
import { InvalidParams, REFUSALS, Refusal } from "../domain/refusals.ts";
import { parseReceipt, type Receipt } from "../domain/task/receipt.ts";
import { type Ended, groupBy, settle, statesOf } from "../domain/task/repository.ts";
import type { Progress } from "../domain/task/views.ts";
import { isLongerThan } from "../lib/json-size.ts";
import { shareOut } from "../lib/share-out.ts";
import { queueOf } from "../lib/uuid7.ts";
import type { ClaimDispatcher } from "./claim-dispatcher.ts";
import type { After, BatchLimits, EngineContext } from "./context.ts";
import type { Call, Completion, Failure, Item, Repeatable } from "./engine.ts";
import { GroupCommit } from "./group-commit.ts";
import { HandFreed, NOBODY } from "./hand-freed.ts";
import { complete, type Done, extend, fail, type Move, progress, release } from "./moves.ts";
import { answered, type RequestKey, repeatable, repeatableAll, type Told, type Work } from "./repeatable.ts";
import { tellSettled } from "./settled.ts";

/** What one receipt came to: an answer, or a refusal that only its caller gets. */
export type Outcome<T> = { readonly answer: T } | { readonly refusal: Refusal };

/** One call's receipts of one queue, as a member of that queue's batch. */
interface Part<I> {
  readonly queue: QueueRow;
  readonly items: readonly (I & Receipt)[];
  readonly request: RequestKey;
  /** The call is about this one receipt, so that its refusal is the call's. */
  readonly single: boolean;
}

type Pipeline<I, T> = GroupCommit<Part<I>, Told<Plain<T>[]>>;

/** Most receipts of a batch. */
const BATCH_MAX = 1_000;
/** A lease is renewed, or its task comes to be waited for, now and then; more often than this one after the other is not believed. */
const TRIES = 100;

/** The batches of one move. Calls on the same queue share a transaction, each told its own. */
function pipeline<I extends object, T>(
  context: EngineContext,
  dispatcher: ClaimDispatcher,
  move: Move<I, T>,
  limits: BatchLimits,
): Pipeline<I, T> {
  return new GroupCommit({
    ...limits,
    weight: ({ items }) => items.length,
    weightMax: BATCH_MAX,
    mayBeOnes: (error) => !isUnavailable(error) && !(error instanceof NoConnection),
    run: (_queueId, parts) => {
      const recorded = parts.some(({ request }) => request.requestId !== undefined);
      const free = recorded || context.hot.pooled ? null : dispatcher;
      const work: Work<Part<I>, Plain<T>[]> = async (db, due, after) => {
        const all = due.flatMap((part) => part.items);
        if (all.length === 0) return due.map(() => []);
        const { queue } = due[0]!;
        const outcomes = (await moveInQueue({ context, db, after, queue, move, dispatcher: free }, all)).map(toPlain);
        const lengths = due.map((part) => part.items.length);
        return shareOut(outcomes, lengths);
      };
      return repeatableAll(context.hot, parts, work, (part, [told]) => part.single && "type" in told!);
    },
  });
}

/** Carries out a move for receipts of any queues of the caller's project, each on its own. Answers in their order. */
async function moveAll<I extends object, T>(
  context: EngineContext,
  pipe: Pipeline<I, T>,
  move: Move<I, T>,
  call: { readonly by: Call; readonly method: string; readonly params: Repeatable },
  items: readonly (I & Receipt)[],
): Promise<Outcome<T>[]> {
  const projectId = await context.directory.projectOf(call.params, call.by);
  const request = { projectId, requestId: call.params.requestId, method: call.method, params: call.params };
  const groups = groupBy([...items.entries()], ([, { id }]) => queueOf(id));
  // Looked up before the transaction begins: inside it would take a second connection, and all could wait for one.
  const found = new Map<number, QueueRow | null>();
  for (const queueId of groups.keys())
    found.set(queueId, await context.directory.queueOfTask(projectId, queueId, call.by));
  // A repeat gets the first one's answer also when its queue is gone by now.
  if (request.requestId !== undefined && [...found.values()].includes(null)) {
    const first = await answered<Plain<T>[]>(context.hot, { ...request, requestId: request.requestId });
    if (first) return first.map((one) => fromPlain<T>(one));
  }
  const outcomes = new Array<Outcome<T>>(items.length);
  const tell = async (each: (queue: QueueRow, some: readonly (I & Receipt)[]) => Promise<readonly Outcome<T>[]>) => {
    for (const [queueId, group] of groups) {
      const queue = found.get(queueId);
      const some = group.map(([, item]) => item);
      const told = queue ? await each(queue, some) : some.map(({ id }) => notFound<T>(id));
      for (const [index, [at]] of group.entries()) outcomes[at] = told[index]!;
    }
    return outcomes;
  };
  // A requestId over several queues is one transaction over several batches, so it has one of its own.
  if (groups.size > 1 && request.requestId !== undefined) {
    const plain = await repeatable(context.hot, request, async (db, after) =>
      (await tell((queue, some) => moveInQueue({ context, db, after, queue, move, dispatcher: null }, some))).map(
        toPlain,
      ),
    );
    return plain.map((one) => fromPlain<T>(one));
  }
  return await tell(async (queue, some) => {
    const told = await pipe.submit(
      { projectId: queue.project_id, queueId: queue.id },
      {
        queue,
        items: some,
        request,
        single: !call.method.endsWith("Many") && call.method !== "task.extend",
      },
    );
    if ("refusal" in told) throw told.refusal;
    return told.answer.map((one) => fromPlain<T>(one));
  });
}

const notFound = <T>(id: string): Outcome<T> => ({ refusal: new Refusal("not_found", { noun: "task", id }) });

/** One queue's part of a move, and what it runs with. */
interface InQueue<I, T> {
  readonly context: EngineContext;
  readonly db: Db;
  readonly after: After;
  readonly queue: QueueRow;
  readonly move: Move<I, T>;
  /** Whose waiting claims may have what the ends set free; null where a transaction goes on after them. */
  readonly dispatcher: ClaimDispatcher | null;
}

async function moveInQueue<I, T>(of: InQueue<I, T>, items: readonly (I & Receipt)[]): Promise<Outcome<T>[]> {
  const nameOf = (item: Receipt) => `${item.id} ${item.leaseSeq}`;
  const { merge } = of.move;
  // Of the same receipt given twice the first ends the lease; where the lease lives on, they are carried out as one.
  const chosen = new Map<string, I & Receipt>();
  for (const item of items) {
    const earlier = chosen.get(nameOf(item));
    if (!earlier) chosen.set(nameOf(item), item);
    else if (merge) chosen.set(nameOf(item), { ...item, ...merge(earlier, item) });
  }
  const distinct = [...chosen.values()];
  const outcomes = new Map<I & Receipt, Outcome<T>>();
  const isOpen = (item: I & Receipt) => !outcomes.has(item);
  const note = (done: ReadonlyMap<string, Done<T>>) => {
    for (const item of distinct) {
      const one = done.get(item.id);
      if (one?.leaseSeq === item.leaseSeq) outcomes.set(item, one);
    }
    of.after(() => tellOthers(of, done));
  };
  // A receipt that says so is taken at its word, which saves a statement that would leave its task alone.
  const hinted = of.move.ends !== undefined && distinct.some((item) => item.awaited);
  if (!hinted) note(await of.move.statement(of.db, of.queue.id, distinct, false));
  for (let tries = 0; of.move.ends; tries++) {
    const open = distinct.filter(isOpen);
    const awaited = hinted && tries === 0 ? open : await leftAlone(of, open);
    if (awaited.length === 0) break;
    if (tries === TRIES) throw new Error(`Leases of queue ${of.queue.id} keep changing.`);
    if (of.move.endAtOnce) note(await endAtOnce(of, awaited));
    else {
      note(await endAndSettle(of, awaited));
      break;
    }
  }
  // The same receipt again: told what a later call would be told.
  if (merge) for (const item of items) copyOutcome(outcomes, item, chosen.get(nameOf(item))!);
  await refuseStale(of, items.filter(isOpen), outcomes);
  return items.map((item) => outcomes.get(item)!);
}

function copyOutcome<I, T>(outcomes: Map<I, Outcome<T>>, item: I, from: I): void {
  const outcome = outcomes.get(from);
  if (outcome) outcomes.set(item, outcome);
}

/** Once a move has committed: the worker's figures, and those who wait for the tasks' ends or for ready tasks. */
function tellOthers<I, T>({ context, queue, move }: InQueue<I, T>, done: ReadonlyMap<string, Done<T>>): void {
  for (const [id, { answer, worker, progressed }] of done) {
    if (worker !== null && move.counts) context.workers.note(queue.project_id, worker, { [move.counts]: 1 });
    if (move.ends?.(answer)) context.waiters.ended(queue.id, id);
    if (progressed) context.waiters.progressed(queue.id, id);
  }
  if (move.frees && done.size > 0) context.wakeups.wake(queue.id, { stirred: false });
}

/** Receipts that are current although the statement left them alone: of tasks whose ends others wait for. */
async function leftAlone<I, T>({ db, queue }: InQueue<I, T>, open: readonly (I & Receipt)[]) {
  if (open.length === 0) return [];
  const states = await statesOf(
    db,
    queue.id,
    open.map((item) => item.id),
  );
  return open.filter(({ id, leaseSeq }) => {
    const found = states.get(id);
    return found?.state === "claimed" && found.leaseSeq === leaseSeq;
  });
}

/** Ends tasks and settles those that wait for them, in one statement; some of these may go to claims that wait. */
async function endAtOnce<I, T>(of: InQueue<I, T>, items: readonly (I & Receipt)[]) {
  const { context, db, queue, move, after, dispatcher } = of;
  const handing = dispatcher && new HandFreed(context, dispatcher, queue);
  const ending = await move.endAtOnce!(db, queue.id, items, handing?.waiting ?? NOBODY).catch((error) => {
    handing?.drop();
    throw error;
  });
  // At once: whatever may fail after this, the claims have their tasks.
  void handing?.tell(ending.handed);
  after(() => {
    for (const queueId of new Set(ending.freed)) context.wakeups.wake(queueId);
  });
  await ending.relist();
  return ending.done;
}

/** Ends tasks and settles those that wait for them, in one transaction: an end that is no completion may go on and on. */
async function endAndSettle<I, T>({ context, db, queue, move, after }: InQueue<I, T>, items: readonly (I & Receipt)[]) {
  const { done, settled } = await db.transaction(async (tx) => {
    const done = await move.statement(tx, queue.id, items, true);
    const ended: Ended[] = [];
    for (const [id, { answer }] of done) {
      const outcome = move.ends?.(answer);
      if (outcome) ended.push({ id, queueId: queue.id, outcome });
    }
    return { done, settled: await settle(tx, ended) };
  });
  after(() => tellSettled(context, settled));
  return done;
}

/** Tells those whose receipts are not current what became of their task. */
async function refuseStale<I, T>(
  { db, queue, move }: InQueue<I, T>,
  open: readonly (I & Receipt)[],
  outcomes: Map<I & Receipt, Outcome<T>>,
): Promise<void> {
  if (open.length === 0) return;
  const states = await statesOf(
    db,
    queue.id,
    open.map((item) => item.id),
  );
  for (const item of open) {
    const found = states.get(item.id);
    const again = found ? (move.stale?.(found.state, found.leaseSeq === item.leaseSeq, item.id) ?? null) : null;
    if (again) outcomes.set(item, { answer: again });
    else if (found) outcomes.set(item, { refusal: new Refusal("lease_lost", { state: found.state }) });
    else outcomes.set(item, notFound(item.id));
  }
}

// A recorded answer is JSON: refusals are written as their type and data and made again from them.
type Plain<T> = { answer: T } | { type: keyof typeof REFUSALS; data: Refusal["data"] };
const toPlain = <T>(outcome: Outcome<T>): Plain<T> =>
  "answer" in outcome ? { answer: outcome.answer } : { type: outcome.refusal.type, data: outcome.refusal.data };
const fromPlain = <T>(plain: Plain<T>): Outcome<T> =>
  "type" in plain ? { refusal: new Refusal(plain.type, plain.data) } : plain;

function receiptOf(text: string, path: string): Receipt {
  const receipt = parseReceipt(text);
  if (!receipt) throw new InvalidParams([{ path, message: "must be a receipt as task.claim gave it" }]);
  return receipt;
}

function only<T>(outcomes: readonly Outcome<T>[]): T {
  const outcome = outcomes[0]!;
  if ("refusal" in outcome) throw outcome.refusal;
  return outcome.answer;
}

function toItem<T extends object>(outcome: Outcome<T>): Item<T> {
  if ("answer" in outcome) return { ok: true, ...outcome.answer };
  const { type, data } = outcome.refusal;
  return { ok: false, error: { ...REFUSALS[type], data: { type, ...data } } };
}

/** The refusal of a value whose JSON text is too large; null for one that is not. */
function tooLarge(value: unknown, limitBytes: number): Refusal | null {
  const isLarge = value !== undefined && isLongerThan(JSON.stringify(value), limitBytes);
  return isLarge ? new Refusal("payload_too_large", { limitBytes }) : null;
}

function refuse(refusal: Refusal | null): void {
  if (refusal !== null) throw refusal;
}

/** Carries out those items that are not too large, and tells each of all what it came to. */
async function fitting<I, T extends object>(
  items: readonly I[],
  large: readonly (Refusal | null)[],
  carryOut: (fit: readonly I[]) => Promise<readonly Outcome<T>[]>,
): Promise<Item<T>[]> {
  const fit = items.filter((_, at) => large[at] === null);
  const outcomes = [...(fit.length > 0 ? await carryOut(fit) : [])];
  return large.map((refusal) => toItem(refusal === null ? outcomes.shift()! : { refusal }));
}

/** The finishing half of the engine. */
export function finishing(context: EngineContext, dispatcher: ClaimDispatcher, limits: BatchLimits) {
  const through = <I extends object, T>(move: Move<I, T>) => {
    const pipe = pipeline(context, dispatcher, move, limits);
    return (method: string, params: Repeatable, call: Call, items: readonly (I & Receipt)[]) =>
      moveAll(context, pipe, move, { by: call, method, params }, items);
  };
  const run = {
    complete: through(complete),
    fail: through(fail),
    release: through(release),
    extend: through(extend),
    progress: through(progress),
  };
  const { resultBytesMax, errorDataBytesMax } = context.sizes;
  const completion = ({ receipt, result }: Completion, path: string) => ({ ...receiptOf(receipt, path), result });
  const failure = ({ receipt, ...rest }: Failure, path: string) => ({ ...receiptOf(receipt, path), ...rest });
  const completionLarge = ({ result }: Completion) => tooLarge(result, resultBytesMax);
  const failureLarge = ({ error }: Failure) => tooLarge(error.data, errorDataBytesMax);
  return {
    complete: async (params: Completion & Repeatable, call: Call) => {
      refuse(completionLarge(params));
      return only(await run.complete("task.complete", params, call, [completion(params, "receipt")]));
    },
    completeMany: async (params: Repeatable & { readonly items: readonly Completion[] }, call: Call) => {
      const items = params.items.map((item, at) => completion(item, `items[${at}].receipt`));
      const large = params.items.map(completionLarge);
      return await fitting(items, large, (fit) => run.complete("task.completeMany", params, call, fit));
    },
    fail: async (params: Failure & Repeatable, call: Call) => {
      refuse(failureLarge(params));
      return only(await run.fail("task.fail", params, call, [failure(params, "receipt")]));
    },
    failMany: async (params: Repeatable & { readonly items: readonly Failure[] }, call: Call) => {
      const items = params.items.map((item, at) => failure(item, `items[${at}].receipt`));
      const large = params.items.map(failureLarge);
      return await fitting(items, large, (fit) => run.fail("task.failMany", params, call, fit));
    },
    release: async (params: Repeatable & { readonly receipt: string; readonly delaySeconds: number }, call: Call) => {
      const item = { ...receiptOf(params.receipt, "receipt"), delaySeconds: params.delaySeconds };
      return only(await run.release("task.release", params, call, [item]));
    },
    extend: async (
      params: Repeatable & {
        readonly receipts: readonly string[];
        readonly leaseSeconds?: number | undefined;
        readonly progress?: Progress | undefined;
      },
      call: Call,
    ) => {
      const { leaseSeconds = null, progress } = params;
      const items = params.receipts.map((receipt, at) => ({
        ...receiptOf(receipt, `receipts[${at}]`),
        leaseSeconds,
        progress,
      }));
      return (await run.extend("task.extend", params, call, items)).map(toItem);
    },
    progress: async (
      params: Repeatable & { readonly receipt: string; readonly percent: number; readonly note?: string | undefined },
      call: Call,
    ) => {
      const item = {
        ...receiptOf(params.receipt, "receipt"),
        progress: { percent: params.percent, note: params.note ?? null },
      };
      return only(await run.progress("task.progress", params, call, [item]));
    },
  };
}
