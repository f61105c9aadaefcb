import { isUnavailable } from "../db/failure.ts";
import { type Database, NoConnection } from "../db/pool.ts";
import { Refusal } from "../domain/refusals.ts";
import { getTasks } from "../domain/task/queries/read.ts";
import { type TaskView, taskView } from "../domain/task/views.ts";
import type { BatchLimits } from "./context.ts";
import { GroupCommit, type LaneKey } from "./group-commit.ts";

/** Most tasks of a statement, and about as many bytes, as they are stored, that it reads. */
const BATCH_MAX = 500;
const BATCH_BYTES_MAX = 8 * 1024 * 1024;

/** The batch was full before it came to this task. */
const LEFT_OVER = Symbol("left over");

interface Read {
  readonly projectId: number;
  readonly id: string;
}

/**
 * Reads single tasks. Those of one queue that are asked for together share a statement, and a task that many ask for is
 * read once. How large tasks are is known only to the statement, so it stops where a batch is full; the others go with the
 * next.
 */
export class TaskReader {
  readonly #pipe: GroupCommit<Read, TaskView | null | typeof LEFT_OVER>;
  readonly #callsMax: number;
  #calls = 0;

  constructor(db: Database, limits: BatchLimits) {
    this.#callsMax = limits.gatherMax;
    this.#pipe = new GroupCommit({
      slots: limits.slots,
      // What is gathered are ids of calls that are there anyway.
      gatherMax: Number.POSITIVE_INFINITY,
      gatherWeightMax: Number.POSITIVE_INFINITY,
      weight: () => 1,
      weightMax: BATCH_MAX,
      mayBeOnes: (error) => !isUnavailable(error) && !(error instanceof NoConnection),
      run: (queueId, reads) => readAll(db, queueId, reads),
    });
  }

  /** Calls that ask for a task now. */
  get calls(): number {
    return this.#calls;
  }

  /** A task as a call asks for it; null when there is none. Refused as overloaded while very many calls are reading. */
  async ask(key: LaneKey, id: string): Promise<TaskView | null> {
    if (this.#calls >= this.#callsMax) throw new Refusal("overloaded", { retryAfterSeconds: 1 });
    this.#calls++;
    try {
      return await this.again(key, id);
    } finally {
      this.#calls--;
    }
  }

  /** As `ask`, for a call that has waited: the ends that come at once may be any number, and each is answered. */
  async again(key: LaneKey, id: string): Promise<TaskView | null> {
    for (;;) {
      const task = await this.#pipe.submit(key, { projectId: key.projectId, id });
      if (task !== LEFT_OVER) return task;
    }
  }
}

async function readAll(db: Database, queueId: number, reads: readonly Read[]) {
  const ids = [...new Set(reads.map(({ id }) => id))];
  const rows = await db.run((on) => on.any(getTasks(reads[0]!.projectId, queueId, ids, BATCH_BYTES_MAX)));
  const tasks = new Map<string, TaskView | null | typeof LEFT_OVER>(rows.map((row) => [row.id, taskView(row)]));
  const last = rows.at(-1);
  if (last?.more) for (const id of ids.slice(ids.indexOf(last.id) + 1)) tasks.set(id, LEFT_OVER);
  return reads.map(({ id }) => tasks.get(id) ?? null);
}
