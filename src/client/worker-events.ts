import type { ClaimedTask } from "./contract.ts";
import { RpcError } from "./errors.ts";

/** How a handler ended. */
export type Outcome = { readonly result: unknown } | { readonly error: unknown };

/** What the worker was doing with the service. */
export type Step = "claim" | "extend" | "progress" | "complete" | "fail" | "release";

/** All that a worker tells; `type` says which. Nothing that happens to a task is without one. */
export type WorkerEvent =
  | { readonly type: "started"; readonly task: ClaimedTask }
  | { readonly type: "completed"; readonly task: ClaimedTask; readonly result: unknown; readonly seconds: number }
  /** The failure was accepted; `state` is `pending` when it is tried again at `runAt`, or `failed`. */
  | {
      readonly type: "failed";
      readonly task: ClaimedTask;
      readonly error: unknown;
      readonly state: string;
      readonly runAt: string | null;
    }
  /** Handed back, and the attempt does not count. `not_begun`: no slot came free for it while others may have been idle. */
  | {
      readonly type: "released";
      readonly task: ClaimedTask;
      readonly reason: "retry_later" | "stopping" | "no_handler" | "not_begun";
    }
  /** The task is no longer this worker's; the handler's signal has been aborted. `state` as in LeaseLost. */
  | { readonly type: "lease_lost"; readonly task: ClaimedTask; readonly state: string; readonly during: Step | "clock" }
  /** The handler of such a task ended after all; this is what came of it. */
  | { readonly type: "discarded"; readonly task: ClaimedTask; readonly outcome: Outcome }
  /** The service did not take the outcome, or did not answer while the lease lived: `error` says which. */
  | {
      readonly type: "unreported";
      readonly task: ClaimedTask;
      /** Null for a task whose handler has not ended. */
      readonly outcome: Outcome | null;
      readonly error: unknown;
      readonly during: Step;
    }
  /** A call failed and is tried again. */
  | { readonly type: "trouble"; readonly during: Step; readonly error: unknown; readonly retryInSeconds: number };

export type Listener = (event: WorkerEvent) => void;

/** A listener that throws must not end a worker. */
export function guarded(listener: Listener): Listener {
  return (event) => {
    try {
      listener(event);
    } catch (error) {
      console.error("opensqs worker: the onEvent listener threw.", error);
    }
  };
}

/** What a call failed with. The service's words are the same for every case; what is not allowed is in the data. */
function reasonOf(error: unknown): string {
  if (!(error instanceof RpcError) || error.data.type !== "forbidden") return String(error);
  const { scope, queue } = error.data;
  return `${error} It needs ${scope}${queue === undefined ? "" : ` for queue ${queue}`}.`;
}

/** For workers without a listener: what costs work or needs somebody to look is written to standard error. */
export function warnOfLosses(event: WorkerEvent): void {
  switch (event.type) {
    case "lease_lost":
      console.warn(`opensqs worker: lost task ${event.task.id} (${event.state}, noticed by ${event.during}).`);
      break;
    case "discarded":
      console.warn(`opensqs worker: what came of task ${event.task.id} is thrown away: its lease was lost.`);
      break;
    case "unreported":
      console.warn(`opensqs worker: the outcome of task ${event.task.id} could not be reported: ${event.error}`);
      break;
    case "trouble":
      console.warn(
        `opensqs worker: ${event.during} failed, again in ${event.retryInSeconds.toFixed(1)} s: ${reasonOf(event.error)}`,
      );
      break;
    default:
  }
}
