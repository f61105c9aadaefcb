/** Notifications of queues that got tasks, and of queues that somebody waits for; each names the instance it comes from. */
export const CHANNELS = { ready: "opensqs_ready", waiting: "opensqs_waiting" } as const;
export type Topic = keyof typeof CHANNELS;
/** Notifications are at least this far apart; queues that come in between are told in one. */
const COALESCE_MS = 20;
/** A notification's payload is at most 8,000 bytes; more queues than this at once go in several. */
const QUEUES_PER_NOTIFICATION = 500;
/** Who waits says so again and again; who has not for this long is taken to wait no more. */
const WAITING_AGAIN_MS = 10_000;
const WAITING_HOLDS_MS = 25_000;
/** Tasks that came while nobody elsewhere knew yet that somebody waits here are found by one more look after so long. */
const LOOK_AGAIN_MS = 60;
/** Marks a queue whose tasks may lie before those that were claimed last. */
const STIRRED = "<";

/** What carries notifications to and from other instances; absent where no direct connection can be had. */
export interface Bus {
  notify(topic: Topic, payload: string): void;
}

export interface Wakeup {
  readonly queueId: number;
  /** Tasks may have come that lie before those that were claimed last: made earlier, or to run earlier. */
  readonly stirred: boolean;
}

/**
 * Tells those who wait for tasks of a queue that some may be there: at once within this instance, and other instances
 * through NOTIFY, sent outside the transaction that made the tasks, since NOTIFY takes a database-wide lock at commit.
 * Nothing is sent for a queue that nobody has said elsewhere to wait for.
 * A wake-up is a hint: with all of them lost, polling still finds every task.
 */
export class Wakeups {
  readonly #instance = crypto.randomUUID();
  readonly #listeners = new Set<(wakeup: Wakeup) => void>();
  readonly #untold: Record<Topic, Map<number, string>> = { ready: new Map(), waiting: new Map() };
  /** Until when, by the monotonic clock, somebody elsewhere is taken to wait for a queue. */
  readonly #waitingElsewhere = new Map<number, number>();
  /** When this instance last said that it waits for a queue. */
  readonly #saidWaiting = new Map<number, number>();
  readonly #lookingAgain = new Set<ReturnType<typeof setTimeout>>();
  #bus: Bus | null = null;
  #toldAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** Calls `listener` whenever a queue may have got tasks. */
  listen(listener: (wakeup: Wakeup) => void): void {
    this.#listeners.add(listener);
  }

  connect(bus: Bus): void {
    this.#bus = bus;
  }

  /**
   * A queue of this instance's doing has tasks that are due; `stirred` unless all of them are new and of this moment.
   */
  wake(queueId: number, { stirred = true }: { readonly stirred?: boolean } = {}): void {
    this.#say({ queueId, stirred });
    if ((this.#waitingElsewhere.get(queueId) ?? 0) < performance.now()) return;
    const mark = stirred ? STIRRED : (this.#untold.ready.get(queueId) ?? "");
    this.#tellLater("ready", queueId, mark);
  }

  /** Somebody here waits for a queue: other instances are to tell when it gets tasks. */
  waiting(queueId: number): void {
    const now = performance.now();
    if (!this.#bus || now - (this.#saidWaiting.get(queueId) ?? Number.NEGATIVE_INFINITY) < WAITING_AGAIN_MS) return;
    this.#saidWaiting.set(queueId, now);
    this.#tellLater("waiting", queueId, "");
    const timer = setTimeout(() => {
      this.#lookingAgain.delete(timer);
      this.#say({ queueId, stirred: false });
    }, COALESCE_MS + LOOK_AGAIN_MS);
    this.#lookingAgain.add(timer);
  }

  /** Another instance has said something. */
  heard(topic: Topic, payload: string): void {
    const [instance, ...queues] = payload.split(" ");
    if (instance === this.#instance) return;
    for (const queue of queues) {
      const stirred = queue.endsWith(STIRRED);
      const queueId = Number(stirred ? queue.slice(0, -STIRRED.length) : queue);
      if (!Number.isInteger(queueId)) continue;
      if (topic === "ready") this.#say({ queueId, stirred });
      else this.#waitingElsewhere.set(queueId, performance.now() + WAITING_HOLDS_MS);
    }
  }

  /** What was said by and to others may not have arrived: those who wait here say so again. */
  reconnected(): void {
    this.#saidWaiting.clear();
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer);
    for (const timer of this.#lookingAgain) clearTimeout(timer);
    this.#bus = null;
  }

  #say(wakeup: Wakeup): void {
    for (const listener of this.#listeners) listener(wakeup);
  }

  #tellLater(topic: Topic, queueId: number, mark: string): void {
    if (!this.#bus) return;
    this.#untold[topic].set(queueId, mark);
    // The first after a pause goes at the end of this turn.
    const dueMs = Math.max(0, this.#toldAt + COALESCE_MS - performance.now());
    this.#timer ??= setTimeout(() => this.#tell(), dueMs);
  }

  #tell(): void {
    this.#timer = null;
    const now = performance.now();
    this.#toldAt = now;
    for (const [queueId, until] of this.#waitingElsewhere) if (until < now) this.#waitingElsewhere.delete(queueId);
    for (const [queueId, at] of this.#saidWaiting) if (now - at > WAITING_AGAIN_MS) this.#saidWaiting.delete(queueId);
    for (const topic of Object.keys(CHANNELS) as Topic[]) {
      const queues = [...this.#untold[topic]].map(([queueId, mark]) => `${queueId}${mark}`);
      this.#untold[topic].clear();
      for (let at = 0; at < queues.length; at += QUEUES_PER_NOTIFICATION)
        this.#bus?.notify(topic, [this.#instance, ...queues.slice(at, at + QUEUES_PER_NOTIFICATION)].join(" "));
    }
  }
}
