import type { ClaimedView } from "../domain/task/views.ts";
import { type Ask, type Counter, type Kept, Line, type Standing } from "./claim-line.ts";
import type { Came } from "./split.ts";

/** A waiting claim looks for itself at least this often: what a lost wake-up costs at the most. */
const POLL_MS = 1_000;
/** Polls are spread over this share of their time, so that instances do not look in step. */
const POLL_SPREAD = 0.3;
/** With more lines than this, one look at all of them comes before a claim for each. */
const LINES_UNSEEN = 8;

const pollMs = () => POLL_MS * (1 - Math.random() * POLL_SPREAD);

/** A queue, by its project's number and its name: it may not exist yet. */
export interface QueueName {
  readonly projectId: number;
  readonly queue: string;
}

/** What the dispatcher asks of the database. */
export interface Counters {
  /** Where one queue's claims are served. */
  of(queue: QueueName): Counter;
  /** Which of these queues have due tasks; perhaps more than those. Does not reject. */
  due(queues: readonly QueueName[]): Promise<ReadonlySet<QueueName>>;
}

const nameOf = ({ projectId, queue }: QueueName) => `${projectId}/${queue}`;

/**
 * Serves claims, first come first served: those that find something at once, and those that wait for a task to come. They
 * stand in the lines of their queues and hold no connection. A line is served when somebody joins it, when tasks may have
 * come, and by a poll.
 */
export class ClaimDispatcher {
  readonly #counters: Counters;
  readonly #lines = new Map<string, { readonly queue: QueueName; readonly line: Line }>();
  #waiting = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #closed = false;

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /** Claims that wait just now for a task to come. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Looks at the ask's queues in their order. Null when there is nothing, or the caller has gone. Rejects as claiming does. */
  async look(ask: Ask): Promise<ClaimedView[] | null> {
    for (const queue of await this.#worthALook(ask)) {
      if (ask.signal.aborted) return null;
      const found = await this.#stand(ask, [queue], null);
      if (found) return found;
    }
    return null;
  }

  /** Looks, and then waits until there is something; null when the time is up or the caller has gone. */
  async wait(ask: Ask, waitMs: number): Promise<ClaimedView[] | null> {
    this.#waiting++;
    try {
      // Standing in one line only, its place there is its first look.
      const found = ask.queues.length > 1 ? await this.look(ask) : null;
      if (found || ask.signal.aborted) return found;
      return await this.#stand(ask, ask.queues, waitMs);
    } finally {
      this.#waiting--;
    }
  }

  /** Something may be there for a queue. */
  wake(queue: QueueName): void {
    this.#lines.get(nameOf(queue))?.line.wake();
  }

  /** Whether a claim stands in line for a queue. */
  isAwaited(queue: QueueName): boolean {
    return this.#lines.has(nameOf(queue));
  }

  /** Keeps waiting claims for new tasks of a queue; settle them, whatever comes of the tasks. See Line.keep. */
  keep(queue: QueueName, names: readonly (string | null)[]): Kept[] {
    return this.#lines.get(nameOf(queue))?.line.keep(names) ?? [];
  }

  /** Keeps waiting claims of one kind for tasks of a queue that may become ready; see Line.keepAlike. */
  keepAlike(queue: QueueName): Standing[] {
    return this.#lines.get(nameOf(queue))?.line.keepAlike() ?? [];
  }

  settle(queue: QueueName, kept: readonly Standing[], came: ReadonlyMap<Ask, Came<ClaimedView[]>>): void {
    // The line of a claim that was kept is still there: a busy one does not leave.
    this.#lines.get(nameOf(queue))?.line.settle(kept, came);
  }

  close(): void {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Of several queues those that have due tasks, so that the empty ones cost no claim each. */
  async #worthALook(ask: Ask): Promise<readonly string[]> {
    if (ask.queues.length === 1) return ask.queues;
    const queues = ask.queues.map((queue) => ({ projectId: ask.projectId, queue }));
    const due = await this.#counters.due(queues);
    return queues.filter((queue) => due.has(queue)).map(({ queue }) => queue);
  }

  /** Stands in line until it is served, the time is up (null: it is told once that there is nothing), or the caller goes. */
  #stand(ask: Ask, queues: readonly string[], waitMs: number | null): Promise<ClaimedView[] | null> {
    return new Promise((resolve, reject) => {
      let timer: ReturnType<typeof setTimeout> | null = null;
      const end = (came: Came<ClaimedView[] | null>): void => {
        if (timer) clearTimeout(timer);
        if (waitMs !== null) ask.signal.removeEventListener("abort", stop);
        for (const queue of queues) this.#leave({ projectId: ask.projectId, queue }, one);
        if ("error" in came) reject(came.error);
        else resolve(came.answer);
      };
      const lines: Line[] = [];
      const freed = (): void => {
        if (lines.length > 1) for (const line of lines) line.serve();
      };
      const one: Standing = { ask, waits: waitMs !== null, busy: false, end, freed };
      // A statement under way decides for itself: what it takes must be handed out or given back.
      const stop = (): void => {
        if (one.busy) one.waits = false;
        else end({ answer: null });
      };
      if (waitMs !== null) {
        timer = setTimeout(stop, waitMs);
        ask.signal.addEventListener("abort", stop, { once: true });
        this.#timer ??= this.#closed ? null : setTimeout(() => this.#poll(), pollMs());
      }
      for (const queue of queues) lines.push(this.#lineOf({ projectId: ask.projectId, queue }));
      for (const line of lines) line.join(one);
      if (ask.signal.aborted) stop();
    });
  }

  #lineOf(queue: QueueName): Line {
    const name = nameOf(queue);
    const there = this.#lines.get(name) ?? { queue, line: new Line(this.#counters.of(queue)) };
    this.#lines.set(name, there);
    return there.line;
  }

  #leave(queue: QueueName, one: Standing): void {
    const name = nameOf(queue);
    const there = this.#lines.get(name);
    there?.line.leave(one);
    if (there?.line.isEmpty) this.#lines.delete(name);
  }

  async #poll(): Promise<void> {
    const all = [...this.#lines.values()];
    if (all.length <= LINES_UNSEEN) for (const { line } of all) line.wake();
    else {
      const due = await this.#counters.due(all.map(({ queue }) => queue));
      for (const { queue, line } of all) due.has(queue) ? line.wake() : line.pass();
    }
    this.#timer = this.#lines.size === 0 || this.#closed ? null : setTimeout(() => this.#poll(), pollMs());
  }
}
