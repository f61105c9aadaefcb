import { setImmediate } from "node:timers";
import { Alarm } from "./alarm.ts";
import type { ClaimedTask } from "./contract.ts";
import { HeldTask } from "./held-task.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";
import type { LeaseLengths } from "./lease-lengths.ts";
import { Prefetch } from "./prefetch.ts";
import { progressOf } from "./progress.ts";
import type { Reporter } from "./reporter.ts";
import { inputOf } from "./task-input.ts";
import { workflowOf } from "./task-workflow.ts";
import type { Outcome } from "./worker-events.ts";
import type { Handler, HandlerContext, WorkerSettings } from "./worker-options.ts";

/** Outcomes that are not yet told to the service: beyond these nothing more is begun, so that memory stays bounded. */
const UNREPORTED_MAX = 2000;
/** Handlers that never wait would keep the process from reading, writing and renewing leases for as long as tasks come. */
const TURN_MS = 5;
/** A task that has found no slot for this long is better off with another worker. */
const NOT_BEGUN_MS = 2000;
/** A task without a handler (the service hands out by name, so hardly ever) goes back for this long. */
const NO_HANDLER_SECONDS = 60;

export interface RunnerOptions {
  readonly settings: WorkerSettings;
  readonly held: Set<HeldTask>;
  readonly keeper: LeaseKeeper;
  readonly lengths: LeaseLengths;
  readonly reporter: Reporter;
  /** It may want more tasks than it did. */
  readonly onWanting: () => void;
}

/**
 * Runs the handlers of claimed tasks, as many at once as there are slots; what is claimed beyond that waits here. A slot
 * is free as soon as its handler has ended. A handler that returns without a promise costs no promise and no timer, and
 * its successor begins at once.
 */
export class TaskRunner {
  readonly #options: RunnerOptions;
  readonly #prefetch: Prefetch;
  readonly #waiting: HeldTask[] = [];
  readonly #notBegun = new Alarm(() => this.#giveBackNotBegun());
  #running = 0;
  #pumping = false;
  /** When this turn of the event loop began to run handlers. */
  #turnMs: number | null = null;
  #turnEnds = false;
  #stopping = false;
  #interrupted = false;
  #empty: (() => void)[] = [];

  constructor(options: RunnerOptions) {
    const { prefetch, concurrency } = options.settings;
    this.#options = options;
    this.#prefetch = new Prefetch(prefetch, concurrency);
  }

  /** Tasks that are begun and not yet done with, the service's word on them included. */
  get atWork(): number {
    return this.#options.held.size - this.#waiting.length;
  }

