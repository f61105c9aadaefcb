import type { Db } from "../db/pool.ts";
import type { Outcome, State } from "../domain/task/lifecycle.ts";
import { completeAwaitedTasks, type Waiting } from "../domain/task/queries/complete-awaited.ts";
import { completeTasks, extendLeases, failTasks, noteProgress, releaseTasks } from "../domain/task/queries/finish.ts";
import type { Lease } from "../domain/task/receipt.ts";
import { groupBy, recatalogue } from "../domain/task/repository.ts";
import { type Progress, progressView, time } from "../domain/task/views.ts";
import type { Completed, Failed, Failure } from "./engine.ts";
import type { Handed } from "./hand-freed.ts";

/** What a move did to one task: the caller's answer, and whose lease it was. */
export interface Done<T> {
  readonly answer: T;
  /** Which of the task's leases it was: a batch may hold receipts of others. */
  readonly leaseSeq: number;
  readonly worker: string | null;
  /** Whether the task may have another progress now. */
  readonly progressed?: boolean;
}

/** Runs a statement on receipts of one queue; answers by task id, leaving out those whose receipt is not current. */
export type Statement<I, T> = (
  db: Db,
  queueId: number,
  items: readonly (I & Lease)[],
  settling: boolean,
) => Promise<Map<string, Done<T>>>;

export interface Move<I, T> {
  readonly statement: Statement<I, T>;
  /** What to answer for a receipt that is not current, if not that the lease is lost. */
  readonly stale?: (state: State, current: boolean, id: string) => T | null;
  /** What the worker's figures count, if anything. */
  readonly counts?: "completed" | "failed";
  /** What two calls with one receipt come to that meet in a batch, where the receipt is as good after as before. */
  readonly merge?: (earlier: I, later: I) => I;
  /** Whether it makes tasks ready, for now or later, so that waiting claims should look. */
  readonly frees?: boolean;
  /** How the task ended that got this answer; null while it goes on. Absent where no answer is an end. */
  readonly ends?: (answer: T) => Outcome | null;
  /**
   * Ends tasks whose end must be told, and does what hangs on it, in one statement. Leaves alone those whose lease changes
   * just then: they must come again.
   */
  readonly endAtOnce?: (db: Db, queueId: number, items: readonly (I & Lease)[], waiting: Waiting) => Promise<Ending<T>>;
}

/** What ending tasks has come to. */
export interface Ending<T> {
  readonly done: Map<string, Done<T>>;
  /** Tells the catalogue what the statement could not. */
  readonly relist: () => Promise<void>;
  /** The queues of tasks that are ready now. */
  readonly freed: readonly number[];
  /** Tasks that were claimed as they became ready. */
  readonly handed: readonly Handed[];
}

/** Tells the catalogue of ends that the statement could not: of tasks that came into it while the statement waited for them. */
const relist = (db: Db, queueId: number, rows: readonly { readonly id: string; readonly unlisted: boolean }[]) =>
  recatalogue(
    db,
    queueId,
    rows.map(({ id, unlisted }) => ({ id, catalogued: unlisted })),
  );

interface CompletedRow {
  readonly id: string;
  readonly lease_seq: number;
  readonly worker: string | null;
  readonly unlisted: boolean;
}

const completedBy = (rows: readonly CompletedRow[]): Map<string, Done<Completed>> =>
  new Map(
    rows.map(({ id, lease_seq: leaseSeq, worker }) => [id, { leaseSeq, worker, answer: { id, state: "completed" } }]),
  );

export const complete: Move<{ readonly result?: unknown }, Completed> = {
  async statement(db, queueId, items) {
    const rows = await db.any(completeTasks(queueId, items));
    await relist(db, queueId, rows);
    return completedBy(rows);
  },
  async endAtOnce(db, queueId, items, waiting) {
    const rows = groupBy(await db.any(completeAwaitedTasks(queueId, items, waiting)), ({ what }) => what);
    const completed = (rows.get("completed") ?? []) as readonly CompletedRow[];
    return {
      done: completedBy(completed),
      relist: () => relist(db, queueId, completed),
      freed: (rows.get("freed") ?? []).map((row) => row.queue_id),
      handed: (rows.get("handed") ?? []).map((row) => ({
        id: row.id,
        leaseSeq: row.lease_seq!,
        share: row.share!,
        place: row.place!,
      })),
    };
  },
  counts: "completed",
  // The call that completed the task, come again: its answer was lost on the way.
  stale: (state, current, id) => (state === "completed" && current ? { id, state } : null),
  ends: () => "completed",
};

export const fail: Move<Omit<Failure, "receipt">, Failed> = {
  async statement(db, queueId, items, settling) {
    const rows = await db.any(
      failTasks(
        queueId,
        items.map((item) => ({
          id: item.id,
          leaseSeq: item.leaseSeq,
          error: { message: item.error.message, code: item.error.code ?? null, data: item.error.data },
          retry: item.retry,
          delaySeconds: item.delaySeconds ?? null,
          luck: Math.random(),
        })),
        settling,
      ),
    );
    await relist(db, queueId, rows);
    return new Map(
      rows.map(({ id, lease_seq: leaseSeq, worker, dead, run_at }) => [
        id,
        {
          leaseSeq,
          worker,
          progressed: !dead,
          answer: dead ? { id, state: "failed", runAt: null } : { id, state: "pending", runAt: time(run_at) },
        },
      ]),
    );
  },
  counts: "failed",
  frees: true,
  ends: ({ state }) => (state === "failed" ? state : null),
};

export const release: Move<{ readonly delaySeconds: number }, { id: string; state: State; runAt: string }> = {
  async statement(db, queueId, items) {
    const rows = await db.any(releaseTasks(queueId, items));
    return new Map(
      rows.map(({ id, lease_seq: leaseSeq, run_at }) => [
        id,
        // What the attempt had noted goes with it.
        { leaseSeq, worker: null, progressed: true, answer: { id, state: "pending", runAt: time(run_at) } },
      ]),
    );
  },
  frees: true,
};

interface Extension {
  readonly leaseSeconds: number | null;
  readonly progress?: Progress | undefined;
}

export const extend: Move<Extension, { id: string; leaseExpiresAt: string; progress: Progress | null }> = {
  async statement(db, queueId, items) {
    const rows = await db.any(extendLeases(queueId, items));
    const noted = new Set(items.filter(({ progress }) => progress !== undefined).map(({ id }) => id));
    return new Map(
      rows.map(({ id, lease_seq: leaseSeq, expires_at, progress }) => [
        id,
        {
          leaseSeq,
          worker: null,
          progressed: noted.has(id),
          answer: { id, leaseExpiresAt: time(expires_at), progress: progressView(progress) },
        },
      ]),
    );
  },
  merge: (earlier, later) => ({ ...later, progress: later.progress ?? earlier.progress }),
};

export const progress: Move<{ readonly progress: unknown }, { id: string }> = {
  async statement(db, queueId, items) {
    const rows = await db.any(noteProgress(queueId, items));
    return new Map(
      rows.map(({ id, lease_seq: leaseSeq }) => [id, { leaseSeq, worker: null, progressed: true, answer: { id } }]),
    );
  },
  merge: (_earlier, later) => later,
};
