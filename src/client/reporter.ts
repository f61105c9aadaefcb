import type { Client } from "./client.ts";
import type { Json, Params, Result } from "./contract.ts";
import { Courier } from "./courier.ts";
import { isRefusal, RpcError, TransportError } from "./errors.ts";
import type { HeldTask } from "./held-task.ts";
import { writeMessage } from "./message.ts";
import { type Report, ReportGroups, type Told } from "./report-groups.ts";
import { describeFailure, PermanentError, RetryLater } from "./worker-errors.ts";
import type { Listener, Outcome, Step, WorkerEvent } from "./worker-events.ts";

type ReleaseReason = Extract<WorkerEvent, { type: "released" }>["reason"];
type Completion = Params<"task.completeMany">["items"][number];
type Failure = Params<"task.failMany">["items"][number];
type Failed = Pick<Result<"task.fail">, "state" | "runAt">;

/** Releases have no …Many method; a worker that stops hands back hundreds, and not all at the same time. */
const RELEASES_MAX = 64;

export interface ReporterOptions {
  readonly client: Client;
  readonly inProject: { readonly project?: string };
  readonly emit: Listener;
  /** Aborted when the worker has stopped waiting for anything. */
  readonly givenUp: AbortSignal;
  /** No more will be told about a task: it is done with, or lost. */
  readonly settled: (held: HeldTask) => void;
}

/** A failure's outcome, and what is told of it if that is something else than what the handler threw. */
interface FailureReport extends Report<Failure> {
  readonly error: unknown;
}

