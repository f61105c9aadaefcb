import type { Client } from "./client.ts";
import type { Json, Result } from "./contract.ts";
import { isRefusal, RpcError, retryable, TransportError } from "./errors.ts";
import type { HeldTask } from "./held-task.ts";
import { sleep } from "./retry.ts";
import { describeFailure, PermanentError, RetryLater } from "./worker-errors.ts";
import type { Listener, Outcome, Step, WorkerEvent } from "./worker-events.ts";

/** What became of one report. */
type Delivery<T> = { readonly answer: T } | { readonly refused: unknown } | "lost";

type ReleaseReason = Extract<WorkerEvent, { type: "released" }>["reason"];

/** A try takes at least this long, so that a refused connection cannot make the loop spin. */
const PAUSE_MS = 100;
const TRY_SECONDS_LEAST = 1;

/**
 * Tells the service how an attempt ended, again and again while the lease lives, and tells the listener what the service
 * made of it. No method rejects.
 */
export class Reporter {
  readonly #client: Client;
  readonly #emit: Listener;
  /** Aborted when the worker has stopped waiting for anything. */
  readonly #givenUp: AbortSignal;

  constructor(client: Client, emit: Listener, givenUp: AbortSignal) {
    this.#client = client;
    this.#emit = emit;
    this.#givenUp = givenUp;
  }

  /** A handler has ended. `stopping`: it was asked to end by the worker, so a throw of it is no failure of the task. */
  async report(held: HeldTask, outcome: Outcome, stopping: boolean): Promise<void> {
    const { lost } = held;
    // By our own clock alone a lease is only perhaps lost: a result is worth asking, for the service alone decides.
    if (lost !== null && !(lost.state === "expired" && "result" in outcome)) return this.#discard(held, outcome);
    if ("result" in outcome) return this.#complete(held, outcome.result);
    if (outcome.error instanceof RetryLater)
      return this.release(held, "retry_later", outcome.error.delaySeconds, outcome);
    const permanent = outcome.error instanceof PermanentError;
    if (stopping && !permanent) return this.release(held, "stopping", 0, outcome);
    return this.#fail(held, outcome.error, !permanent, outcome);
  }

  /** Hands the task back; its attempt does not count. */
  async release(held: HeldTask, reason: ReleaseReason, delaySeconds: number, outcome?: Outcome): Promise<void> {
    const params = { receipt: held.task.receipt, delaySeconds, requestId: crypto.randomUUID() };
    const delivery = await this.#deliver(held, "release", (how) => this.#client.task.release(params, how));
    if (delivery === "lost") return this.#discard(held, outcome);
    if ("answer" in delivery) {
      held.handBack();
      return this.#emit({ type: "released", task: held.task, reason });
    }
    // A delay that the service does not take (not a number, beyond a century) is a fault of the handler's.
    if (reason === "retry_later" && isRefused(delivery.refused))
      return this.#fail(held, delivery.refused, true, outcome);
    this.#unreported(held, outcome, delivery.refused, "release");
  }

  async #complete(held: HeldTask, result: unknown): Promise<void> {
    // The handler's type is wide, so that any function will do; the service, or JSON itself, refuses what is not JSON.
    const params = { receipt: held.task.receipt, result: (result ?? null) as Json };
    const delivery = await this.#deliver(held, "complete", (how) => this.#client.task.complete(params, how));
    if (delivery === "lost") return this.#discard(held, { result });
    if ("answer" in delivery) {
      const seconds = (performance.now() - held.startedMs) / 1000;
      return this.#emit({ type: "completed", task: held.task, result: params.result, seconds });
    }
    // The work is done but its result cannot be kept. Doing it again would end the same way, so this is for a person.
    if (isRefused(delivery.refused)) return this.#fail(held, new ResultRefused(delivery.refused), false, { result });
    this.#unreported(held, { result }, delivery.refused, "complete");
  }

  async #fail(held: HeldTask, error: unknown, retry: boolean, outcome: Outcome = { error }): Promise<void> {
    const params = {
      receipt: held.task.receipt,
      error: describeFailure(error),
      retry,
      // Of our own making, not the client's: it stays the same over all the client's calls of this one report.
      requestId: crypto.randomUUID(),
    };
    const delivery = await this.#deliver(held, "fail", (how) => this.#client.task.fail(params, how));
    if (delivery === "lost") return this.#discard(held, outcome);
    if ("refused" in delivery) return this.#unreported(held, outcome, delivery.refused, "fail");
    const { state, runAt }: Result<"task.fail"> = delivery.answer;
    this.#emit({ type: "failed", task: held.task, error, state, runAt });
  }

  async #deliver<T>(held: HeldTask, step: Step, send: (how: Delivering) => Promise<T>): Promise<Delivery<T>> {
    for (;;) {
      const deadlineSeconds = Math.max(held.leftMs / 1000, TRY_SECONDS_LEAST);
      try {
        const how = { signal: this.#givenUp, retry: { tries: Number.POSITIVE_INFINITY, deadlineSeconds } };
        return { answer: await send(how) };
      } catch (error) {
        if (isRefusal(error, "lease_lost")) {
          held.lose(error.data.state, step);
          return "lost";
        }
        // The keeper goes on renewing meanwhile, so the lease may live longer than it did when this try began.
        if (retryable(error) === null || held.leftMs === 0) return { refused: error };
        this.#emit({ type: "trouble", during: step, error, retryInSeconds: PAUSE_MS / 1000 });
      }
      await sleep(PAUSE_MS, this.#givenUp).catch(() => undefined);
    }
  }

  #discard(held: HeldTask, outcome: Outcome | undefined): void {
    if (outcome !== undefined) this.#emit({ type: "discarded", task: held.task, outcome });
  }

  #unreported(held: HeldTask, outcome: Outcome | undefined, error: unknown, during: Step): void {
    this.#emit({ type: "unreported", task: held.task, outcome: outcome ?? null, error, during });
  }
}

interface Delivering {
  readonly signal: AbortSignal;
  readonly retry: { readonly tries: number; readonly deadlineSeconds: number };
}

class ResultRefused extends Error {
  readonly code = "result_refused";

  constructor(cause: unknown) {
    super(`The handler's result cannot be kept: ${cause instanceof Error ? cause.message : cause}`, { cause });
    this.name = "ResultRefused";
  }
}

/** The service, or JSON, will not take this content, whoever sends it and whenever. */
function isRefused(error: unknown): boolean {
  if (error instanceof TransportError) return error.status === 413;
  if (error instanceof RpcError) return ["payload_too_large", "invalid_params", "invalid_request"].includes(error.type);
  return error instanceof TypeError;
}
