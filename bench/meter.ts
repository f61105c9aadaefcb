import type { Server } from "./postgres.ts";
import { busySeconds, cpuSecondsOf } from "./proc.ts";
import { type Figures, round } from "./rows.ts";

interface Reading {
  readonly atMs: number;
  readonly callers: number;
  readonly service: number;
  readonly database: number | null;
  readonly own: number;
  readonly busy: number;
  readonly walBytes: number;
  readonly writes: number;
  readonly statements: number | null;
}

/** What a measurement costs beside its time: CPU by process, log written, statements. */
export class Meter {
  /** Process ids of the measurement's callers and services. */
  readonly callers: number[] = [];
  readonly services: number[] = [];
  readonly #server: Server;
  readonly #database: string;

  constructor(server: Server, database: string) {
    this.#server = server;
    this.#database = database;
  }

  async read(): Promise<Reading> {
    const [log] = await this.#server.query<{ bytes: string; writes: string }>(
      `select pg_current_wal_insert_lsn() - '0/0'::pg_lsn as bytes, pg_snapshot_xmax(pg_current_snapshot())::text as writes`,
    );
    const statements = this.#server.countsStatements ? await this.#statements() : null;
    const sum = (pids: readonly number[]) => pids.reduce((total, pid) => total + cpuSecondsOf(pid), 0);
    const { user, system } = process.cpuUsage();
    return {
      atMs: performance.now(),
      callers: sum(this.callers),
      service: sum(this.services),
      database: this.#server.pid === null ? null : cpuSecondsOf(this.#server.pid),
      own: (user + system) / 1e6,
      busy: busySeconds(),
      walBytes: Number(log!.bytes),
      writes: Number(log!.writes),
      statements,
    };
  }

  async #statements(): Promise<number> {
    const [row] = await this.#server.query<{ calls: string }>(
      `select coalesce(sum(s.calls), 0) as calls from pg_stat_statements s
       join pg_database d on d.oid = s.dbid where d.datname = $1`,
      [this.#database],
    );
    return Number(row!.calls);
  }

  /**
   * What was used since a reading, for so many tasks. Upkeep, vacuum and checkpoints of the time are in it. What the server
   * cannot tell is left out.
   */
  async since(before: Reading, tasks: number): Promise<Figures> {
    const after = await this.read();
    const seconds = (after.atMs - before.atMs) / 1000;
    const callers = after.callers - before.callers;
    const service = after.service - before.service;
    const database = after.database === null || before.database === null ? null : after.database - before.database;
    const others = after.busy - before.busy - callers - service - (database ?? 0) - (after.own - before.own);
    const statements =
      after.statements === null || before.statements === null ? null : after.statements - before.statements;
    const perThousand = (value: number) => round((value / tasks) * 1000, 4);
    return {
      callersCpu: perThousand(callers),
      serviceCpu: perThousand(service),
      ...(database === null ? {} : { databaseCpu: perThousand(database) }),
      walBytes: round((after.walBytes - before.walBytes) / tasks, 0),
      writes: perThousand(after.writes - before.writes),
      ...(statements === null ? {} : { statements: perThousand(statements) }),
      // Of the cores; what is well above 0 was not ours, and the figures beside it are too low.
      otherCores: round(Math.max(0, others / seconds), 2),
    };
  }
}
