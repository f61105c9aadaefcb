import type { QueueRow } from "../domain/queue/queries.ts";
import { releaseTasks } from "../domain/task/queries/finish.ts";
import { type Lease, parseReceipt } from "../domain/task/receipt.ts";
import type { ClaimedView } from "../domain/task/views.ts";
import type { Ask } from "./claim-line.ts";
import type { EngineContext } from "./context.ts";
import type { Came } from "./split.ts";

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/**
 * The last look at who is still there: what was claimed for callers that have gone goes back, and they are left with
 * nothing. A recorded claim is kept by who has gone: its caller will ask for it again. Does not reject.
 */
export async function handOver(
  context: EngineContext,
  queue: QueueRow,
  came: Map<Ask, Came<ClaimedView[]>>,
): Promise<void> {
  // The news that a caller has hung up may have come while the statement ran, and is told in a turn of its own.
  await nextTurn();
  const left: ClaimedView[] = [];
  for (const [ask, one] of came) {
    if ("error" in one || one.answer.length === 0) continue;
    if (ask.signal.aborted && ask.request.requestId === undefined) {
      left.push(...one.answer);
      came.set(ask, { answer: [] });
    } else if (ask.worker !== null)
      context.workers.note(queue.project_id, ask.worker, { queue: queue.name, claimed: one.answer.length });
  }
  const leases = left.map(({ receipt }) => parseReceipt(receipt)!);
  if (leases.length > 0) await giveBack(context, queue, leases);
}

/** Puts claimed tasks back at their places, the attempt given back. Does not reject. */
export async function giveBack(context: EngineContext, queue: QueueRow, leases: readonly Lease[]): Promise<void> {
  const items = leases.map(({ id, leaseSeq }) => ({ id, leaseSeq, delaySeconds: null }));
  try {
    await context.hot.run((db) => db.any(releaseTasks(queue.id, items)));
    context.wakeups.wake(queue.id);
  } catch (error) {
    context.log.warn("tasks of callers that had gone were not given back, their leases must run out", { error });
  }
}
