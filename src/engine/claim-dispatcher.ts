/** A waiting claim looks for itself at least this often: what a lost wake-up costs at the most. */
const POLL_MS = 1_000;
/** Polls are spread over this share of their time, so that instances do not look in step. */
const POLL_SPREAD = 0.3;

const pollMs = () => POLL_MS * (1 - Math.random() * POLL_SPREAD);

/** A claim that waits: an entry in the lines of its queues, no connection. */
interface Waiter {
  /** Looks for tasks; true once the claim is answered, so that it leaves the line. */
  readonly attempt: () => Promise<boolean>;
  /** Claims of one filter find nothing where one of them found nothing; null takes any task. */
  readonly filter: string | null;
}

/** The claims that wait for one queue, in the order they came. */
interface Line {
  readonly waiters: Set<Waiter>;
  serving: boolean;
  /** Something was said while serving: serve once more. */
  again: boolean;
}

export interface Wait<T> {
  /** The lines to stand in, one per queue. */
  readonly lines: readonly string[];
  readonly filter: string | null;
  readonly waitMs: number;
  readonly signal: AbortSignal;
  /** Looks for tasks once; null for none. Never called twice at a time. */
  readonly look: () => Promise<T | null>;
}

/**
 * Serves waiting claims, first come first served, when a task comes and by a poll. Serving a line stops at the first claim
 * that finds nothing, so a thousand waiting claims cost one look a poll.
 */
export class ClaimDispatcher {
  readonly #lines = new Map<string, Line>();
  #waiting = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** Claims that wait just now. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Waits until a look finds something; null when the time is up or the caller has gone. Rejects as the look does. */
  async wait<T>(wait: Wait<T>): Promise<T | null> {
    let end: () => void = () => {};
    let fail: (error: unknown) => void = () => {};
    let found: T | null = null;
    const ended = new Promise<void>((resolve, reject) => {
      end = resolve;
      fail = reject;
    });
    let over = false;
    let looking: Promise<boolean> = Promise.resolve(false);
    const look = async (): Promise<boolean> => {
      if (over) return true;
      try {
        found = await wait.look();
      } catch (error) {
        over = true;
        fail(error);
        return true;
      }
      if (found === null) return false;
      over = true;
      end();
      return true;
    };
    // Standing in several lines, it may be served by two at once: the second look waits for the first.
    const attempt = () => {
      looking = looking.then(look);
      return looking;
    };
    // A look under way decides for itself, and is waited for: what it takes must be handed out or given back.
    const stop = () =>
      void looking.then(() => {
        over = true;
        end();
      });
    const waiter: Waiter = { filter: wait.filter, attempt };
    const timer = setTimeout(stop, wait.waitMs);
    wait.signal.addEventListener("abort", stop, { once: true });
    if (wait.signal.aborted) stop();
    this.#stand(wait.lines, waiter);
    try {
      await ended;
      return found;
    } finally {
      clearTimeout(timer);
      wait.signal.removeEventListener("abort", stop);
      this.#leave(wait.lines, waiter);
    }
  }

  /** Something may be there for a line. */
  wake(line: string): void {
    const there = this.#lines.get(line);
    if (there) void this.#serve(there);
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #stand(lines: readonly string[], waiter: Waiter): void {
    this.#waiting++;
    for (const name of lines) {
      const line = this.#lines.get(name) ?? { waiters: new Set(), serving: false, again: false };
      this.#lines.set(name, line);
      line.waiters.add(waiter);
      // What came between the claim's first look and now was told to nobody.
      void this.#serve(line);
    }
    this.#timer ??= setTimeout(() => this.#poll(), pollMs());
  }

  #leave(lines: readonly string[], waiter: Waiter): void {
    this.#waiting--;
    for (const name of lines) {
      const line = this.#lines.get(name);
      line?.waiters.delete(waiter);
      if (line?.waiters.size === 0) this.#lines.delete(name);
    }
  }

  async #serve(line: Line): Promise<void> {
    line.again = true;
    if (line.serving) return;
    line.serving = true;
    while (line.again) {
      line.again = false;
      const empty = new Set<string | null>();
      for (const waiter of [...line.waiters]) {
        // One that takes any task found nothing, so nobody will.
        if (empty.has(null)) break;
        if (empty.has(waiter.filter)) continue;
        if (await waiter.attempt()) line.waiters.delete(waiter);
        else empty.add(waiter.filter);
      }
    }
    line.serving = false;
  }

  async #poll(): Promise<void> {
    await Promise.all([...this.#lines.values()].map((line) => this.#serve(line)));
    this.#timer = this.#lines.size === 0 ? null : setTimeout(() => this.#poll(), pollMs());
  }
}
