import { transactionTime } from "../domain/admin/queries.ts";
import { expireLeases } from "../domain/task/queries/finish.ts";
import { byQueue, recatalogue, settle } from "../domain/task/repository.ts";
import type { EngineContext } from "../engine/context.ts";
import { LowerBounds } from "../engine/lower-bounds.ts";
import type { Job } from "./loop.ts";

/** Leases returned by one statement. */
const BATCH = 500;

/** Returns tasks whose lease ran out, within a second of it. */
export function expireLeasesJob(context: EngineContext): Job {
  const bounds = new LowerBounds();
  return { name: "expire leases", everyMs: 500, run: async () => (await expireLate(context, bounds)) === BATCH };
}

/** The names of the one bound there is: leases of all queues are in one index, with no priorities. */
const ALL_QUEUES = 0;
const LEASES = "leases";
const PRIORITY = 0;

/**
 * Returns late tasks, settling those that wait for a task that died of it. Answers how many were late. `bounds` remembers
 * how far the last one came; without it, it begins at the very beginning.
 */
export async function expireLate(context: EngineContext, bounds = new LowerBounds()): Promise<number> {
  const start = bounds.start(ALL_QUEUES, LEASES);
  const began = performance.now();
  const { rows, settled } = await context.hot.transaction(async (tx) => {
    const { now } = await tx.one(transactionTime());
    const rows = await tx.any(expireLeases(BATCH, start.from[PRIORITY] ?? null));
    const full = rows.length === BATCH;
    const cameTo = full ? Math.max(...rows.map(({ expired_at }) => expired_at)) : now;
    const tasks = [{ priority: PRIORITY, run_at: cameTo }];
    bounds.passed(ALL_QUEUES, LEASES, start, { tasks, full, tookMs: performance.now() - began });
    const late = rows.filter(({ unlisted }) => unlisted).map(({ id, queue_id }) => ({ id, queueId: queue_id }));
    for (const [queueId, keys] of byQueue(late))
      await recatalogue(
        tx,
        queueId,
        keys.map(({ id }) => ({ id, catalogued: true })),
      );
    const ended = rows.filter((row) => row.dead && row.has_dependents);
    return {
      rows,
      settled: await settle(
        tx,
        ended.map(({ id, queue_id }) => ({ id, queueId: queue_id, outcome: "failed" })),
      ),
    };
  });
  for (const { id, queue_id, dead, worker } of rows) {
    if (dead) context.waiters.ended(queue_id, id);
    else context.waiters.progressed(queue_id, id);
    const queue = context.directory.known(queue_id);
    if (queue && worker !== null) context.workers.note(queue.project_id, worker, { failed: 1 });
  }
  for (const { id, queueId } of settled.ended) context.waiters.ended(queueId, id);
  const freed = rows.filter(({ dead }) => !dead).map(({ queue_id }) => queue_id);
  const woken = new Set(settled.woken);
  for (const queueId of new Set([...woken, ...freed])) context.wakeups.wake(queueId, { stirred: woken.has(queueId) });
  return rows.length;
}
