import type { Database, Db } from "../db/pool.ts";
import type { Logger } from "../lib/log.ts";
import type { NewId } from "../lib/uuid7.ts";
import type { Credentials } from "./credentials.ts";
import type { Directory } from "./directory.ts";
import type { LowerBounds } from "./lower-bounds.ts";
import type { TaskReader } from "./task-reader.ts";
import type { TaskWaiters } from "./task-waiters.ts";
import type { Wakeups } from "./wakeups.ts";
import type { WorkerLedger } from "./worker-ledger.ts";

/** How much of what callers send is kept, and how much of it goes out at once. */
export interface Sizes {
  /** Bytes of a result as JSON text. */
  readonly resultBytesMax: number;
  /** Bytes of what a failure says beside its message. */
  readonly errorDataBytesMax: number;
  /** Bytes of payloads, results and errors that one answer may hold; a single task's may be more. */
  readonly answerBytesMax: number;
}

export const SIZES: Sizes = {
  resultBytesMax: 4_194_304,
  errorDataBytesMax: 65_536,
  answerBytesMax: 67_108_864,
};

/** The parts that the engine's operations share. */
export interface EngineContext {
  /** Hot statements: planner settings for index access. */
  readonly hot: Database;
  /** Everything else, planned freely. */
  readonly cold: Database;
  /** Statements by which callers are let in; nothing that a caller asks for runs here. */
  readonly access: Database;
  readonly directory: Directory;
  /** How far this instance's claims have come in each queue. */
  readonly bounds: LowerBounds;
  readonly wakeups: Wakeups;
  readonly waiters: TaskWaiters;
  readonly reader: TaskReader;
  readonly credentials: Credentials;
  readonly workers: WorkerLedger;
  /** Numbers of queues whose tasks came with inputs: results of other tasks, which may be large. */
  readonly withInputs: Set<number>;
  readonly newId: NewId;
  /** The database's time, whole epoch milliseconds, as far as this process can tell without asking. */
  readonly now: () => number;
  /** Sets that clock by the database's again. */
  readonly setClock: () => Promise<void>;
  readonly log: Logger;
  readonly sizes: Sizes;
}

/** Things to do once a change has committed: waking those who wait, mostly. */
export type After = (effect: () => void) => void;
export type { Db };

/** How much each pipeline of calls may take up. */
export interface BatchLimits {
  /** Batches under way at a time. */
  readonly slots: number;
  /** Calls gathered before further ones are refused as overloaded. */
  readonly gatherMax: number;
  /** The sum of what they weigh, likewise: tasks or receipts, and their payloads at so many bytes a task. */
  readonly gatherWeightMax: number;
}
