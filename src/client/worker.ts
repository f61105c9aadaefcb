import type { ClaimedTask } from "./contract.ts";
import { retryable } from "./errors.ts";
import { HeldTask } from "./held-task.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { LeaseLengths } from "./lease-lengths.ts";
import { progressOf } from "./progress.ts";
import { Reporter } from "./reporter.ts";
import { pauseSeconds, type RetryPolicy, sleep } from "./retry.ts";
import type { Outcome } from "./worker-events.ts";
import { type Handler, settle, type WorkerOptions, type WorkerSettings } from "./worker-options.ts";

/** How a worker comes back to a service it cannot reach; it never gives up. */
const CLAIM_BACKOFF: RetryPolicy = {
  tries: Number.POSITIVE_INFINITY,
  baseSeconds: 0.2,
  maxSeconds: 10,
  deadlineSeconds: Number.POSITIVE_INFINITY,
};
/** The most one task.claim hands out. */
const CLAIM_MAX = 1000;
/** Beside waitSeconds. Short, because a worker whose connection died silently does nothing until then. */
const CLAIM_TIMEOUT_SECONDS = 10;
/** How long a stopping worker waits for the answer of the claim that it has just sent. */
const CLAIM_YOUNG_MS = 1000;
/** A service that is stopping answers waiting claims at once and empty; asking again at once would only load it. */
const EMPTY_PAUSE_MS = 500;
/** A task without a handler (the service hands out by name, so hardly ever) goes back for this long. */
const NO_HANDLER_SECONDS = 60;
/** After the time of grace: how long interrupted handlers get to end, then the last reports to arrive. */
const INTERRUPTED_MS = 1000;
const LAST_WORDS_MS = 3000;

export interface StopOptions {
  /** Seconds that running handlers get to finish before they are interrupted and their tasks released. Default: 30 */
  readonly graceSeconds?: number;
}

/**
 * Claims tasks and runs handlers, up to `concurrency` at once. Leases are renewed while handlers run; a task that is
 * lost or cancelled aborts its handler's signal; an unreachable service is waited for. Nothing it starts ever rejects.
 */
export class Worker {
  readonly #settings: WorkerSettings;
  readonly #keeper: LeaseKeeper;
  readonly #lengths: LeaseLengths;
  readonly #reporter: Reporter;
  readonly #running = new Map<HeldTask, Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #givenUp = new AbortController();
  readonly #cutOff = new AbortController();
  #interrupted = false;
  /** When the last claim was sent. */
  #askedMs = 0;
  #claiming: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #slotFreed: (() => void) | undefined;

  /** Throws TypeError when the options could never work. */
  constructor(options: WorkerOptions) {
    this.#settings = settle(options);
    const { client, leaseSeconds, project, emit } = this.#settings;
    this.#keeper = new LeaseKeeper(client, leaseSeconds, emit);
    this.#lengths = new LeaseLengths(client, leaseSeconds, project);
    this.#reporter = new Reporter(client, emit, this.#givenUp.signal);
  }

  /** What the service calls this worker. */
  get name(): string {
    return this.#settings.name;
  }

  /** How many tasks it is at. */
  get running(): number {
    return this.#running.size;
  }

