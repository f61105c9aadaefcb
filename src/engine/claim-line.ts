import type { ClaimedView } from "../domain/task/views.ts";
import type { RequestKey } from "./repeatable.ts";
import type { Came } from "./split.ts";
import { atEndOfTurn, isWorthGoing } from "./turns.ts";

/** Tasks that one statement may claim, for however many callers. */
const ROUND_MAX = 1_000;
/** Statements of one line under way at a time: while one is with the database the next grows. */
const ROUNDS = 2;

/** A claim, as the lines of its queues know it. */
export interface Ask {
  readonly projectId: number;
  /** Tried in turn. */
  readonly queues: readonly string[];
  /** Null takes any task. */
  readonly names: readonly string[] | null;
  readonly limit: number;
  /** Null for the queue's own. */
  readonly leaseSeconds: number | null;
  readonly worker: string | null;
  readonly request: RequestKey;
  /** Claims of one kind can share a statement: those by the same names, with or without requestIds. */
  readonly kind: string;
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal;
}

/** The kind of those that take any task. Where one of these found too few, nobody else finds any. */
export const ANY = "";

/** A claim that stands in line. */
export interface Standing {
  readonly ask: Ask;
  /** It stays when nothing is found. */
  waits: boolean;
  /** A statement that may give it tasks is under way, for this line or another one it stands in. */
  busy: boolean;
  /** Ends its standing in every line: with tasks, with null for none, or with an error. */
  end(came: Came<ClaimedView[] | null>): void;
  /** It is not busy any more: its other lines may serve it. */
  freed(): void;
}

/** What one statement came to: for each claim its tasks, or its error; `full` when all got all that they asked for. */
export interface Round {
  readonly came: ReadonlyMap<Ask, Came<ClaimedView[]>>;
  readonly full: boolean;
}

/** What a line asks of the database. Neither call rejects. */
export interface Counter {
  /** Claims for several callers at once, in their order. */
  take(asks: readonly Ask[]): Promise<Round>;
  /** Which of these names have due tasks; perhaps more than those. */
  dueNames(names: readonly string[]): Promise<ReadonlySet<string>>;
  /** Somebody has found nothing and waits for tasks of this queue. */
  waitedFor(): void;
}

/** A claim kept for new tasks: it is busy until they are settled. `tasks` are their places in what was offered. */
export interface Kept {
  readonly one: Standing;
  readonly tasks: readonly number[];
}

/** With more kinds than this, one look at all their names comes before a claim for each. */
const KINDS_UNSEEN = 2;

/**
 * The claims that stand in line for one queue, in the order they came. Those that can share a statement do; a statement
 * claims for the sum of what they ask for, first come first served.
 */
export class Line {
  readonly #counter: Counter;
  readonly #standing = new Set<Standing>();
  /** Kinds for which something may be there, and those of them for whose names a look has found something. */
  #hopeful = new Set<string>();
  readonly #certain = new Set<string>();
  /** How many claims each round under way is for. */
  readonly #underWay: number[] = [];
  readonly #serveSoon = atEndOfTurn(() => this.serve());
  /** Counts wake-ups, so that a round can tell whether one came while it ran. */
  #wakes = 0;

  constructor(counter: Counter) {
    this.#counter = counter;
  }

  get isEmpty(): boolean {
    return this.#standing.size === 0;
  }

  join(one: Standing): void {
    this.#standing.add(one);
    this.#hopeful.add(one.ask.kind);
    this.#serveSoon();
  }

  leave(one: Standing): void {
    this.#standing.delete(one);
  }

  /** Nothing is there, as far as anybody can tell. */
  pass(): void {
    if (!this.isEmpty) this.#counter.waitedFor();
  }

