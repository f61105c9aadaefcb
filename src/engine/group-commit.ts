import { Refusal } from "../domain/refusals.ts";

export interface GroupCommitOptions<I, R> {
  /** Batches under way at a time. */
  readonly slots: number;
  /** How much a call adds to a batch; a batch holds calls up to `weightMax`, or one that weighs more. */
  readonly weight: (item: I) => number;
  readonly weightMax: number;
  /** Calls that may be gathered; more are refused as overloaded. */
  readonly gatherMax: number;
  /** Does one batch of one lane and answers its calls in order, after it has committed. */
  readonly run: (lane: number, items: readonly I[]) => Promise<readonly R[]>;
  /** Whether an error may be the fault of one call of the batch: the batch is then split until that call alone gets it. */
  readonly mayBeOnes: (error: unknown) => boolean;
}

interface Gathered<I, R> {
  readonly item: I;
  resolve(answer: R): void;
  reject(error: unknown): void;
}

/**
 * Lets calls of many callers share transactions. A call joins the batch that is being gathered for its lane (its queue); a
 * batch goes as soon as a slot is free, so a lone call never waits, and under load batches grow by themselves. Lanes take
 * turns: one that is flooded holds another's call for a few batches at the most.
 */
export class GroupCommit<I, R> {
  readonly #options: GroupCommitOptions<I, R>;
  /** In the order of their turns: a lane that has had its turn goes to the end. */
  readonly #lanes = new Map<number, Gathered<I, R>[]>();
  #gathered = 0;
  #running = 0;

  constructor(options: GroupCommitOptions<I, R>) {
    this.#options = options;
  }

  /** Calls that wait for a batch to go. */
  get gathered(): number {
    return this.#gathered;
  }

  /** Answers once the call's batch has committed. Rejects with what became of this call alone. */
  submit(lane: number, item: I): Promise<R> {
    if (this.#gathered >= this.#options.gatherMax) throw new Refusal("overloaded", { retryAfterSeconds: 1 });
    return new Promise((resolve, reject) => {
      const gathered = this.#lanes.get(lane);
      if (gathered) gathered.push({ item, resolve, reject });
      else this.#lanes.set(lane, [{ item, resolve, reject }]);
      this.#gathered++;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#running < this.#options.slots) {
      const next = this.#lanes.entries().next().value;
      if (!next) return;
      const [lane, gathered] = next;
      this.#lanes.delete(lane);
      const batch = this.#cut(gathered);
      if (gathered.length > 0) this.#lanes.set(lane, gathered);
      this.#gathered -= batch.length;
      this.#running++;
      void this.#flush(lane, batch).finally(() => {
        this.#running--;
        this.#pump();
      });
    }
  }

  /** Takes the calls of one batch off the front. */
  #cut(gathered: Gathered<I, R>[]): Gathered<I, R>[] {
    const { weight, weightMax } = this.#options;
    let sum = 0;
    let count = 0;
    while (count < gathered.length && (count === 0 || sum + weight(gathered[count]!.item) <= weightMax))
      sum += weight(gathered[count++]!.item);
    return gathered.splice(0, count);
  }

  async #flush(lane: number, batch: readonly Gathered<I, R>[]): Promise<void> {
    try {
      const answers = await this.#options.run(
        lane,
        batch.map(({ item }) => item),
      );
      for (const [at, { resolve }] of batch.entries()) resolve(answers[at]!);
    } catch (error) {
      if (batch.length === 1 || !this.#options.mayBeOnes(error)) {
        for (const { reject } of batch) reject(error);
        return;
      }
      const half = batch.length >> 1;
      await this.#flush(lane, batch.slice(0, half));
      await this.#flush(lane, batch.slice(half));
    }
  }
}
