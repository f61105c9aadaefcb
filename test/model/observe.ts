/** The database as it is, read past the service: what the model is held against after every step and every run. */
import type pg from "pg";
import type { Readings } from "./expectation.ts";
import { isUnfinished, type Model, type Moment, type Task } from "./state.ts";

interface Row {
  readonly id: string;
  readonly places: string[];
  readonly runAt: number;
  readonly added: number;
  readonly updated: number;
  readonly finished: number | null;
  readonly deletedAt: number | null;
  readonly leaseExpiresAt: number | null;
  readonly attempts: number;
  readonly hash: string;
}

const micros = (column: string) => `(extract(epoch from ${column}) * 1000000)::float8`;

/**
 * Every task of the run's queues, found in each table by its id alone. Ids begin with their time, so the bound keeps the
 * reading to tasks of late.
 */
const READING = `
  select ${micros("clock_timestamp()")} as now, coalesce((select json_agg(task) from (
  select t.id,
    array_remove(array[case when r.id is not null then 'pending' end, case when l.id is not null then 'claimed' end,
      case when w.id is not null then 'waiting' end, t.outcome::text], null) as places,
    ${micros("t.run_at")} as "runAt", ${micros("t.added")} as added, ${micros("t.updated")} as updated,
    ${micros("t.finished")} as finished, ${micros("t.deleted_at")} as "deletedAt", ${micros("l.expires_at")} as "leaseExpiresAt",
    coalesce(l.attempts, r.attempts, t.attempts) as attempts, md5(t::text) as hash
  from queue q join task t on t.queue_id = q.id
  left join task_ready r on r.queue_id = t.queue_id and r.id = t.id
  left join task_lease l on l.queue_id = t.queue_id and l.id = t.id
  left join task_waiting w on w.queue_id = t.queue_id and w.id = t.id
  where q.name = any($1) and t.id >= $2) task), '[]') as tasks`;

/** Tasks of a run are no older than this before its first reading. */
const SLACK_MS = 2_000;
const NOBODY = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** What the database said at one moment. */
export class Observer {
  readonly #client: pg.Client;
  readonly #queues: readonly string[];
  #rows = new Map<string, Row>();
  /** When the last reading, and the one before it, was taken: the call between them began and ended within. */
  #now = 0;
  #before = 0;
  #oldestId = NOBODY;

  constructor(client: pg.Client, queues: readonly string[]) {
    this.#client = client;
    this.#queues = queues;
  }

  async read(): Promise<void> {
    // Read after every step, so planned once.
    const { rows } = await this.#client.query<{ now: number; tasks: Row[] }>({
      name: "observe",
      text: READING,
      values: [this.#queues, this.#oldestId],
    });
    const [{ now, tasks }] = rows as [(typeof rows)[number]];
    this.#before = this.#now;
    this.#now = now;
    if (this.#oldestId === NOBODY) this.#oldestId = smallestId(now / 1000 - SLACK_MS);
    this.#rows = new Map(tasks.map((row) => [row.id, row]));
  }

  /** For a call that comes next, or for the one that was just made. */
  readings(made: boolean): Readings {
    const nothing = { runAt: null, added: null, finished: null, deletedAt: null, leaseExpiresAt: null };
    const [from, to] = made ? [this.#before, this.#now] : [this.#now, Number.POSITIVE_INFINITY];
    return {
      of: (id) => this.#rows.get(id) ?? nothing,
      window: (moment) =>
        typeof moment === "number" ? { from, to } : { from: from + moment.from * 1e6, to: to + moment.to * 1e6 },
    };
  }

  /**
   * Where the database is not as the model says. What the service's clock alone could know is checked for its place in
   * time, and taken over into the model.
   */
  compare(model: Model, untouched: ReadonlyMap<string, { readonly version: number; readonly hash: string }>): string[] {
    const wrong: string[] = [];
    for (const task of model.tasks) {
      const row = this.#rows.get(task.id);
      if (!row) {
        wrong.push(`task ${task.id} is not in the database`);
        continue;
      }
      if (row.places.join() !== task.state)
        wrong.push(`task ${task.id} is ${row.places.join() || "nowhere"}, not ${task.state}`);
      if (row.attempts !== task.attempts)
        wrong.push(`task ${task.id} has ${row.attempts} attempts, not ${task.attempts}`);
      if (row.updated > this.#now) wrong.push(`task ${task.id} was updated in the future`);
      const before = untouched.get(task.id);
      if (!isUnfinished(task) && before?.version === task.version && before.hash !== row.hash)
        wrong.push(`task ${task.id} had finished and was changed`);
      wrong.push(...this.#takeTimes(task, row));
    }
    const known = new Set(model.tasks.map(({ id }) => id));
    for (const id of this.#rows.keys()) if (!known.has(id)) wrong.push(`task ${id} should not be there`);
    return wrong;
  }

  /** What the finished tasks look like, to be told when one changes that should not. */
  finished(model: Model): Map<string, { version: number; hash: string }> {
    const of = (task: Task) => ({ version: task.version, hash: this.#rows.get(task.id)!.hash });
    return new Map(model.tasks.filter((task) => !isUnfinished(task)).map((task) => [task.id, of(task)]));
  }

  #takeTimes(task: Task, row: Row): string[] {
    const wrong: string[] = [];
    const take = <M extends Moment | null>(what: string, moment: M, actual: number | null): M => {
      const fits = moment === null ? actual === null : actual !== null && this.#isAt(moment, actual);
      if (!fits)
        wrong.push(
          `${what} of task ${task.id} is ${actual}, not ${JSON.stringify(moment)} (call within ${this.#before} and ${this.#now})`,
        );
      return actual as M;
    };
    task.runAt = take("runAt", task.runAt, row.runAt);
    task.added = take("added", task.added, row.added);
    task.finished = take("finished", task.finished, row.finished);
    task.deletedAt = take("deletedAt", task.deletedAt, row.deletedAt);
    const expiresAt = take("leaseExpiresAt", task.lease?.expiresAt ?? null, row.leaseExpiresAt);
    if (task.lease && expiresAt !== null) task.lease.expiresAt = expiresAt;
    return wrong;
  }

  /** Within a microsecond: PostgreSQL adds intervals in its own arithmetic. */
  #isAt(moment: Moment, actual: number): boolean {
    if (typeof moment === "number") return Math.abs(actual - moment) <= 1;
    const { from, to } = this.readings(true).window(moment);
    return actual >= from - 1 && actual <= to + 1;
  }
}

/** The smallest uuid v7 of a time. */
function smallestId(ms: number): string {
  const hex = Math.floor(ms).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}
