import { expireLeases } from "../domain/task/queries/finish.ts";
import { settle } from "../domain/task/repository.ts";
import type { EngineContext } from "../engine/context.ts";
import type { Job } from "./loop.ts";

/** Leases returned by one statement. */
const BATCH = 500;

/** Returns tasks whose lease ran out, within a second of it. */
export function expireLeasesJob(context: EngineContext): Job {
  return { name: "expire leases", everyMs: 500, run: async () => (await expireLate(context)) === BATCH };
}

/** Returns late tasks, settling those that wait for a task that died of it. Answers how many were late. */
export async function expireLate(context: EngineContext): Promise<number> {
  const { rows, settled } = await context.hot.transaction(async (tx) => {
    const rows = await tx.any(expireLeases(BATCH));
    const ended = rows.filter((row) => row.dead && row.has_dependents);
    return {
      rows,
      settled: await settle(
        tx,
        ended.map(({ id, queue_id }) => ({ id, queueId: queue_id })),
      ),
    };
  });
  for (const { id, queue_id, dead, worker } of rows) {
    if (dead) context.waiters.ended(id);
    const queue = context.directory.known(queue_id);
    if (queue && worker !== null) context.workers.note(queue.project_id, worker, { failed: 1 });
  }
  for (const { id } of settled.ended) context.waiters.ended(id);
  const freed = rows.filter(({ dead }) => !dead).map(({ queue_id }) => queue_id);
  for (const woken of new Set([...settled.woken, ...freed])) context.wakeups.wake(woken);
  return rows.length;
}
