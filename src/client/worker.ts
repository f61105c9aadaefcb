import { Claimer } from "./claimer.ts";
import type { HeldTask } from "./held-task.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { LeaseLengths } from "./lease-lengths.ts";
import { Reporter } from "./reporter.ts";
import { TaskRunner } from "./task-runner.ts";
import { within } from "./within.ts";
import { settle, type WorkerOptions, type WorkerSettings } from "./worker-options.ts";

/** After the time of grace: how long interrupted handlers get to end, then the last reports to arrive. */
const INTERRUPTED_MS = 1000;
const LAST_WORDS_MS = 3000;

export interface StopOptions {
  /** Seconds that running handlers get to finish before they are interrupted and their tasks released. Default: 30 */
  readonly graceSeconds?: number;
}

/**
 * Claims tasks and runs handlers, up to `concurrency` at once. Leases are renewed while tasks wait here and handlers run;
 * a task that is lost or cancelled aborts its handler's signal; an unreachable service is waited for. Nothing it starts
 * ever rejects.
 */
export class Worker {
  readonly #settings: WorkerSettings;
  readonly #keeper: LeaseKeeper;
  readonly #reporter: Reporter;
  readonly #runner: TaskRunner;
  readonly #claimer: Claimer;
  readonly #givenUp = new AbortController();
  #started = false;
  #stopped: Promise<void> | undefined;

  /** Throws TypeError when the options could never work. */
  constructor(options: WorkerOptions) {
    const settings = settle(options);
    const { client, leaseSeconds, inProject, emit } = settings;
    const held = new Set<HeldTask>();
    const lengths = new LeaseLengths(client, leaseSeconds, inProject);
    const renewal = leaseSeconds === undefined ? inProject : { ...inProject, leaseSeconds };
    this.#settings = settings;
    this.#keeper = new LeaseKeeper(client, renewal, held, emit);
    this.#reporter = new Reporter({
      client,
      inProject,
      emit,
      givenUp: this.#givenUp.signal,
      settled: (task) => this.#runner.settled(task),
    });
    this.#runner = new TaskRunner({
      settings,
      held,
      keeper: this.#keeper,
      lengths,
      reporter: this.#reporter,
      onWanting: () => this.#claimer.ask(),
    });
    this.#claimer = new Claimer(settings, lengths, this.#runner);
  }

  /** What the service calls this worker. */
  get name(): string {
    return this.#settings.name;
  }

  /** How many tasks it is at. */
  get running(): number {
    return this.#runner.atWork;
  }

  /** Begins to claim; does nothing the second time. A stopped worker cannot be started again. */
  start(): this {
    if (this.#stopped !== undefined) throw new Error("This worker was stopped; make another.");
    if (!this.#started) this.#claimer.start();
    this.#started = true;
    return this;
  }

  /**
   * Claims no more, hands back what has not begun, lets running handlers finish, and resolves when all is reported.
   * Handlers that outlast the time of grace are interrupted, and their tasks are handed back so that another worker may
   * begin at once.
   */
  stop(options: StopOptions = {}): Promise<void> {
    this.#stopped ??= this.#windUp((options.graceSeconds ?? 30) * 1000);
    return this.#stopped;
  }

  async #windUp(graceMs: number): Promise<void> {
    this.#runner.stop();
    await this.#claimer.end(graceMs);
    if (!(await within(graceMs, this.#runner.empty()))) await this.#interruptAll();
    this.#givenUp.abort(new Error("The worker has stopped."));
    this.#keeper.stop();
    if (this.#settings.ownClient) this.#settings.client.close();
  }

  async #interruptAll(): Promise<void> {
    this.#runner.interrupt();
    if (await within(INTERRUPTED_MS, this.#runner.empty())) return;
    this.#runner.abandon();
    // Reports of tasks whose handlers have ended: waiting for the others would be waiting for handlers that ignore their
    // signal.
    await within(LAST_WORDS_MS, this.#reporter.idle());
  }
}
