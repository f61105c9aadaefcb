import type { QueueRow } from "../domain/queue/queries.ts";
import { claimedFacts } from "../domain/task/queries/claim.ts";
import type { Waiting } from "../domain/task/queries/complete-awaited.ts";
import { groupBy } from "../domain/task/repository.ts";
import { type ClaimedView, claimedView } from "../domain/task/views.ts";
import type { ClaimDispatcher } from "./claim-dispatcher.ts";
import type { Ask, Standing } from "./claim-line.ts";
import type { EngineContext } from "./context.ts";
import { giveBack, handOver } from "./hand-over.ts";
import type { Came } from "./split.ts";

/** A task that a completion has freed and leased to a claim. */
export interface Handed {
  readonly id: string;
  readonly leaseSeq: number;
  /** Which of the claims got it, counted from 1. */
  readonly share: number;
  readonly place: number;
}

export const NOBODY: Waiting = { shares: [], names: null };

/**
 * Claims that wait for tasks of a queue and may have what completions set free: one statement and one commit from a task to
 * the next of its workflow. Only claims that have looked and found nothing, so nobody overtakes an older task. They are kept
 * until tell() or drop().
 */
export class HandFreed {
  readonly #context: EngineContext;
  readonly #dispatcher: ClaimDispatcher;
  readonly #queue: QueueRow;
  readonly #kept: readonly Standing[];

  constructor(context: EngineContext, dispatcher: ClaimDispatcher, queue: QueueRow) {
    this.#context = context;
    this.#dispatcher = dispatcher;
    this.#queue = queue;
    this.#kept = dispatcher.keepAlike(this.#line);
  }

  get waiting(): Waiting {
    return { shares: this.#kept.map(({ ask }) => ask), names: this.#kept[0]?.ask.names ?? null };
  }

  /** Tells the claims what they got, once that has committed. Does not reject. */
  async tell(handed: readonly Handed[]): Promise<void> {
    const came = new Map<Ask, Came<ClaimedView[]>>();
    if (handed.length > 0) {
      for (const [ask, tasks] of await this.#tasksOf(handed)) came.set(ask, { answer: tasks });
      await handOver(this.#context, this.#queue, came);
    }
    this.#dispatcher.settle(this.#line, this.#kept, came);
  }

  /** Nothing came of it: the claims go on waiting. */
  drop(): void {
    this.#dispatcher.settle(this.#line, this.#kept, new Map());
  }

  get #line() {
    return { projectId: this.#queue.project_id, queue: this.#queue.name };
  }

  /** What the claims are answered. Where it cannot be read, the tasks go back. */
  async #tasksOf(handed: readonly Handed[]): Promise<ReadonlyMap<Ask, ClaimedView[]>> {
    const { id, name } = this.#queue;
    try {
      const rows = await this.#context.hot.run((db) => db.any(claimedFacts(id, handed)));
      const facts = new Map(rows.map((row) => [row.id, row]));
      const shared = groupBy(
        handed.toSorted((a, b) => a.place - b.place),
        ({ share }) => share,
      );
      return new Map(
        this.#kept.map(({ ask }, at) => [
          ask,
          (shared.get(at + 1) ?? []).flatMap((one) => {
            const row = facts.get(one.id);
            return row ? [claimedView({ ...row, ...one }, name)] : [];
          }),
        ]),
      );
    } catch (error) {
      this.#context.log.warn("tasks that were handed over could not be read", { error });
      await giveBack(this.#context, this.#queue, handed);
      return new Map();
    }
  }
}
