import type { ConnectionOptions } from "node:tls";
import {
  type CommonQueryMethods,
  createPool,
  createTimestampWithTimeZoneTypeParser,
  type DatabasePool,
  type Interceptor,
  type QueryResultRow,
  SlonikError,
} from "slonik";
import { z } from "zod";
import { violatedConstraint } from "./failure.ts";
import { sql } from "./sql.ts";

/** What runs a query: a pool, or a transaction on one of its connections. */
export type Db = CommonQueryMethods;

export interface PoolOptions {
  readonly dsn: string;
  readonly ssl?: ConnectionOptions | undefined;
  readonly name: string;
  readonly size: number;
  readonly connectTimeoutMs: number;
  readonly statementTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** How long a call waits for a free connection before it is rejected with NoConnection. */
  readonly acquireTimeoutMs: number;
  /** Check each row against its query's schema: on in tests and development. */
  readonly rowChecks: boolean;
  /** Keep the planner to index access: for the engine's statements (see INDEX_ONLY). */
  readonly indexOnly: boolean;
  /**
   * Through a pooler, commit durably whatever synchronous_commit is: another of its clients may have turned it off on a
   * connection that we are given next.
   */
  readonly durable?: boolean;
}

/** All connections were busy for too long. Nothing was sent. */
export class NoConnection extends Error {}

/** A pool whose every statement runs under the settings asked for, on a direct connection or through a pooler. */
export interface Database {
  /** True when the connections go through a pooler that takes no start-up settings. */
  readonly pooled: boolean;
  /** Calls waiting for a connection. */
  waiting(): number;
  /** Runs single statements: each commits by itself. */
  run<T>(work: (db: Db) => Promise<T>): Promise<T>;
  /** Runs a transaction; on a deadlock `work` runs again, so it does SQL and nothing else. */
  transaction<T>(work: (db: Db) => Promise<T>): Promise<T>;
  end(): Promise<void>;
}

/**
 * The narrow tables go from empty to millions of rows in seconds, and a planner that believes statistics of "empty" reads
 * them whole, dead rows included. Each statement of the engine has the index it needs, so there is nothing to weigh.
 */
export const INDEX_ONLY = [
  "enable_seqscan",
  "enable_hashjoin",
  "enable_mergejoin",
  "enable_bitmapscan",
  "jit",
] as const;

/** Counts fit a number: 2^53 tasks are more than a database holds. Times are epoch milliseconds. */
const TYPE_PARSERS = [
  createTimestampWithTimeZoneTypeParser(),
  { name: "int8", parse: Number },
  { name: "numeric", parse: Number },
];

/** Answers a row as its query's schema understands it, or fails: a row of another shape is a fault of ours. */
const checkRows: Interceptor = {
  name: "check-rows",
  transformRow: ({ resultParser }, query, row) => {
    if (!resultParser) return row;
    const checked = resultParser["~standard"].validate(row);
    if (checked instanceof Promise) throw new Error("A row's schema must not be asynchronous.");
    if (checked.issues) {
      const what = checked.issues.map(({ path, message }) => `${path?.join(".") ?? "row"}: ${message}`).join("; ");
      throw new TypeError(`A row is not as its query's schema says (${what}): ${query.sql.trim().slice(0, 200)}`);
    }
    return checked.value as QueryResultRow;
  },
};

/** A pooler may run each transaction on another connection, where a prepared statement's name means nothing. */
const forgetNames: Interceptor = {
  name: "forget-statement-names",
  transformQuery: (_context, { sql, values }) => ({ sql, values }),
};

/**
 * Opens a pool. Slonik's own defaults cannot pass a connection pooler: they send `statement_timeout` and the like as
 * start-up parameters, which PgBouncer refuses, and `DISCARD ALL` at each release, which costs a round trip and would drop
 * our settings. Settings go into the start-up `options` here; a pooler that refuses those gets them at the head of each
 * transaction instead, and every statement then runs in one.
 */
export async function openDatabase(options: PoolOptions): Promise<Database> {
  const settings = { statement_timeout: String(options.statementTimeoutMs) };
  if (options.indexOnly) for (const name of INDEX_ONLY) Object.assign(settings, { [name]: "off" });
  if (options.indexOnly) Object.assign(settings, { plan_cache_mode: "force_generic_plan" });
  try {
    const direct = await open(options, withStartUpOptions(options.dsn, settings), []);
    return database(direct, options, null);
  } catch (error) {
    if (!isStartUpRefusal(error)) throw error;
    return database(await open(options, options.dsn, [forgetNames]), options, settings);
  }
}

