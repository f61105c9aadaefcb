import { PRIORITIES } from "../domain/task/queries/claim.ts";

/** Sweeps from the very beginning may take this share of the claims' time, and come no more often and no more seldom than: */
const SWEEP_SHARE = 0.05;
const SWEEP_MIN_MS = 100;
const SWEEP_MAX_MS = 30_000;
/** What this instance knows to lie before the bound waits no longer than this. */
const STIRRED_MAX_MS = 500;
/** A sweep that costs no more than this beside a plain claim is always worth it where a queue is nearly empty. */
const CHEAP_MS = 10;
/** Where sweeps are costly, ones from a little further back come at this pace. */
const NEAR_SWEEP_MS = 250;
const NEAR_MS = 2_000;
/** Of so many claims the quickest tells what they cost: a machine that is busy for a moment tells nothing. */
const SAMPLES = 4;
/** What is remembered of a queue that nobody claims from is forgotten after this long. */
const REMEMBERED_MS = 60_000;

/** Where one claim begins. `null` for a priority: at its very beginning. */
export interface Start {
  readonly from: readonly (number | null)[];
  /** It begins at the very beginning of all. */
  readonly sweeping: boolean;
}

/** What of a claimed task says how far the claims have come. */
export interface Passed {
  readonly priority: number;
  /** Epoch milliseconds. */
  readonly run_at: number;
}

/** What a claim came to. */
export interface Outcome {
  /** In the order in which they leave. */
  readonly tasks: readonly Passed[];
  /** It got all that it asked for, so that more may be where the last one was. */
  readonly full: boolean;
  readonly tookMs: number;
}

const BEGINNING: Start = { from: PRIORITIES.map(() => null), sweeping: true };

/**
 * How far the claims of this instance have come in each queue, so that the next one begins there. What claims leave behind
 * are dead index entries, which stay readable for as long as anybody holds an old snapshot: beginning at the front, each
 * claim would read all of them again.
 *
 * A bound is a hint. What lies before it, because it was committed late or by another instance, is found by sweeps from
 * the very beginning. Where they cost little they come ten times a second, and with each claim that found fewer tasks than
 * it asked for. Where they cost much (somebody holds a snapshot) they come as seldom as keeps them to a twentieth of the
 * time; sweeps from two seconds back go on meanwhile.
 */
export class LowerBounds {
  readonly #now: () => number;
  readonly #queues = new Map<number, Map<string, Bound>>();
  #forgottenAt: number;

  /** `now` is monotonic, in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#forgottenAt = now();
  }

  /** Where the next claim of a kind begins. Claims by different names come through a queue at different paces. */
  start(queueId: number, kind: string): Start {
    const now = this.#now();
    return this.#of(queueId, kind, now).begin(now);
  }

  /** Where to look whether there is anything to claim. Null: a queue not seen yet. */
  peek(queueId: number | null, kind: string): Start {
    if (queueId === null) return { ...BEGINNING, sweeping: false };
    const now = this.#now();
    const bound = this.#of(queueId, kind, now);
    return bound.costMs <= CHEAP_MS ? BEGINNING : bound.startAt(now);
  }

  /** A claim from there has come back. */
  passed(queueId: number, kind: string, start: Start, outcome: Outcome): void {
    this.#of(queueId, kind, this.#now()).pass(start, outcome);
  }

  /** A look from there found nothing: if it was from the very beginning, it has done a sweep's work. */
  peekedInVain(queueId: number | null, kind: string, start: Start, tookMs: number): void {
    if (queueId === null || !start.sweeping) return;
    this.start(queueId, kind);
    this.passed(queueId, kind, start, { tasks: [], full: false, tookMs });
  }

  /** Whether a claim that found too few should look from the very beginning at once. */
  isCheapToSweep(queueId: number, kind: string): boolean {
    return this.#of(queueId, kind, this.#now()).costMs <= CHEAP_MS;
  }

  /** Tasks may have come that lie before those claimed last: the next claim sweeps, or one soon after. */
  stir(queueId: number): void {
    for (const bound of this.#queues.get(queueId)?.values() ?? []) bound.stirred = true;
  }

  #of(queueId: number, kind: string, now: number): Bound {
    if (now - this.#forgottenAt > REMEMBERED_MS) this.#forget(now);
    const kinds = this.#queues.get(queueId) ?? new Map<string, Bound>();
    this.#queues.set(queueId, kinds);
    const bound = kinds.get(kind) ?? new Bound();
    kinds.set(kind, bound);
    bound.usedAt = now;
    return bound;
  }

  #forget(now: number): void {
    this.#forgottenAt = now;
    for (const [queueId, kinds] of this.#queues) {
      for (const [kind, { usedAt }] of kinds) if (now - usedAt > REMEMBERED_MS) kinds.delete(kind);
      if (kinds.size === 0) this.#queues.delete(queueId);
    }
  }
}

/** The bound of one kind of claims in one queue. Times are milliseconds of the monotonic clock. */
class Bound {
  readonly #from: (number | null)[] = PRIORITIES.map(() => null);
  readonly #claims = new Quickest();
  readonly #sweeps = new Quickest();
  #sweptAt = Number.NEGATIVE_INFINITY;
  #sweptNearAt = Number.NEGATIVE_INFINITY;
  /** The last claim found fewer tasks than it asked for. */
  #drained = false;
  stirred = false;
  usedAt = 0;

  /** What a sweep costs beside a plain claim. */
  get costMs(): number {
    return Math.max(0, (this.#sweeps.ms ?? 0) - (this.#claims.ms ?? Number.POSITIVE_INFINITY));
  }

  startAt(now: number): Start {
    if (now - this.#sweptAt >= this.#pace()) return BEGINNING;
    if (now - this.#sweptNearAt < NEAR_SWEEP_MS) return { from: [...this.#from], sweeping: false };
    return { from: this.#from.map((from) => (from === null ? null : from - NEAR_MS)), sweeping: false };
  }

  begin(now: number): Start {
    const start = this.startAt(now);
    if (start.sweeping) {
      this.#sweptAt = now;
      this.stirred = false;
    }
    if (start.sweeping || now - this.#sweptNearAt >= NEAR_SWEEP_MS) this.#sweptNearAt = now;
    return start;
  }

  pass(start: Start, { tasks, full, tookMs }: Outcome): void {
    (start.sweeping ? this.#sweeps : this.#claims).add(tookMs);
    this.#drained = !full;
    for (const { priority, run_at } of tasks) {
      const known = this.#from[priority] ?? null;
      if (known === null || run_at > known) this.#from[priority] = run_at;
    }
    const last = tasks.at(-1);
    if (full && last) this.#from[last.priority] = last.run_at;
  }

  #pace(): number {
    const { costMs } = this;
    if (this.#drained && costMs <= CHEAP_MS) return 0;
    const pace = costMs / SWEEP_SHARE;
    return this.stirred ? Math.min(STIRRED_MAX_MS, pace) : Math.min(SWEEP_MAX_MS, Math.max(SWEEP_MIN_MS, pace));
  }
}

/** The shortest of the last few times; null until there are as many. */
class Quickest {
  readonly #times: number[] = [];
  #at = 0;

  get ms(): number | null {
    return this.#times.length < SAMPLES ? null : Math.min(...this.#times);
  }

  add(ms: number): void {
    this.#times[this.#at] = ms;
    this.#at = (this.#at + 1) % SAMPLES;
  }
}
