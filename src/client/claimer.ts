import type { ClaimedTask } from "./contract.ts";
import { retryable } from "./errors.ts";
import type { LeaseLengths } from "./lease-lengths.ts";
import { pauseSeconds, type RetryPolicy, sleep } from "./retry.ts";
import { within } from "./within.ts";
import type { WorkerSettings } from "./worker-options.ts";

/** How a worker comes back to a service it cannot reach; it never gives up. */
const CLAIM_BACKOFF: RetryPolicy = {
  tries: Number.POSITIVE_INFINITY,
  baseSeconds: 0.2,
  maxSeconds: 10,
  deadlineSeconds: Number.POSITIVE_INFINITY,
};
/** The most one task.claim hands out. */
const CLAIM_MAX = 1000;
/**
 * A claim of at least so many that comes back full says that tasks flow. Two claims of half the size are then under way, so
 * that the service, the database and this worker are not each busy while the others wait.
 */
const FLOW_LEAST = 250;
const FLOW_CLAIMS = 2;
const FLOW_MAX = 500;
/** Beside waitSeconds. Short, because a worker whose connection died silently does nothing until then. */
const CLAIM_TIMEOUT_SECONDS = 10;
/** How long a stopping worker waits for the answer of the claim that it has just sent. */
const CLAIM_YOUNG_MS = 1000;
/** A service that is stopping answers waiting claims at once and empty; asking again at once would only load it. */
const EMPTY_PAUSE_MS = 500;
/** How long a stopping worker waits for what becomes of the claim it has cut off. */
const LAST_WORDS_MS = 3000;

/** Where claimed tasks go. */
export interface Taker {
  /** How many more tasks are worth a claim just now; 0 for none. */
  readonly wanted: number;
  /** `claimedMs`: when the claim's answer came; waiting claims are answered at once, so the leases began about then. */
  take(tasks: readonly ClaimedTask[], claimedMs: number): void;
}

/** Claims for a taker whenever it wants tasks, one claim at a time unless they flow. Nothing it starts ever rejects. */
export class Claimer {
  readonly #settings: WorkerSettings;
  readonly #lengths: LeaseLengths;
  readonly #taker: Taker;
  readonly #stopping = new AbortController();
  readonly #cutOff = new AbortController();
  /** Before start(), once it is to end, and in the pause after a claim that failed. */
  #idle = true;
  /** Claims under way until what they came to has been dealt with. */
  readonly #underWay = new Set<Promise<void>>();
  /** Claims that have not come back, and the tasks that they ask for. */
  #out = 0;
  #asked = 0;
  /** The last claim came back full. */
  #flowing = false;
  #failures = 0;
  /** When the last claim was sent. */
  #askedMs = 0;

  constructor(settings: WorkerSettings, lengths: LeaseLengths, taker: Taker) {
    this.#settings = settings;
    this.#lengths = lengths;
    this.#taker = taker;
  }

  start(): void {
    this.#idle = false;
    this.ask();
  }

  /** Sends a claim if the taker wants tasks and not enough are under way; to be called whenever it may want more. */
  ask(): void {
    while (!this.#idle && this.#out < (this.#flowing ? FLOW_CLAIMS : 1)) {
      const limit = Math.min(this.#taker.wanted - this.#asked, this.#flowing ? FLOW_MAX : CLAIM_MAX);
      if (limit <= 0) return;
      this.#out += 1;
      this.#asked += limit;
      const claim = this.#claim(limit).finally(() => {
        this.#underWay.delete(claim);
        this.ask();
      });
      this.#underWay.add(claim);
    }
  }

  /**
   * Claims no more, and ends the claim that is under way. One that has waited for a while waits for a task and can be cut
   * off. A young one is probably just being answered: on a busy queue that is nearly always so, and to hang up then would
   * leave its tasks leased to nobody until their leases run out (seen in 14 of 150 stops).
   */
  async end(graceMs: number): Promise<void> {
    const reason = new Error("The worker is stopping.");
    this.#idle = true;
    this.#stopping.abort(reason);
    const underWay = Promise.all(this.#underWay);
    const youngMs = this.#askedMs + CLAIM_YOUNG_MS - performance.now();
    await within(Math.min(Math.max(youngMs, 0), graceMs), underWay);
    this.#cutOff.abort(reason);
    await within(LAST_WORDS_MS, underWay);
  }

  async #claim(limit: number): Promise<void> {
    const back = once(() => {
      this.#out -= 1;
      this.#asked -= limit;
    });
    try {
      const tasks = await this.#claimOnce(limit);
      const claimedMs = performance.now();
      for (const { queue } of tasks) if (!this.#lengths.knows(queue)) await this.#lengths.ask(queue);
      this.#failures = 0;
      this.#flowing = limit >= FLOW_LEAST && tasks.length === limit;
      // The next claim may be on its way while these tasks are begun.
      back();
      this.#taker.take(tasks, claimedMs);
    } catch (error) {
      back();
      if (this.#stopping.signal.aborted) return;
      this.#flowing = false;
      this.#idle = true;
      this.#failures += 1;
      const retryInSeconds = pauseSeconds(CLAIM_BACKOFF, this.#failures, retryable(error)?.afterSeconds ?? 0);
      this.#settings.emit({ type: "trouble", during: "claim", error, retryInSeconds });
      await this.#pause(retryInSeconds * 1000);
      this.#idle = this.#stopping.signal.aborted;
    }
  }

  /** Resolves to what came; for nothing, not before asking again makes sense. */
  async #claimOnce(limit: number): Promise<readonly ClaimedTask[]> {
    const { client, queues, inProject, handlers, handle, leaseSeconds, waitSeconds, repeatableClaims, name } =
      this.#settings;
    this.#askedMs = performance.now();
    const { tasks } = await client.task.claim(
      {
        queues: [...queues],
        limit,
        waitSeconds,
        worker: name,
        ...(handle === undefined ? { names: [...handlers.keys()] } : {}),
        ...(leaseSeconds === undefined ? {} : { leaseSeconds }),
        ...inProject,
      },
      // This loop is the retry: it may ask for as many tasks as are wanted by then. Only a claim with a requestId must be
      // repeated as it was.
      {
        signal: this.#cutOff.signal,
        timeoutSeconds: CLAIM_TIMEOUT_SECONDS,
        repeatable: repeatableClaims,
        ...(repeatableClaims ? {} : { retry: { tries: 1 } }),
      },
    );
    const early = performance.now() - this.#askedMs < EMPTY_PAUSE_MS;
    if (tasks.length === 0 && early) await this.#pause(EMPTY_PAUSE_MS);
    return tasks;
  }

  #pause(milliseconds: number): Promise<void> {
    return sleep(milliseconds, this.#stopping.signal).catch(() => undefined);
  }
}

function once(act: () => void): () => void {
  let done = false;
  return () => {
    if (!done) act();
    done = true;
  };
}
