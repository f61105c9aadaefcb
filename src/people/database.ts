import pg from "pg";
import { clientConfig } from "../db/drivers.ts";
import { isUnavailable } from "../db/failure.ts";
import type { DatabaseTarget } from "../db/url.ts";
import { currentAttempt } from "./attempt.ts";

export interface PeopleDatabaseOptions {
  /** With its TLS settled. */
  readonly target: DatabaseTarget;
  readonly connections: number;
  readonly connectTimeoutMs: number;
  readonly statementTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

/**
 * Connections for better-auth. Nothing here needs a session, so a pooler in transaction mode will do: no start-up
 * settings, no named statements, and the time a statement may take is counted on this side. What shows that the
 * database cannot be asked is noted in the attempt, since better-auth swallows it here and there.
 */
export function peopleDatabase(options: PeopleDatabaseOptions) {
  const pool = new pg.Pool({
    ...clientConfig(options.target),
    max: options.connections,
    connectionTimeoutMillis: options.connectTimeoutMs,
    query_timeout: options.statementTimeoutMs,
    idleTimeoutMillis: options.idleTimeoutMs,
  });
  // An idle connection that breaks is replaced by the next call.
  pool.on("error", () => {});
  return {
    options: {},
    async connect() {
      try {
        return noting(await pool.connect());
      } catch (error) {
        noteOutage();
        throw error;
      }
    },
    end: () => pool.end(),
  };
}

function noting(client: pg.PoolClient) {
  let isBroken = false;
  return {
    async query(text: string, values: readonly unknown[]) {
      try {
        return await client.query(text, [...values]);
      } catch (error) {
        if (isOutage(error)) {
          isBroken = true;
          noteOutage();
        }
        throw error;
      }
    },
    release(destroy = false) {
      client.release(destroy || isBroken);
    },
  };
}

/** pg's own words for a statement that took too long have no code. */
const isOutage = (error: unknown) =>
  isUnavailable(error) || (error instanceof Error && error.message === "Query read timeout");

function noteOutage(): void {
  const attempt = currentAttempt();
  if (attempt) attempt.outage = true;
}