  /**
   * How many more tasks a claim should ask for. None before half of what is held ahead is gone: a claim for each task
   * would undo what fetching ahead is for. With a free slot nothing waits here, so that it is always worth one.
   */
  get wanted(): number {
    if (this.#stopping || this.#options.reporter.open >= UNREPORTED_MAX) return 0;
    const ahead = this.#prefetch.size;
    const room = this.#options.settings.concurrency + ahead - this.#running - this.#waiting.length;
    return room > ahead / 2 ? room : 0;
  }

  take(tasks: readonly ClaimedTask[], claimedMs: number): void {
    const { held: all, lengths, keeper, reporter, settings } = this.#options;
    for (const task of tasks) {
      const held = new HeldTask(task, lengths.of(task.queue, task.leaseExpiresAt), claimedMs, settings.emit);
      all.add(held);
      keeper.keep(held);
      // Claimed but not begun: handed back without waiting here, so that the next claim is not held up.
      if (this.#stopping) reporter.release(held, "stopping", 0);
      else if (this.#handlerOf(task) === undefined) reporter.release(held, "no_handler", NO_HANDLER_SECONDS);
      else this.#waiting.push(held);
    }
    if (tasks[0] !== undefined) this.#prefetch.weigh(tasks[0]);
    this.#pump();
    this.#watchWaiting();
  }

  /** The service has had its last word on a task. */
  settled(held: HeldTask): void {
    const { held: all, keeper } = this.#options;
    all.delete(held);
    if (all.size === 0) {
      keeper.rest();
      for (const resolve of this.#empty.splice(0)) resolve();
    }
    this.#pump();
  }

  /** Begins nothing more, and hands back what has not begun. */
  stop(): void {
    this.#stopping = true;
    this.#notBegun.clear();
    for (const held of this.#waiting.splice(0)) this.#handBack(held, "stopping");
  }

  /** Resolves as soon as no task is held. */
  empty(): Promise<void> {
    return this.#options.held.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#empty.push(resolve));
  }

  /** Asks running handlers to end. From now on what they throw is no failure of their tasks. */
  interrupt(): void {
    this.#interrupted = true;
    for (const held of this.#begun()) held.interrupt();
  }

  /** Hands the tasks back whose handlers run on all the same. */
  abandon(): void {
    for (const held of this.#begun()) if (held.lost === null) this.#options.reporter.release(held, "stopping", 0);
  }

  #begun(): HeldTask[] {
    return [...this.#options.held].filter((held) => held.begunMs !== null && !held.ended);
  }

  #handlerOf(task: ClaimedTask): Handler | undefined {
    const { handlers, handle } = this.#options.settings;
    return (task.name === null ? undefined : handlers.get(task.name)) ?? handle;
  }

  /** Begins what can begin. What may be wanted then is asked for at the end of the turn, for all slots that came free in it. */
  #pump(): void {
    if (this.#pumping) return;
    this.#beginAll();
    this.#endTurnSoon();
  }

  #beginAll(): void {
    this.#pumping = true;
    while (this.#mayBegin()) {
      this.#begin(this.#waiting.shift()!);
      // The next claim is on its way while the rest is worked at.
      if (this.#waiting.length > 0) this.#options.onWanting();
    }
    this.#pumping = false;
  }

  #mayBegin(): boolean {
    const { settings, reporter } = this.#options;
    if (this.#waiting.length === 0 || this.#running >= settings.concurrency) return false;
    if (reporter.open >= UNREPORTED_MAX) return false;
    const now = performance.now();
    this.#turnMs ??= now;
    return now - this.#turnMs < TURN_MS;
  }

  #endTurnSoon(): void {
    if (this.#turnEnds) return;
    this.#turnEnds = true;
    setImmediate(() => {
      this.#turnEnds = false;
      this.#turnMs = null;
      this.#beginAll();
      if (this.#turnMs !== null) this.#endTurnSoon();
      this.#options.onWanting();
    });
  }

  #begin(held: HeldTask): void {
    const { settings } = this.#options;
    if (held.lost !== null) {
      this.settled(held);
      return;
    }
    held.begunMs = performance.now();
    this.#running += 1;
    settings.emit({ type: "started", task: held.task });
    const outcome = this.#run(held);
    if (!(outcome instanceof Promise)) this.#ended(held, outcome);
    else void outcome.then((later) => this.#ended(held, later));
  }

  /** How the handler ended, or the promise of it, which never rejects. */
  #run(held: HeldTask): Outcome | Promise<Outcome> {
    try {
      const handler = this.#handlerOf(held.task)!;
      const result = handler(held.task, contextOf(this.#options.settings, held));
      if (!isThenable(result)) return { result };
      return Promise.resolve(result).then(
        (value: unknown) => ({ result: value }),
        (error: unknown) => ({ error }),
      );
    } catch (error) {
      return { error };
    }
  }

  #ended(held: HeldTask, outcome: Outcome): void {
    held.ended = true;
    this.#running -= 1;
    this.#prefetch.took(performance.now() - held.begunMs!);
    this.#options.reporter.report(held, outcome, this.#interrupted);
    this.#pump();
  }

  #watchWaiting(): void {
    const oldest = this.#waiting[0];
    if (oldest !== undefined && this.#prefetch.adapts) this.#notBegun.by(oldest.claimedMs + NOT_BEGUN_MS);
  }

  /** How much is held ahead follows the handlers that have ended, so it is too much when the next ones take far longer. */
  #giveBackNotBegun(): void {
    const now = performance.now();
    while (this.#waiting.length > 0 && this.#waiting[0]!.claimedMs + NOT_BEGUN_MS <= now) {
      this.#prefetch.stalled(now - this.#waiting[0]!.claimedMs);
      this.#handBack(this.#waiting.shift()!, "not_begun");
    }
    this.#watchWaiting();
  }

  #handBack(held: HeldTask, reason: "stopping" | "not_begun"): void {
    if (held.lost === null) this.#options.reporter.release(held, reason, 0);
    else this.settled(held);
  }
}

/** Getters, so that a handler which asks for none of them costs none; an object of its own, so that it can be spread. */
function contextOf({ client, inProject, emit }: WorkerSettings, held: HeldTask): HandlerContext {
  let progress: HandlerContext["progress"] | undefined;
  let workflow: HandlerContext["workflow"] | undefined;
  return {
    attempt: held.task.attempt,
    inputs: held.task.inputs,
    get input() {
      return inputOf(client, inProject, held);
    },
    get workflow() {
      workflow ??= workflowOf(client, inProject, held);
      return workflow;
    },
    get signal() {
      return held.signal;
    },
    get progress() {
      progress ??= progressOf(client, inProject, held, emit);
      return progress;
    },
  };
}

function isThenable(value: unknown): boolean {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  return "then" in value && typeof value.then === "function";
}
