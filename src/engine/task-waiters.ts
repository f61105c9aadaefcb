import type { Database } from "../db/pool.ts";
import { newsOf } from "../domain/task/queries/read.ts";
import type { Logger } from "../lib/log.ts";
import { Hints } from "./hints.ts";
import { WaitingPlace, type Watched } from "./waiting-place.ts";

/** How long what no hint told of may go unnoticed. */
const POLL_MS = 700;
/** Tasks looked at by one statement. */
const LOOK_MAX = 2_000;
/** After a look comes a pause of so many times its length: whatever is told, looks take a fifth of the time at most. */
const REST = 4;
/** A look that took very long had to wait for a database in trouble; the next need not wait as long again. */
const REST_MS_MAX = 2_000;

/**
 * Those who wait for tasks to end, or to get on: a map entry each, no connection. What happens on this instance is told at
 * once. What happens on others is told by hints that name the queue: a look then finds out by one statement which of all
 * the tasks that somebody here waits for have news. A poll does the same for all queues, needing no hints.
 */
export class TaskWaiters {
  /** Of queues in which tasks ended or went away. */
  readonly ends = new Hints({ news: "opensqs_ended", wanted: "opensqs_awaited" });
  /** Of queues whose tasks' progress changed; told to those who follow it, which few do. */
  readonly progress = new Hints({ news: "opensqs_progress", wanted: "opensqs_followed" });
  readonly #db: Database;
  readonly #log: Logger;
  readonly #pollMs: number;
  readonly #queues = new Map<number, Map<string, Set<WaitingPlace>>>();
  /** Queues to look at; of those in the second only at places that follow progress. */
  #dueQueues = new Set<number>();
  #dueFollowers = new Set<number>();
  #polling: ReturnType<typeof setTimeout> | null = null;
  #looking: ReturnType<typeof setTimeout> | "now" | null = null;
  #restsUntil = 0;
  #closed = false;

  constructor(db: Database, log: Logger, pollMs = POLL_MS) {
    this.#db = db;
    this.#log = log;
    this.#pollMs = pollMs;
    this.ends.listen(({ queueId }) => {
      if (!this.#queues.has(queueId)) return;
      this.#dueQueues.add(queueId);
      this.#lookSoon();
    });
    this.progress.listen(({ queueId }) => {
      if (!this.#queues.has(queueId)) return;
      this.#dueFollowers.add(queueId);
      this.#lookSoon();
    });
  }

  /** Those who have a place. */
  get size(): number {
    let count = 0;
    for (const tasks of this.#queues.values()) for (const places of tasks.values()) count += places.size;
    return count;
  }

  /** Takes a place, in which what happens from now on is noticed; to be left again. */
  enter(watched: Watched): WaitingPlace {
    const place = new WaitingPlace(watched);
    const tasks = this.#queues.get(place.queueId) ?? new Map<string, Set<WaitingPlace>>();
    this.#queues.set(place.queueId, tasks);
    const places = tasks.get(place.id) ?? new Set();
    tasks.set(place.id, places.add(place));
    return place;
  }

  leave(place: WaitingPlace): void {
    const tasks = this.#queues.get(place.queueId);
    const places = tasks?.get(place.id);
    places?.delete(place);
    if (places?.size === 0) tasks?.delete(place.id);
    if (tasks?.size === 0) this.#queues.delete(place.queueId);
  }

  /** Waits in a place for news, for at most so long; says elsewhere that somebody does. */
  async news(place: WaitingPlace, waitMs: number, signal: AbortSignal): Promise<void> {
    this.ends.waiting(place.queueId);
    if (place.follows) this.progress.waiting(place.queueId);
    this.#pollLater();
    await place.stirred(waitMs, signal);
  }

  /** A task of this instance's doing has ended, or has gone. */
  ended(queueId: number, id: string): void {
    for (const place of this.#queues.get(queueId)?.get(id) ?? []) place.stir();
    this.ends.tell(queueId);
  }

  /** The progress of a task may be another, by this instance's doing. */
  progressed(queueId: number, id: string): void {
    for (const place of this.#queues.get(queueId)?.get(id) ?? []) if (place.follows) place.stir();
    this.progress.tell(queueId);
  }

  close(): void {
    this.#closed = true;
    if (this.#polling) clearTimeout(this.#polling);
    if (this.#looking && this.#looking !== "now") clearTimeout(this.#looking);
    this.ends.close();
    this.progress.close();
    for (const tasks of this.#queues.values())
      for (const places of tasks.values()) for (const place of places) place.stir();
  }

  #pollLater(): void {
    if (this.#closed) return;
    this.#polling ??= setTimeout(() => {
      this.#polling = null;
      if (this.#queues.size === 0) return;
      for (const [queueId, tasks] of this.#queues) {
        this.ends.waiting(queueId);
        if (placesOf(tasks).some(({ follows }) => follows)) this.progress.waiting(queueId);
        this.#dueQueues.add(queueId);
      }
      this.#lookSoon();
      this.#pollLater();
    }, this.#pollMs);
  }

  #lookSoon(): void {
    if (this.#closed) return;
    this.#looking ??= setTimeout(() => this.#look(), Math.max(0, this.#restsUntil - performance.now()));
  }

  async #look(): Promise<void> {
    this.#looking = "now";
    const began = performance.now();
    try {
      const lists = this.#takeDue();
      for (let at = 0; at < lists.length; at += LOOK_MAX) await this.#lookAt(lists.slice(at, at + LOOK_MAX));
    } catch (error) {
      this.#log.warn("waiting tasks were not looked at", { error });
    }
    const now = performance.now();
    this.#restsUntil = now + Math.min((now - began) * REST, REST_MS_MAX);
    this.#looking = null;
    if (this.#dueQueues.size > 0 || this.#dueFollowers.size > 0) this.#lookSoon();
  }

  /** The places of the queues that are due, those together that wait for the same. */
  #takeDue(): WaitingPlace[][] {
    const lists = new Map<string, WaitingPlace[]>();
    const add = (queueId: number, due: (place: WaitingPlace) => boolean) => {
      for (const place of placesOf(this.#queues.get(queueId))) {
        if (!due(place)) continue;
        const name = place.follows ? place.id + JSON.stringify(place.known) : place.id;
        const list = lists.get(name);
        if (list) list.push(place);
        else lists.set(name, [place]);
      }
    };
    for (const queueId of this.#dueQueues) add(queueId, () => true);
    for (const queueId of this.#dueFollowers) if (!this.#dueQueues.has(queueId)) add(queueId, ({ follows }) => follows);
    this.#dueQueues = new Set();
    this.#dueFollowers = new Set();
    return [...lists.values()];
  }

  async #lookAt(lists: readonly WaitingPlace[][]): Promise<void> {
    const rows = await this.#db.run((db) => db.any(newsOf(lists.map(([place]) => place!))));
    for (const { at } of rows) for (const place of lists[at - 1]!) place.stir();
  }
}

const placesOf = (tasks: ReadonlyMap<string, ReadonlySet<WaitingPlace>> | undefined): WaitingPlace[] =>
  [...(tasks?.values() ?? [])].flatMap((places) => [...places]);
