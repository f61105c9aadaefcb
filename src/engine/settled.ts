import type { Settled } from "../domain/task/repository.ts";
import type { EngineContext } from "./context.ts";

/** Tells those who wait for tasks, or for their ends, what settling has done, once that has committed. */
export function tellSettled({ wakeups, waiters }: EngineContext, { woken, ended }: Settled): void {
  for (const queueId of woken) wakeups.wake(queueId);
  for (const { id } of ended) waiters.ended(id);
}
