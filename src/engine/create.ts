import type { Database } from "../db/pool.ts";
import { Refusal } from "../domain/refusals.ts";
import type { Logger } from "../lib/log.ts";
import { idGenerator } from "../lib/uuid7.ts";
import { admin } from "./admin.ts";
import { attempts } from "./attempts.ts";
import { categories } from "./categories.ts";
import { ClaimDispatcher } from "./claim-dispatcher.ts";
import { claimCounters, claiming } from "./claims.ts";
import { type EngineContext, SIZES, type Sizes } from "./context.ts";
import { Credentials } from "./credentials.ts";
import { DatabaseClock } from "./database-clock.ts";
import { Directory } from "./directory.ts";
import type { Engine } from "./engine.ts";
import { enqueueing } from "./enqueue.ts";
import { finishing } from "./finish.ts";
import { keys } from "./keys.ts";
import { LowerBounds } from "./lower-bounds.ts";
import { members } from "./members.ts";
import { projects } from "./projects.ts";
import { queues } from "./queues.ts";
import { refusalOf } from "./refusal-of.ts";
import { schedules } from "./schedules.ts";
import { tags } from "./tags.ts";
import { taskLists } from "./task-lists.ts";
import { TaskReader } from "./task-reader.ts";
import { TaskWaiters } from "./task-waiters.ts";
import { singleTasks } from "./tasks.ts";
import { Wakeups } from "./wakeups.ts";
import { WorkerLedger } from "./worker-ledger.ts";
import { workers } from "./workers.ts";
import { workflows } from "./workflows.ts";

/** Batches of each kind under way at a time: while some are with the database the next grow. */
const SLOTS = 2;
/** About as many tasks may be gathered in each pipeline: with full bodies, some 200 MiB. */
const GATHER_WEIGHT_MAX = 50_000;

export interface EngineOptions {
  readonly hot: Database;
  readonly cold: Database;
  /** Looks credentials up; absent: among the hot statements. */
  readonly access?: Database;
  readonly log: Logger;
  readonly version: string;
  /** Make a queue at its first task. */
  readonly createQueues: boolean;
  /** Claims that may wait at a time; more are refused as overloaded. */
  readonly waitersMax: number;
  /** Calls that may wait for a database connection; more are refused as overloaded. */
  readonly gatherMax: number;
  /** How long those who wait for tasks go without looking when nothing is told to them. */
  readonly pollMs?: number;
  readonly sizes?: Sizes;
  /** Whether wake-ups from other instances arrive. */
  readonly listening: () => boolean;
}

export interface RunningEngine {
  readonly engine: Engine;
  readonly context: EngineContext;
  close(): Promise<void>;
}

/** Puts the engine together on open pools. */
export async function createEngine(options: EngineOptions): Promise<RunningEngine> {
  const { hot, cold, access = hot, log } = options;
  const clock = new DatabaseClock(cold);
  await clock.set();
  const limits = { slots: SLOTS, gatherMax: options.gatherMax, gatherWeightMax: GATHER_WEIGHT_MAX };
  const context: EngineContext = {
    hot,
    cold,
    access,
    log,
    directory: new Directory(hot, options.createQueues),
    bounds: new LowerBounds(),
    wakeups: new Wakeups(),
    waiters: new TaskWaiters(hot, log, options.pollMs),
    reader: new TaskReader(hot, limits),
    credentials: new Credentials(access, limits),
    withInputs: new Set(),
    workers: new WorkerLedger(cold, log),
    newId: idGenerator(() => clock.now()),
    now: () => clock.now(),
    setClock: () => clock.set(),
    sizes: options.sizes ?? SIZES,
  };
  const dispatcher = new ClaimDispatcher(claimCounters(context));
  const operations: Engine = {
    enqueue: enqueueing(context, dispatcher, limits),
    claim: claiming(context, dispatcher, options.waitersMax),
    ...finishing(context, dispatcher, limits),
    ...singleTasks(context),
    ...taskLists(context),
    ...attempts(context),
    ...workflows(context),
    ...projects(context),
    ...keys(context),
    ...members(context),
    ...tags(context),
    ...categories(context),
    ...schedules(context),
    ...queues(context),
    ...workers(context),
    ...admin(context, { version: options.version, dispatcher, listening: options.listening }),
  };
  return {
    engine: guarded(operations, options),
    context,
    async close() {
      dispatcher.close();
      context.waiters.close();
      context.wakeups.close();
      context.credentials.close();
      await context.workers.flush();
    },
  };
}

/** Refuses what cannot be done now in the words of the closed set, whichever operation meets it. */
function guarded(operations: Engine, { hot, gatherMax }: EngineOptions): Engine {
  const wrap =
    <A extends unknown[], T>(operation: (...args: A) => Promise<T>) =>
    async (...args: A): Promise<T> => {
      if (hot.waiting() >= gatherMax) throw new Refusal("overloaded", { retryAfterSeconds: 1 });
      try {
        return await operation(...args);
      } catch (error) {
        throw refusalOf(error);
      }
    };
  const entries = Object.entries(operations).map(([name, operation]) => [name, wrap(operation as never)]);
  return Object.fromEntries(entries) as unknown as Engine;
}
