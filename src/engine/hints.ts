/** `news`: queues in which something has happened. `wanted`: queues whose news somebody waits for. */
export const TOPICS = ["news", "wanted"] as const;
export type Topic = (typeof TOPICS)[number];
/** The names under which notifications of each topic travel. */
export type Channels = Readonly<Record<Topic, string>>;
/** Notifications are at least this far apart; queues that come in between are told in one. */
const COALESCE_MS = 20;
/** A notification's payload is at most 8,000 bytes; more queues than this at once go in several. */
const QUEUES_PER_NOTIFICATION = 500;
/** Who waits says so again and again; who has not for this long is taken to wait no more. */
const WAITING_AGAIN_MS = 10_000;
const WAITING_HOLDS_MS = 25_000;
/** What happened while nobody elsewhere knew yet that somebody waits here is found by one more look after so long. */
const LOOK_AGAIN_MS = 60;
const MARK = "<";

/** What carries notifications to and from other instances; absent where no direct connection can be had. */
export interface Bus {
  notify(topic: Topic, payload: string): void;
}

export interface Hint {
  readonly queueId: number;
  /** What a mark says is between those who tell and those who listen. */
  readonly marked: boolean;
}

/**
 * News of queues, told to other instances through NOTIFY, outside the transaction they are of, since NOTIFY takes a
 * database-wide lock at commit. Nothing is sent for a queue that nobody has said elsewhere to wait for. Each notification
 * names the instance it comes from.
 * News are hints: with all of them lost, whoever waits must still find by polling what has happened.
 */
export class Hints {
  readonly channels: Channels;
  readonly #instance = crypto.randomUUID();
  readonly #listeners = new Set<(hint: Hint) => void>();
  readonly #untold: Record<Topic, Map<number, string>> = { news: new Map(), wanted: new Map() };
  /** Until when, by the monotonic clock, somebody elsewhere is taken to wait for a queue. */
  readonly #waitingElsewhere = new Map<number, number>();
  /** When this instance last said that it waits for a queue. */
  readonly #saidWaiting = new Map<number, number>();
  readonly #lookingAgain = new Set<ReturnType<typeof setTimeout>>();
  #bus: Bus | null = null;
  #toldAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(channels: Channels) {
    this.channels = channels;
  }

  /** Calls `listener` whenever something may have happened in a queue that was waited for. */
  listen(listener: (hint: Hint) => void): void {
    this.#listeners.add(listener);
  }

  connect(bus: Bus): void {
    this.#bus = bus;
  }

  /** Tells those elsewhere who wait for news of the queue. A mark stays, whatever is told beside it. */
  tell(queueId: number, { marked = false }: { readonly marked?: boolean } = {}): void {
    if ((this.#waitingElsewhere.get(queueId) ?? 0) < performance.now()) return;
    this.#tellLater("news", queueId, marked ? MARK : (this.#untold.news.get(queueId) ?? ""));
  }

  /** Somebody here waits for news of a queue: other instances are to tell. To be said again as long as it is so. */
  waiting(queueId: number): void {
    const now = performance.now();
    if (!this.#bus || now - (this.#saidWaiting.get(queueId) ?? Number.NEGATIVE_INFINITY) < WAITING_AGAIN_MS) return;
    this.#saidWaiting.set(queueId, now);
    this.#tellLater("wanted", queueId, "");
    const timer = setTimeout(() => {
      this.#lookingAgain.delete(timer);
      this.say({ queueId, marked: false });
    }, COALESCE_MS + LOOK_AGAIN_MS);
    this.#lookingAgain.add(timer);
  }

  /** Another instance has said something. */
  heard(topic: Topic, payload: string): void {
    const [instance, ...queues] = payload.split(" ");
    if (instance === this.#instance) return;
    for (const queue of queues) {
      const marked = queue.endsWith(MARK);
      const queueId = Number(marked ? queue.slice(0, -MARK.length) : queue);
      if (!Number.isInteger(queueId)) continue;
      if (topic === "news") this.say({ queueId, marked });
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

  /** Tells those who listen here. */
  protected say(hint: Hint): void {
    for (const listener of this.#listeners) listener(hint);
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
    for (const topic of TOPICS) {
      const queues = [...this.#untold[topic]].map(([queueId, mark]) => `${queueId}${mark}`);
      this.#untold[topic].clear();
      for (let at = 0; at < queues.length; at += QUEUES_PER_NOTIFICATION)
        this.#bus?.notify(topic, [this.#instance, ...queues.slice(at, at + QUEUES_PER_NOTIFICATION)].join(" "));
    }
  }
}
