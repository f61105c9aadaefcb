import { expireLeases, queuesWithLateLeases } from "../domain/task/queries/finish.ts";
import { settle } from "../domain/task/repository.ts";
import type { EngineContext } from "../engine/context.ts";
import type { Job } from "./loop.ts";

/** Leases returned by one statement. */
const BATCH = 500;

/** Returns tasks whose lease ran out, within a second of it. */
export function expireLeasesJob(context: EngineContext): Job {
  return {
    name: "expire leases",
    everyMs: 500,
    async run() {
      const late = await context.hot.run((db) => db.any(queuesWithLateLeases()));
      let more = false;
      for (const { id } of late) if ((await expireQueue(context, id)) === BATCH) more = true;
      return more;
    },
  };
}

/** Returns the late tasks of one queue, settling those that wait for a task that died of it. */
export async function expireQueue(context: EngineContext, queueId: number): Promise<number> {
  const { rows, settled } = await context.hot.transaction(async (tx) => {
    const rows = await tx.any(expireLeases(queueId, BATCH));
    const ended = rows.filter((row) => row.dead && row.has_dependents).map(({ id }) => ({ id, queueId }));
    return { rows, settled: await settle(tx, ended) };
  });
  const queue = context.directory.known(queueId);
  for (const { id, dead, worker } of rows) {
    if (dead) context.waiters.ended(id);
    if (queue && worker !== null) context.workers.note(queue.project_id, worker, { failed: 1 });
  }
  for (const { id } of settled.ended) context.waiters.ended(id);
  for (const woken of settled.woken) context.wakeups.wake(woken);
  if (rows.some(({ dead }) => !dead)) context.wakeups.wake(queueId);
  return rows.length;
}