function open(options: PoolOptions, dsn: string, interceptors: readonly Interceptor[]): Promise<DatabasePool> {
  return createPool(dsn, {
    ...(options.ssl ? { ssl: options.ssl } : {}),
    poolName: options.name,
    maxPoolSize: options.size,
    connectionTimeout: options.connectTimeoutMs,
    statementTimeout: "DISABLE_TIMEOUT",
    idleInTransactionSessionTimeout: "DISABLE_TIMEOUT",
    idleTimeout: options.idleTimeoutMs,
    connectionRetryLimit: 0,
    resetConnection: async () => {},
    // Promises of one call are settled by the statements of another, so an asynchronous context says nothing here.
    dangerouslyAllowForeignConnections: true,
    typeParsers: TYPE_PARSERS,
    interceptors: options.rowChecks ? [...interceptors, checkRows] : interceptors,
  });
}

function database(pool: DatabasePool, options: PoolOptions, settings: Record<string, string> | null): Database {
  const transaction = <T>(work: (db: Db) => Promise<T>): Promise<T> =>
    withConnection(pool, options, (connection) =>
      connection.transaction(async (tx) => {
        if (settings) await tx.query(setLocal(settings, options.durable === true));
        return await work(tx);
      }),
    );
  return {
    pooled: settings !== null,
    waiting: () => pool.state().waitingClients,
    run: settings ? transaction : (work) => withConnection(pool, options, work),
    transaction,
    end: () => pool.end(),
  };
}

/** What work on a connection came to, where the connection is as good as before. */
type Came<T> = { readonly value: T } | { readonly error: unknown };

/**
 * Slonik closes the connection that a piece of work throws on. A refusal says nothing about the connection, and whoever
 * could have refusals at will would keep PostgreSQL forking and planning: so what is no fault of the driver is carried
 * past Slonik and thrown behind it.
 */
async function withConnection<T>(pool: DatabasePool, options: PoolOptions, work: (db: Db) => Promise<T>): Promise<T> {
  const came = await onConnection(pool, options, async (connection): Promise<Came<T>> => {
    try {
      return { value: await work(connection) };
    } catch (error) {
      if (!leavesConnectionGood(error)) throw error;
      return { error };
    }
  });
  if ("error" in came) throw came.error;
  return came.value;
}

/** True for errors that the database had no part in, and for a constraint that was violated. */
function leavesConnectionGood(error: unknown): boolean {
  if (violatedConstraint(error) !== null) return true;
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    if (at instanceof SlonikError || "code" in at) return false;
  return true;
}

/** Slonik waits for a free connection without end; here a call gives up in time, and what it is given later it hands back. */
function onConnection<T>(pool: DatabasePool, options: PoolOptions, work: (db: Db) => Promise<T>): Promise<T> {
  const { waitingClients, acquiredConnections, pendingConnections } = pool.state();
  if (waitingClients === 0 && acquiredConnections + pendingConnections < options.size) return pool.connect(work);
  return new Promise((resolve, reject) => {
    let over = false;
    const timer = setTimeout(() => {
      over = true;
      reject(new NoConnection("No connection was free in time."));
    }, options.acquireTimeoutMs);
    const use = async (connection: Db) => {
      clearTimeout(timer);
      if (!over) resolve(await work(connection));
    };
    pool.connect(use).catch((error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

const DURABLE = sql.fragment`
  set_config('synchronous_commit', coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on'), true)`;

/** One row of settings, no table; `durable` leaves every value of synchronous_commit but "off" as it is. */
const setLocal = (settings: Record<string, string>, durable: boolean) => sql.type(z.looseObject({}))`
  select ${sql.join(
    [
      ...Object.entries(settings).map(([name, value]) => sql.fragment`set_config(${name}, ${value}, true)`),
      ...(durable ? [DURABLE] : []),
    ],
    sql.fragment`, `,
  )}`;

function withStartUpOptions(dsn: string, settings: Record<string, string>): string {
  const url = new URL(dsn);
  const ours = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  url.searchParams.set("options", [url.searchParams.get("options") ?? "", ...ours].join(" ").trim());
  // The driver reads the query string by the URL standard, where a plus is a space; PostgreSQL splits options at spaces.
  return url.toString();
}

/** PgBouncer says "unsupported startup parameter", others name the parameter `options` with the same SQLSTATE. */
function isStartUpRefusal(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    if (/unsupported startup parameter|startup.*options/i.test(at.message)) return true;
  return false;
}