  /** Begins to claim; does nothing the second time. A stopped worker cannot be started again. */
  start(): this {
    if (this.#stopped !== undefined) throw new Error("This worker was stopped; make another.");
    this.#claiming ??= this.#claimOnAndOn();
    return this;
  }

  /**
   * Claims no more, lets running handlers finish, and resolves when all is reported. Handlers that outlast the time of
   * grace are interrupted, and their tasks are handed back so that another worker may begin at once.
   */
  stop(options: StopOptions = {}): Promise<void> {
    this.#stopped ??= this.#windUp((options.graceSeconds ?? 30) * 1000);
    return this.#stopped;
  }

  async #windUp(graceMs: number): Promise<void> {
    const reason = new Error("The worker is stopping.");
    this.#stopping.abort(reason);
    this.#slotFreed?.();
    await this.#endClaim(graceMs, reason);
    if (!(await within(graceMs, this.#allDone()))) await this.#interruptAll();
    this.#givenUp.abort(new Error("The worker has stopped."));
  }

  /**
   * Ends the claim that is under way. One that has waited for a while waits for a task and can be cut off. A young one is
   * probably just being answered: on a busy queue that is nearly always so, and to hang up then would leave its tasks
   * leased to nobody until their leases run out (seen in 14 of 150 stops). Its tasks are handed back by #take().
   */
  async #endClaim(graceMs: number, reason: Error): Promise<void> {
    const claiming = this.#claiming ?? Promise.resolve();
    const youngMs = this.#askedMs + CLAIM_YOUNG_MS - performance.now();
    await within(Math.min(Math.max(youngMs, 0), graceMs), claiming);
    this.#cutOff.abort(reason);
    await within(LAST_WORDS_MS, claiming);
  }

  async #interruptAll(): Promise<void> {
    this.#interrupted = true;
    for (const held of this.#running.keys()) held.interrupt();
    if (await within(INTERRUPTED_MS, this.#allDone())) return;
    const left = [...this.#running.keys()].filter((held) => held.lost === null && !held.ended);
    const released = left.map((held) => this.#reporter.release(held, "stopping", 0));
    await within(LAST_WORDS_MS, Promise.all([...released, ...this.#reports()]));
  }

  async #allDone(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  /** Of tasks whose handlers have ended: waiting for the others would be waiting for handlers that ignore their signal. */
  #reports(): Promise<void>[] {
    return [...this.#running].filter(([held]) => held.ended).map(([, run]) => run);
  }

  async #claimOnAndOn(): Promise<void> {
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      await this.#aFreeSlot();
      if (signal.aborted) return;
      try {
        await this.#claimOnce();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        const retryInSeconds = pauseSeconds(CLAIM_BACKOFF, failures, retryable(error)?.afterSeconds ?? 0);
        this.#settings.emit({ type: "trouble", during: "claim", error, retryInSeconds });
        await this.#pause(retryInSeconds * 1000);
      }
    }
  }

  async #claimOnce(): Promise<void> {
    const { client, queues, project, handlers, handle, leaseSeconds, waitSeconds, repeatableClaims, name } =
      this.#settings;
    this.#askedMs = performance.now();
    const { tasks } = await client.task.claim(
      {
        queues: [...queues],
        limit: Math.min(this.#free, CLAIM_MAX),
        waitSeconds,
        worker: name,
        ...(handle === undefined ? { names: [...handlers.keys()] } : {}),
        ...(leaseSeconds === undefined ? {} : { leaseSeconds }),
        ...(project === undefined ? {} : { project }),
      },
      // This loop is the retry: it may ask for as many tasks as there are slots by then. Only a claim with a requestId
      // must be repeated as it was.
      {
        signal: this.#cutOff.signal,
        timeoutSeconds: CLAIM_TIMEOUT_SECONDS,
        repeatable: repeatableClaims,
        ...(repeatableClaims ? {} : { retry: { tries: 1 } }),
      },
    );
    const answeredMs = performance.now();
    if (tasks.length === 0 && answeredMs - this.#askedMs < EMPTY_PAUSE_MS) await this.#pause(EMPTY_PAUSE_MS);
    await Promise.all(tasks.map((task) => this.#take(task, answeredMs)));
  }

  /** Waiting claims are answered as soon as there is a task, so the lease began about when the answer came. */
  async #take(task: ClaimedTask, answeredMs: number): Promise<void> {
    const { emit } = this.#settings;
    const leaseMs = (await this.#lengths.of(task.queue, task.leaseExpiresAt)) * 1000;
    const held = new HeldTask(task, leaseMs, answeredMs, emit);
    const handler = this.#handlerOf(task);
    // Claimed but not begun: handed back, without waiting here, so that the next claim is not held up.
    const run =
      this.#stopping.signal.aborted || handler === undefined
        ? this.#reporter.release(held, handler ? "stopping" : "no_handler", handler ? 0 : NO_HANDLER_SECONDS)
        : this.#run(held, handler);
    this.#running.set(
      held,
      run
        // Not expected at all; but a worker must survive even an error object whose fields throw when they are read.
        .catch((error: unknown) => emit({ type: "unreported", task, outcome: null, error, during: "fail" }))
        .finally(() => {
          this.#keeper.drop(held);
          this.#running.delete(held);
          this.#slotFreed?.();
        }),
    );
  }

  #handlerOf(task: ClaimedTask): Handler | undefined {
    const { handlers, handle } = this.#settings;
    return (task.name === null ? undefined : handlers.get(task.name)) ?? handle;
  }

  /** One task from its start to the service's word on its outcome. Never rejects. */
  async #run(held: HeldTask, handler: Handler): Promise<void> {
    const { client, emit } = this.#settings;
    this.#keeper.keep(held);
    emit({ type: "started", task: held.task });
    const context = { signal: held.signal, attempt: held.task.attempt, progress: progressOf(client, held, emit) };
    const outcome: Outcome = await Promise.resolve()
      .then(() => handler(held.task, context))
      .then(
        (result: unknown) => ({ result }),
        (error: unknown) => ({ error }),
      );
    held.ended = true;
    await this.#reporter.report(held, outcome, this.#interrupted);
  }

  get #free(): number {
    return this.#settings.concurrency - this.#running.size;
  }

  /** Resolves when a task may be claimed, or the worker stops. */
  async #aFreeSlot(): Promise<void> {
    while (this.#free <= 0 && !this.#stopping.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#slotFreed = resolve;
      });
    }
  }

  #pause(milliseconds: number): Promise<void> {
    return sleep(milliseconds, this.#stopping.signal).catch(() => undefined);
  }
}

/** True when `work`, which never rejects, ended in time. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
