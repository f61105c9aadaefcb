import type { Client } from "./client.ts";

/** A queue's policy may be changed while the worker runs; this is how late the worker notices. */
const KNOWN_FOR_MS = 60_000;
const ASK_SECONDS = 2;
const SHORTEST_SECONDS = 1;
/** Without any word of the service: short enough for any lease that a person would set. */
const GUESS_SECONDS = 5;

/**
 * How long the leases of each queue are. A claim tells only when its lease ends by the database's clock, which this
 * machine's clock need not agree with, so the queue is asked for its policy. The time that is left by this machine's
 * clock counts where it is shorter: renewing too often does no harm, too seldom loses the task.
 */
export class LeaseLengths {
  readonly #client: Client;
  readonly #fixedSeconds: number | undefined;
  readonly #project: string | undefined;
  readonly #known = new Map<string, { seconds: number | null; atMs: number }>();

  constructor(client: Client, fixedSeconds: number | undefined, project: string | undefined) {
    this.#client = client;
    this.#fixedSeconds = fixedSeconds;
    this.#project = project;
  }

  /** Seconds of the lease of a task of `queue` that ends at `expiresAt`. Never rejects. */
  async of(queue: string, expiresAt: string): Promise<number> {
    if (this.#fixedSeconds !== undefined) return this.#fixedSeconds;
    const byClock = (Date.parse(expiresAt) - Date.now()) / 1000;
    const byQueue = await this.#ask(queue);
    const least = Math.min(byClock > 0 ? byClock : Number.POSITIVE_INFINITY, byQueue ?? Number.POSITIVE_INFINITY);
    return Math.max(Number.isFinite(least) ? least : GUESS_SECONDS, SHORTEST_SECONDS);
  }

  async #ask(queue: string): Promise<number | null> {
    const known = this.#known.get(queue);
    if (known !== undefined && performance.now() - known.atMs < KNOWN_FOR_MS) return known.seconds;
    const project = this.#project === undefined ? {} : { project: this.#project };
    const seconds = await this.#client.queue
      .get({ name: queue, ...project }, { timeoutSeconds: ASK_SECONDS, retry: { tries: 1 } })
      // A credential for working need not allow reading queues; then the clock must do.
      .then((found) => found.leaseSeconds)
      .catch(() => known?.seconds ?? null);
    this.#known.set(queue, { seconds, atMs: performance.now() });
    return seconds;
  }
}
