/** Reads `opensqs_ready` notifications; each names the instance it comes from and the queues that got tasks. */
export const CHANNEL = "opensqs_ready";
/** Queues that got tasks within this time are told to other instances in one notification. */
const COALESCE_MS = 20;
/** A notification's payload is at most 8,000 bytes; more queues than this at once go in several. */
const QUEUES_PER_NOTIFICATION = 500;

/** What carries notifications to and from other instances; absent where no direct connection can be had. */
export interface Bus {
  notify(channel: string, payload: string): void;
}

/**
 * Tells those who wait for tasks of a queue that some may be there: at once within this instance, and other instances
 * through NOTIFY, sent outside the transaction that made the tasks, since NOTIFY takes a database-wide lock at commit.
 * A wake-up is a hint: with all of them lost, polling still finds every task.
 */
export class Wakeups {
  readonly #instance = crypto.randomUUID();
  readonly #listeners = new Set<(queueId: number) => void>();
  readonly #untold = new Set<number>();
  #bus: Bus | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** Calls `listener` whenever a queue may have got tasks. */
  listen(listener: (queueId: number) => void): void {
    this.#listeners.add(listener);
  }

  connect(bus: Bus): void {
    this.#bus = bus;
  }

  /** A queue of this instance's doing has tasks that are due. */
  wake(queueId: number): void {
    for (const listener of this.#listeners) listener(queueId);
    if (!this.#bus) return;
    this.#untold.add(queueId);
    this.#timer ??= setTimeout(() => this.#tell(), COALESCE_MS);
  }

  /** Another instance has said something. */
  heard(payload: string): void {
    const [instance, ...queues] = payload.split(" ");
    if (instance === this.#instance) return;
    for (const queue of queues) {
      const id = Number(queue);
      if (Number.isInteger(id)) for (const listener of this.#listeners) listener(id);
    }
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#bus = null;
  }

  #tell(): void {
    this.#timer = null;
    const queues = [...this.#untold];
    this.#untold.clear();
    for (let at = 0; at < queues.length; at += QUEUES_PER_NOTIFICATION)
      this.#bus?.notify(CHANNEL, [this.#instance, ...queues.slice(at, at + QUEUES_PER_NOTIFICATION)].join(" "));
  }
}
