import type { Settled } from "../domain/task/repository.ts";
import type { EngineContext } from "./context.ts";

/** Once settling has committed: wakes those who wait for the tasks that it freed, or that ended by it. */
export function tellSettled(context: EngineContext, { woken, ended }: Settled): void {
  for (const queueId of woken) context.wakeups.wake(queueId);
  for (const { id, queueId } of ended) context.waiters.ended(queueId, id);
}
