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
  readonly #inProject: { readonly project?: string };
  readonly #known = new Map<string, { seconds: number | null; atMs: number }>();
  #last: { readonly queue: string; readonly expiresAt: string; readonly ms: number } | null = null;

  constructor(client: Client, fixedSeconds: number | undefined, inProject: { readonly project?: string }) {
    this.#client = client;
    this.#fixedSeconds = fixedSeconds;
    this.#inProject = inProject;
  }

  /** False for a queue that of() knows nothing of before ask(). */
  knows(queue: string): boolean {
    return this.#fixedSeconds !== undefined || this.#known.has(queue);
  }

  /** Milliseconds of the lease of a task of `queue`, just claimed, that ends at `expiresAt`. */
  of(queue: string, expiresAt: string): number {
    if (this.#fixedSeconds !== undefined) return this.#fixedSeconds * 1000;
    // The tasks of one claim end their leases together.
    if (this.#last?.queue === queue && this.#last.expiresAt === expiresAt) return this.#last.ms;
    const known = this.#known.get(queue);
    if (known !== undefined && performance.now() - known.atMs > KNOWN_FOR_MS) void this.ask(queue);
    const byClock = (Date.parse(expiresAt) - Date.now()) / 1000;
    const byQueue = known?.seconds ?? Number.POSITIVE_INFINITY;
    const least = Math.min(byClock > 0 ? byClock : Number.POSITIVE_INFINITY, byQueue);
    const ms = Math.max(Number.isFinite(least) ? least : GUESS_SECONDS, SHORTEST_SECONDS) * 1000;
    this.#last = { queue, expiresAt, ms };
    return ms;
  }

  /** Asks the service for the policy of a queue. Never rejects. */
  async ask(queue: string): Promise<void> {
    const before = this.#known.get(queue);
    // Not asked again while this is under way.
    if (before !== undefined) this.#known.set(queue, { ...before, atMs: performance.now() });
    const seconds = await this.#client.queue
      .get({ name: queue, ...this.#inProject }, { timeoutSeconds: ASK_SECONDS, retry: { tries: 1 } })
      // A credential for working need not allow reading queues; then the clock must do.
      .then((found) => found.leaseSeconds)
      .catch(() => before?.seconds ?? null);
    this.#known.set(queue, { seconds, atMs: performance.now() });
  }
}
