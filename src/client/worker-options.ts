import { hostname } from "node:os";
import { alike, type Client, createClient, type TransportName, transportOf } from "./client.ts";
import type { ClaimedTask, Json, JsonObject } from "./contract.ts";
import type { TaskWorkflow } from "./task-workflow.ts";
import { guarded, type Listener, warnOfLosses } from "./worker-events.ts";

export interface HandlerContext {
  /** Aborted when the task is cancelled, its lease is lost (reason: LeaseLost) or the worker stops (WorkerStopping). */
  readonly signal: AbortSignal;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** Results of the tasks it depends on, by key in a workflow, by id outside; without those that were too large together. */
  readonly inputs: JsonObject;
  /** The result of one of them, asked for where `inputs` is without it; null where there is none. */
  input(key: string): Promise<Json>;
  /** The workflow it is of, to add tasks to; null outside. */
  readonly workflow: TaskWorkflow | null;
  /** Shows how far the task is. Never rejects; while one report is on its way only the latest of the next ones is sent. */
  progress(percent: number, note?: string): Promise<void>;
}

/**
 * Does one task. What it returns, or resolves to, is the task's result and must be JSON (nothing counts as null); what
 * it throws fails the attempt, but see PermanentError and RetryLater.
 */
export type Handler = (task: ClaimedTask, context: HandlerContext) => unknown;

export interface WorkerOptions {
  /** A client of the service, or else its `url`. */
  readonly client?: Client;
  readonly url?: string;
  /** The API key to call with, where no client is given. */
  readonly key?: string;
  readonly queue?: string;
  /** Tried in turn; at most 20. */
  readonly queues?: readonly string[];
  readonly project?: string;
  /** Handlers by task name. Unless there is `handle` too, only tasks of these names are claimed; at most 100. */
  readonly handlers?: Readonly<Record<string, Handler>>;
  /** Does every task that `handlers` has no name for, those without a name included. */
  readonly handle?: Handler;
  /** Most tasks at once. Default: 10 */
  readonly concurrency?: number;
  /**
   * Tasks claimed beyond those that have a slot, so that a slot which comes free has the next one at once; their leases are
   * renewed, and they are handed back when the worker stops. Default: as many as the handlers get through in a tenth of a
   * second, going by how long they took so far, at most 1,000; so none behind handlers that take longer.
   */
  readonly prefetch?: number;
  /**
   * How the worker calls the service. Default: what the client was made with; if it was not told either, by a WebSocket of
   * the worker's own, or over HTTP where the client has a `fetch` of its user's or no WebSocket can be had.
   */
  readonly transport?: TransportName;
  /** Default: each queue's own. Leases are renewed at a third of it for as long as the handler runs. */
  readonly leaseSeconds?: number;
  /** What the service calls this worker. Default: host:process:random */
  readonly name?: string;
  /** Seconds a claim waits at the service for a task, 1 to 60. Default: 20 */
  readonly waitSeconds?: number;
  /**
   * Sends each claim with a requestId, so that one whose answer was lost is repeated and hands out the same tasks.
   * Costs the service a row for each claim. Default: false; such tasks come back when their lease runs out.
   */
  readonly repeatableClaims?: boolean;
  /** Hears all that happens. Default: losses and troubles are written to standard error. */
  readonly onEvent?: Listener;
}

/** The options with their defaults, checked. */
export interface WorkerSettings {
  readonly client: Client;
  /** The client is the worker's alone, to be closed when the worker has stopped. */
  readonly ownClient: boolean;
  readonly queues: readonly string[];
  /** What every call says of the project. */
  readonly inProject: { readonly project?: string };
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly handle: Handler | undefined;
  readonly concurrency: number;
  readonly prefetch: number | undefined;
  readonly leaseSeconds: number | undefined;
  readonly name: string;
  readonly waitSeconds: number;
  readonly repeatableClaims: boolean;
  readonly emit: Listener;
}

const NAMES_MAX = 100;
const QUEUES_MAX = 20;

/** Throws TypeError for options that could never work, so that a worker which starts is one that can claim. */
export function settle(options: WorkerOptions): WorkerSettings {
  const queues = options.queues ?? (options.queue === undefined ? [] : [options.queue]);
  const handlers = new Map(Object.entries(options.handlers ?? {}));
  const { handle, concurrency = 10, prefetch, leaseSeconds, waitSeconds = 20 } = options;
  check(options.queue === undefined || options.queues === undefined, "give queue or queues, not both");
  check(queues.length >= 1 && queues.length <= QUEUES_MAX, `give 1 to ${QUEUES_MAX} queues`);
  check(handlers.size > 0 || handle !== undefined, "give handlers by task name, or handle for all tasks");
  check(
    handle !== undefined || handlers.size <= NAMES_MAX,
    `give at most ${NAMES_MAX} handlers, or handle beside them`,
  );
  check(Number.isSafeInteger(concurrency) && concurrency >= 1, "concurrency must be a whole number from 1");
  check(prefetch === undefined || (Number.isSafeInteger(prefetch) && prefetch >= 0), "prefetch must be a whole number");
  check(waitSeconds >= 1 && waitSeconds <= 60, "waitSeconds must be from 1 to 60");
  check(
    leaseSeconds === undefined || (leaseSeconds >= 1 && leaseSeconds <= 43_200),
    "leaseSeconds must be from 1 to 43200",
  );
  return {
    ...clientOf(options),
    queues,
    inProject: options.project === undefined ? {} : { project: options.project },
    handlers,
    handle,
    concurrency,
    prefetch,
    leaseSeconds,
    name: options.name ?? `${hostname()}:${process.pid}:${crypto.randomUUID().slice(0, 8)}`,
    waitSeconds,
    repeatableClaims: options.repeatableClaims ?? false,
    emit: guarded(options.onEvent ?? warnOfLosses),
  };
}

/** A connection of the worker's own: its claims wait on it, and the end of it tells the service that the worker has gone. */
function clientOf(options: WorkerOptions): Pick<WorkerSettings, "client" | "ownClient"> {
  const given = options.client ?? createClient(addressOf(options));
  const own = alike(given, options.transport ?? transportOf(given) ?? "websocket");
  return { client: own ?? given, ownClient: own !== null };
}

const addressOf = ({ url, key }: WorkerOptions) => ({
  ...(url !== undefined && { url }),
  ...(key !== undefined && { key }),
});

function check(holds: boolean, rule: string): void {
  if (!holds) throw new TypeError(`Worker: ${rule}.`);
}
