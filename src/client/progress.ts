import type { Client } from "./client.ts";
import type { Params } from "./contract.ts";
import { isRefusal } from "./errors.ts";
import type { HeldTask } from "./held-task.ts";
import type { Listener } from "./worker-events.ts";

/**
 * Makes a handler's `progress` function. A handler may report in a tight loop: while one report is on its way, later
 * ones replace each other and only the last is sent. Progress is for people to see, so a failure is told and forgotten.
 */
export function progressOf(
  client: Client,
  inProject: Pick<Params<"task.progress">, "project">,
  held: HeldTask,
  emit: Listener,
) {
  let waiting: { percent: number; note?: string } | null = null;
  let sending: Promise<void> | null = null;

  async function sendAll(): Promise<void> {
    while (waiting !== null && held.lost === null) {
      const report = waiting;
      waiting = null;
      try {
        await client.task.progress(
          { receipt: held.task.receipt, ...inProject, ...report },
          { retry: { tries: 2 }, signal: held.signal },
        );
      } catch (error) {
        if (isRefusal(error, "lease_lost")) held.lose(error.data.state, "progress");
        else if (!held.signal.aborted) emit({ type: "trouble", during: "progress", error, retryInSeconds: 0 });
      }
    }
    sending = null;
  }

  return (percent: number, note?: string): Promise<void> => {
    waiting = note === undefined ? { percent } : { percent, note };
    sending ??= sendAll();
    return sending;
  };
}