/**
 * Tells the service how attempts ended, in groups, again and again while the leases live, and tells the listener what the
 * service made of each. No method throws or rejects.
 */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #courier: Courier;
  readonly #completions: ReportGroups<Completion, object>;
  readonly #failures: ReportGroups<Failure, Failed, FailureReport>;
  readonly #releases: (() => Promise<void>)[] = [];
  #releasing = 0;
  #open = 0;
  #idle: (() => void)[] = [];

  constructor(options: ReporterOptions) {
    const { client, inProject, emit, givenUp } = options;
    this.#options = options;
    this.#courier = new Courier(emit, givenUp);
    this.#completions = new ReportGroups<Completion, object>(this.#courier, {
      step: "complete",
      // Completing again with the same receipts succeeds again, so no requestId is needed.
      send: (items, _requestId, how) => client.task.completeMany({ items, ...inProject }, how),
      told: (report, told) => this.#toldCompletion(report, told),
    });
    this.#failures = new ReportGroups<Failure, Failed, FailureReport>(this.#courier, {
      step: "fail",
      send: (items, requestId, how) => client.task.failMany({ items, requestId, ...inProject }, how),
      told: (report, told) => this.#toldFailure(report, told),
    });
  }

  /** Reports and releases that are not settled yet. */
  get open(): number {
    return this.#open;
  }

  /** Resolves as soon as nothing is open. */
  idle(): Promise<void> {
    return this.#open === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** A handler has ended. `stopping`: it was asked to end by the worker, so a throw of it is no failure of the task. */
  report(held: HeldTask, outcome: Outcome, stopping: boolean): void {
    this.#open += 1;
    try {
      this.#decide(held, outcome, stopping);
    } catch (error) {
      // Anything can be thrown by a handler, an object whose fields throw when they are read included.
      this.#unreported(held, outcome, error, "fail");
    }
  }

  /** Hands the task back; its attempt does not count. */
  release(held: HeldTask, reason: ReleaseReason, delaySeconds: number): void {
    this.#open += 1;
    this.#release(held, reason, delaySeconds, null);
  }

  #decide(held: HeldTask, outcome: Outcome, stopping: boolean): void {
    const { lost } = held;
    // By our own clock alone a lease is only perhaps lost: a result is worth asking, for the service alone decides.
    if (lost !== null && !(lost.state === "expired" && "result" in outcome)) this.#discard(held, outcome);
    else if ("result" in outcome) this.#complete(held, outcome.result);
    else if (outcome.error instanceof RetryLater)
      this.#release(held, "retry_later", outcome.error.delaySeconds, outcome);
    else if (stopping && !(outcome.error instanceof PermanentError)) this.#release(held, "stopping", 0, outcome);
    else this.#fail(held, outcome.error, !(outcome.error instanceof PermanentError), outcome);
  }

  #settle(held: HeldTask): void {
    this.#open -= 1;
    this.#options.settled(held);
    if (this.#open > 0 || this.#idle.length === 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #complete(held: HeldTask, returned: unknown): void {
    // The handler's type is wide, so that any function will do; the service, or JSON itself, refuses what is not JSON.
    const result = (returned ?? null) as Json;
    const outcome = { result: returned };
    try {
      const characters = held.task.receipt.length + (result === null ? 0 : writeMessage({ result }).text.length);
      this.#completions.add({ held, item: { receipt: held.task.receipt, result }, characters, outcome });
    } catch (error) {
      this.#fail(held, new ResultRefused(error), false, outcome);
    }
  }

  #toldCompletion({ held, item, outcome }: Report<Completion>, told: Told<object>): void {
    if ("lost" in told) {
      held.lose(told.lost, "complete");
      this.#discard(held, outcome);
    } else if ("answer" in told) {
      const seconds = (performance.now() - held.claimedMs) / 1000;
      this.#tell(held, { type: "completed", task: held.task, result: item.result, seconds });
    } else if (isRefused(told.refused)) {
      // The work is done but its result cannot be kept. Doing it again would end the same way, so this is for a person.
      this.#fail(held, new ResultRefused(told.refused), false, outcome);
    } else this.#unreported(held, outcome, told.refused, "complete");
  }

  #fail(held: HeldTask, error: unknown, retry: boolean, outcome: Outcome): void {
    const item = { receipt: held.task.receipt, error: describeFailure(error), retry };
    const report: FailureReport = { held, item, characters: JSON.stringify(item).length, outcome, error };
    this.#failures.add(report);
  }

  #toldFailure({ held, error, outcome }: FailureReport, told: Told<Failed>): void {
    if ("lost" in told) {
      held.lose(told.lost, "fail");
      this.#discard(held, outcome);
    } else if ("answer" in told) {
      const { state, runAt } = told.answer;
      this.#tell(held, { type: "failed", task: held.task, error, state, runAt });
    } else this.#unreported(held, outcome, told.refused, "fail");
  }

  #release(held: HeldTask, reason: ReleaseReason, delaySeconds: number, outcome: Outcome | null): void {
    this.#releases.push(() => this.#deliverRelease(held, reason, delaySeconds, outcome));
    this.#sendReleases();
  }

  #sendReleases(): void {
    while (this.#releasing < RELEASES_MAX) {
      const release = this.#releases.shift();
      if (release === undefined) return;
      this.#releasing += 1;
      void release().finally(() => {
        this.#releasing -= 1;
        this.#sendReleases();
      });
    }
  }

  async #deliverRelease(
    held: HeldTask,
    reason: ReleaseReason,
    delaySeconds: number,
    outcome: Outcome | null,
  ): Promise<void> {
    const { client, inProject } = this.#options;
    const { receipt } = held.task;
    // Of our own making, not the client's: it stays the same over all the client's calls of this one release.
    const requestId = crypto.randomUUID();
    const params = { receipt, ...(delaySeconds === 0 ? {} : { delaySeconds }), requestId, ...inProject };
    const delivery = await this.#courier.deliver([held], "release", (how) => client.task.release(params, how));
    if ("answer" in delivery) {
      held.handBack();
      this.#tell(held, { type: "released", task: held.task, reason });
    } else if (isRefusal(delivery.refused, "lease_lost")) {
      held.lose(delivery.refused.data.state, "release");
      this.#discard(held, outcome);
    } else if (reason === "retry_later" && outcome !== null && isRefused(delivery.refused)) {
      // A delay that the service does not take (not a number, beyond a century) is a fault of the handler's.
      this.#fail(held, delivery.refused, true, outcome);
    } else this.#unreported(held, outcome, delivery.refused, "release");
  }

  #tell(held: HeldTask, event: WorkerEvent): void {
    this.#options.emit(event);
    this.#settle(held);
  }

  #discard(held: HeldTask, outcome: Outcome | null): void {
    if (outcome !== null) this.#options.emit({ type: "discarded", task: held.task, outcome });
    this.#settle(held);
  }

  #unreported(held: HeldTask, outcome: Outcome | null, error: unknown, during: Step): void {
    this.#tell(held, { type: "unreported", task: held.task, outcome, error, during });
  }
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
