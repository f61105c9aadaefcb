import { Refusal } from "../domain/refusals.ts";
import { runSplitting } from "./split.ts";
import { atEndOfTurn, isWorthGoing } from "./turns.ts";

export interface GroupCommitOptions<I, R> {
  /** Batches under way at a time. */
  readonly slots: number;
  /** How much a call adds to a batch, and about how much a batch holds. */
  readonly weight: (item: I) => number;
  readonly weightMax: number;
  /** Calls, and the sum of their weights, that may be gathered; more are refused as overloaded. */
  readonly gatherMax: number;
  readonly gatherWeightMax: number;
  /** Does one batch of one queue and answers its calls in order, after it has committed. */
  readonly run: (queueId: number, items: readonly I[]) => Promise<readonly R[]>;
  /** Whether an error may be the fault of one call of the batch: the batch is then split until that call alone gets it. */
  readonly mayBeOnes: (error: unknown) => boolean;
}

interface Gathered<I, R> {
  readonly item: I;
  readonly weight: number;
  resolve(answer: R): void;
  reject(error: unknown): void;
}

/** Calls that weigh more than this share of a batch are heavy, and leave this much room for the light ones. */
const LIGHT_SHARE = 0.1;
const ROOM_FOR_LIGHT = 0.5;

/** The calls gathered for one queue, in their order; the light ones apart, so that they need not wait for the heavy. */
class Lane<I, R> {
  readonly #light: Gathered<I, R>[] = [];
  readonly #heavy: Gathered<I, R>[] = [];

  /** Calls that wait. */
  get size(): number {
    return this.#light.length + this.#heavy.length;
  }

  add(call: Gathered<I, R>, weightMax: number): void {
    (call.weight > weightMax * LIGHT_SHARE ? this.#heavy : this.#light).push(call);
  }

  /**
   * Takes the calls of one batch off the fronts. Where heavy ones wait, one of them goes with each batch at least, beside
   * the light ones in half of it: neither kind can hold up the other.
   */
  cut(weightMax: number): Gathered<I, R>[] {
    const room = this.#heavy.length > 0 ? weightMax * ROOM_FOR_LIGHT : weightMax;
    const light = take(this.#light, room);
    const sum = light.reduce((total, { weight }) => total + weight, 0);
    return [...light, ...take(this.#heavy, weightMax - sum)];
  }
}

/** Off the front as many as fit, and one even if it does not. */
function take<I, R>(calls: Gathered<I, R>[], room: number): Gathered<I, R>[] {
  let sum = 0;
  let count = 0;
  while (count < calls.length && (count === 0 || sum + calls[count]!.weight <= room)) sum += calls[count++]!.weight;
  return calls.splice(0, count);
}

/** Where a call belongs: the queue whose batch it joins, and the project whose turn that is. */
export interface LaneKey {
  readonly projectId: number;
  readonly queueId: number;
}

/**
 * Lets calls of many callers share transactions. A call joins the batch that is being gathered for its queue; a batch goes
 * at the end of the turn when a slot is free, so a lone call never waits, and under load batches grow by themselves. A second
 * batch of a queue goes beside one under way when it is worth it (turns.ts). Projects take turns, and within a project its
 * queues: a flood, in however many queues, holds the call of another project for a batch or two.
 */
export class GroupCommit<I, R> {
  readonly #options: GroupCommitOptions<I, R>;
  /** Both in the order of their turns: who has had a turn goes to the end. */
  readonly #projects = new Map<number, Map<number, Lane<I, R>>>();
  #gathered = 0;
  #gatheredWeight = 0;
  readonly #underWay = new Set<{ readonly queueId: number; readonly size: number }>();
  readonly #pumpSoon = atEndOfTurn(() => this.#pump());

  constructor(options: GroupCommitOptions<I, R>) {
    this.#options = options;
  }

  /** Calls that wait for a batch to go. */
  get gathered(): number {
    return this.#gathered;
  }

  /** Answers once the call's batch has committed. Rejects with what became of this call alone. */
  submit({ projectId, queueId }: LaneKey, item: I): Promise<R> {
    const { gatherMax, gatherWeightMax, weightMax } = this.#options;
    const weight = this.#options.weight(item);
    const isFull = this.#gathered >= gatherMax || this.#gatheredWeight + weight > gatherWeightMax;
    if (isFull && this.#gathered > 0) throw new Refusal("overloaded", { retryAfterSeconds: 1 });
    return new Promise((resolve, reject) => {
      const lanes = this.#projects.get(projectId) ?? new Map<number, Lane<I, R>>();
      this.#projects.set(projectId, lanes);
      const lane = lanes.get(queueId) ?? new Lane<I, R>();
      lanes.set(queueId, lane);
      lane.add({ item, weight, resolve, reject }, weightMax);
      this.#gathered++;
      this.#gatheredWeight += weight;
      this.#pumpSoon();
    });
  }

  #pump(): void {
    while (this.#underWay.size < this.#options.slots) {
      const next = this.#nextTurn();
      if (!next) return;
      const { queueId, batch } = next;
      this.#gathered -= batch.length;
      for (const { weight } of batch) this.#gatheredWeight -= weight;
      const underWay = { queueId, size: batch.length };
      this.#underWay.add(underWay);
      void this.#flush(queueId, batch).finally(() => {
        this.#underWay.delete(underWay);
        this.#pumpSoon();
      });
    }
  }

  /**
   * The batch whose turn it is. What is under way for other queues does not hold it: it may wait for a lock of theirs.
   */
  #nextTurn(): { queueId: number; batch: Gathered<I, R>[] } | null {
    for (const [projectId, lanes] of this.#projects)
      for (const [queueId, lane] of lanes) {
        const beside = [...this.#underWay].filter((batch) => batch.queueId === queueId);
        if (
          !isWorthGoing(
            lane.size,
            beside.map(({ size }) => size),
          )
        )
          continue;
        const batch = lane.cut(this.#options.weightMax);
        lanes.delete(queueId);
        if (lane.size > 0) lanes.set(queueId, lane);
        this.#projects.delete(projectId);
        if (lanes.size > 0) this.#projects.set(projectId, lanes);
        return { queueId, batch };
      }
    return null;
  }

  #flush(queueId: number, batch: readonly Gathered<I, R>[]): Promise<void> {
    const { run, mayBeOnes } = this.#options;
    return runSplitting(
      batch,
      {
        run: (calls) =>
          run(
            queueId,
            calls.map(({ item }) => item),
          ),
        mayBeOnes,
      },
      (call, came) => ("error" in came ? call.reject(came.error) : call.resolve(came.answer)),
    );
  }
}
