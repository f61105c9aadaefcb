import type { ClaimedTask } from "./contract.ts";
import { LeaseLost, WorkerStopping } from "./worker-errors.ts";
import type { Listener, Step } from "./worker-events.ts";

/**
 * A task this worker holds, with its lease as this process sees it. Times are of the monotonic clock (performance.now()):
 * a wall clock that is set back or forth must not make a lease look alive or dead.
 */
export class HeldTask {
  readonly task: ClaimedTask;
  readonly claimedMs: number;
  /** Length of the lease, by which it is renewed in time. */
  readonly leaseMs: number;
  /** From here on the lease may have run out. */
  untilMs: number;
  /** When the lease should be renewed next. */
  renewMs: number;
  /** When its handler began; null before. */
  begunMs: number | null = null;
  /** The handler has returned or thrown; what came of it may still be on its way to the service. */
  ended = false;
  /** Null while the task is ours. */
  lost: LeaseLost | null = null;
  readonly #emit: Listener;
  /** Made when somebody asks for the signal: most handlers never do, and it costs as much as all else about a task. */
  #controller: AbortController | null = null;
  #abortReason: Error | null = null;

  constructor(task: ClaimedTask, leaseMs: number, claimedMs: number, emit: Listener) {
    this.task = task;
    this.claimedMs = claimedMs;
    this.leaseMs = leaseMs;
    this.#emit = emit;
    this.untilMs = claimedMs + leaseMs;
    this.renewMs = claimedMs + leaseMs / 3;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#abortReason !== null) this.#controller.abort(this.#abortReason);
    return this.#controller.signal;
  }

  /** Milliseconds the lease certainly lives on; not below 0. */
  get leftMs(): number {
    return Math.max(this.untilMs - performance.now(), 0);
  }

  /** The lease was renewed by a call sent at `sentMs`; the service counted from a moment after that. */
  renewed(sentMs: number): void {
    this.untilMs = sentMs + this.leaseMs;
    this.renewMs = sentMs + this.leaseMs / 3;
  }

  /** The task is not ours any more: told once, and the handler with it. What the service says replaces a guess of ours. */
  lose(state: string, during: Step | "clock"): void {
    if (this.lost !== null && this.lost.state !== "expired") return;
    if (this.lost !== null && state === "expired") return;
    this.lost = new LeaseLost(state);
    this.#abort(this.lost);
    this.#emit({ type: "lease_lost", task: this.task, state, during });
  }

  /** The task has been released, so what its handler may still do cannot be reported. */
  handBack(): void {
    this.lost ??= new LeaseLost("released");
    this.#abort(this.lost);
  }

  /** The worker stops: the handler is asked to end, and the task is still ours to release. */
  interrupt(): void {
    this.#abort(new WorkerStopping());
  }

  /** Of several reasons the first stands, as with any signal. */
  #abort(reason: Error): void {
    this.#abortReason ??= reason;
    this.#controller?.abort(this.#abortReason);
  }
}