  /** Something may be there. */
  wake(): void {
    this.#wakes++;
    for (const { ask } of this.#standing) this.#hopeful.add(ask.kind);
    this.#serveSoon();
  }

  /**
   * Keeps claims for new tasks with these names (null: none), offered in the order in which tasks leave. Only those that
   * wait and have found nothing: for the others something older may be there. Recorded claims need a transaction of
   * their own and are left out.
   */
  keep(names: readonly (string | null)[]): Kept[] {
    const kept: Kept[] = [];
    if (this.#underWay.length > 0) return kept;
    const offer = new Offer(names);
    for (const one of this.#standing) {
      if (offer.isEmpty) break;
      if (!this.#mayBeKept(one)) continue;
      const tasks = offer.take(one.ask);
      if (tasks.length === 0) continue;
      one.busy = true;
      kept.push({ one, tasks });
    }
    return kept;
  }

  /**
   * Keeps claims of one kind, that of the first, for tasks that may become ready: as keep(), but nobody knows yet how many
   * will come, and of what names.
   */
  keepAlike(): Standing[] {
    if (this.#underWay.length > 0) return [];
    const free = [...this.#standing].filter((one) => this.#mayBeKept(one));
    const alike = cut(free.filter(({ ask }) => ask.kind === free[0]!.ask.kind));
    for (const one of alike) one.busy = true;
    return alike;
  }

  #mayBeKept({ ask, busy, waits }: Standing): boolean {
    if (busy || !waits || ask.signal.aborted || ask.request.requestId !== undefined) return false;
    return !this.#hopeful.has(ask.kind);
  }

  /** What the new tasks came to for claims that were kept; those that got none stand on. */
  settle(kept: readonly Standing[], came: ReadonlyMap<Ask, Came<ClaimedView[]>>): void {
    for (const one of kept) {
      one.busy = false;
      const mine = came.get(one.ask);
      if (mine && "answer" in mine && mine.answer.length > 0) one.end(mine);
      else if (!one.waits || one.ask.signal.aborted) one.end({ answer: null });
      else one.freed();
    }
    this.#serveSoon();
  }

  /** Serves those who may hope for something. */
  serve(): void {
    while (this.#underWay.length < ROUNDS) {
      const work = this.#nextWork();
      if (!work || !isWorthGoing(work.size, this.#underWay)) return;
      this.#underWay.push(work.size);
      void work.run().finally(() => {
        this.#underWay.splice(this.#underWay.indexOf(work.size), 1);
        this.#serveSoon();
      });
    }
  }

  #nextWork(): { readonly size: number; run(): Promise<void> } | null {
    if (this.#hopeful.size === 0) return null;
    const free = [...this.#standing].filter(({ busy, ask }) => !busy && this.#hopeful.has(ask.kind));
    const first = free.find(({ ask }) => this.#certain.has(ask.kind)) ?? free[0];
    // Those that are busy in another line may still want a look here afterwards.
    if (!first) return null;
    const { kind } = first.ask;
    // Those that take any task have no names to look for, with a requestId or without: their claims come first.
    if (!this.#certain.has(kind) && free.every(({ ask }) => ask.names !== null)) {
      const kinds = new Map(free.map(({ ask }) => [ask.kind, ask.names ?? []]));
      if (kinds.size > KINDS_UNSEEN) return { size: free.length, run: () => this.#look(kinds) };
    }
    const size = free.filter(({ ask }) => ask.kind === kind).length;
    return { size, run: () => this.#round(kind) };
  }

  async #round(kind: string): Promise<void> {
    this.#hopeful.delete(kind);
    this.#certain.delete(kind);
    const there = [...this.#standing].filter(({ busy }) => !busy);
    const ofKind = there.filter(({ ask }) => ask.kind === kind);
    const wakes = this.#wakes;
    const chosen = cut(ofKind);
    for (const one of chosen) one.busy = true;
    const { came, full } = await this.#counter.take(chosen.map(({ ask }) => ask));
    for (const one of chosen) {
      one.busy = false;
      const mine = came.get(one.ask);
      if (mine && ("error" in mine || mine.answer.length > 0)) one.end(mine);
      else if (one.ask.signal.aborted) one.end({ answer: null });
    }
    if (full || wakes !== this.#wakes) this.#hopeful.add(kind);
    if (!full) this.#disappoint(kind === ANY ? there : ofKind, wakes);
    for (const one of chosen) if (this.#standing.has(one)) one.freed();
  }

  /** Looks at the names of many kinds at once; the claims follow, for those that can find something. */
  async #look(kinds: ReadonlyMap<string, readonly string[]>): Promise<void> {
    const there = [...this.#standing].filter(({ busy, ask }) => !busy && kinds.has(ask.kind));
    const wakes = this.#wakes;
    for (const kind of kinds.keys()) this.#hopeful.delete(kind);
    const due = await this.#counter.dueNames([...new Set([...kinds.values()].flat())]);
    for (const [kind, names] of kinds) {
      if (!names.some((name) => due.has(name))) continue;
      this.#hopeful.add(kind);
      this.#certain.add(kind);
    }
    this.#disappoint(
      there.filter(({ ask }) => !this.#certain.has(ask.kind)),
      wakes,
    );
  }

  /** Nothing was there for these: who does not wait gets nothing, and the others need not look again for now. */
  #disappoint(looked: readonly Standing[], wakes: number): void {
    for (const one of looked) if (!one.waits && !one.busy && this.#standing.has(one)) one.end({ answer: null });
    if (!this.isEmpty) this.#counter.waitedFor();
    if (wakes !== this.#wakes) return;
    // Those who came meanwhile have not been looked for.
    const seen = new Set(looked);
    const later = [...this.#standing].filter((one) => !seen.has(one)).map(({ ask }) => ask.kind);
    const disappointed = new Set(looked.map(({ ask }) => ask.kind));
    const keep = new Set(later);
    this.#hopeful = new Set([...this.#hopeful].filter((kind) => keep.has(kind) || !disappointed.has(kind)));
  }
}

/** New tasks that claims may have, by their places and names. */
class Offer {
  readonly #names: readonly (string | null)[];
  readonly #open: Set<number>;
  /** How many of each name are left. */
  readonly #left = new Map<string | null, number>();

  constructor(names: readonly (string | null)[]) {
    this.#names = names;
    this.#open = new Set(names.keys());
    for (const name of names) this.#left.set(name, (this.#left.get(name) ?? 0) + 1);
  }

  get isEmpty(): boolean {
    return this.#open.size === 0;
  }

  /** As many as a claim asks for, of those that it would take. */
  take({ names, limit }: Ask): number[] {
    const wanted = names && new Set<string | null>(names.filter((name) => this.#left.get(name)));
    const tasks: number[] = [];
    if (wanted?.size === 0) return tasks;
    for (const at of this.#open) {
      if (tasks.length === limit) break;
      const name = this.#names[at]!;
      if (wanted && !wanted.has(name)) continue;
      tasks.push(at);
      this.#open.delete(at);
      this.#left.set(name, this.#left.get(name)! - 1);
    }
    return tasks;
  }
}

/** As many off the front as one statement takes. */
function cut(standing: readonly Standing[]): Standing[] {
  let sum = 0;
  let count = 0;
  while (count < standing.length && (count === 0 || sum + standing[count]!.ask.limit <= ROUND_MAX))
    sum += standing[count++]!.ask.limit;
  return standing.slice(0, count);
}
