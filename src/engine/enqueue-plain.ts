import { REMEMBERED_SECONDS } from "../domain/request/queries.ts";
import { enqueuePlainTasksOnce } from "../domain/task/queries/enqueue.ts";
import { type Added, QueueGone } from "../domain/task/repository.ts";
import type { EngineContext } from "./context.ts";
import { answersTo, type RequestKey, requestRow, type Told } from "./repeatable.ts";

/** A plain task, as taskRow makes it. */
interface Row {
  readonly id: string;
  readonly name: string | null;
  readonly payload: string;
  readonly priority: number;
}

/** One call's plain tasks. */
export interface PlainCall {
  readonly rows: readonly Row[];
  readonly request: RequestKey;
}

const pending = ({ id }: Row): Added => ({ id, state: "pending", duplicate: false });

/**
 * Adds the plain tasks of calls on one queue, some of them with requestIds, in one statement: what they are answered is
 * known before. Calls that came before, or come twice in the batch, get the first one's answer.
 */
export async function addPlainOnce(
  context: EngineContext,
  queueId: number,
  calls: readonly PlainCall[],
): Promise<Told<Added[]>[]> {
  const requests = calls.map(({ request }) => requestRow(request));
  const firstOf = new Map<string, number>();
  for (const [at, request] of requests.entries())
    if (request && !firstOf.has(request.requestId)) firstOf.set(request.requestId, at);
  const isFirst = (at: number) => requests[at] === null || firstOf.get(requests[at]!.requestId) === at;
  const rows = calls.flatMap((call, at) =>
    isFirst(at) ? call.rows.map((row) => ({ ...row, requestId: requests[at]?.requestId ?? null })) : [],
  );
  const noted = [...firstOf.values()].map((at) => ({
    ...requests[at]!,
    answer: JSON.stringify(calls[at]!.rows.map(pending)),
  }));
  return await context.hot.run(async (db) => {
    const answer = await db.maybeOne(enqueuePlainTasksOnce(queueId, rows, noted, REMEMBERED_SECONDS));
    if (!answer) throw new QueueGone();
    const taken = new Set(answer.taken);
    const isRepeat = (at: number) => !isFirst(at) || (requests[at] !== null && !taken.has(requests[at]!.requestId));
    const repeats = calls.flatMap((_, at) => (isRepeat(at) ? [at] : []));
    const told = await answersTo<Added[]>(
      db,
      repeats.map((at) => requests[at]!),
    );
    const toldAt = new Map(repeats.map((at, index) => [at, told[index]!]));
    return calls.map((call, at) => toldAt.get(at) ?? { answer: call.rows.map(pending) });
  });
}
