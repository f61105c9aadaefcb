import pg from "pg";
import { clientConfig } from "../../src/db/drivers.ts";
import { parseDatabaseUrl } from "../../src/db/url.ts";

/** A third party that holds something both sides of a race need, until both have been seen waiting. */
export interface Hold {
  /** Lets go, and what it wrote stands. */
  commit(): Promise<void>;
  /** Lets go, leaving no trace: what it wrote is undone. */
  release(): Promise<void>;
}

/** Runs one statement on a connection of its own and keeps its locks. */
async function hold(databaseUrl: string, text: string, values: readonly unknown[]): Promise<Hold> {
  const client = new pg.Client(clientConfig(parseDatabaseUrl(databaseUrl)));
  await client.connect();
  await client.query("begin");
  const { rowCount } = await client.query(text, [...values]);
  if (rowCount !== 1) throw new Error(`The hold was to get one row and got ${rowCount}: ${text}`);
  const end = async (how: "commit" | "rollback") => {
    await client.query(how);
    await client.end();
  };
  return { commit: () => end("commit"), release: () => end("rollback") };
}

/** What can be held. Each stops a call in the middle: after what it did before it needs that row. */
export const holds = (databaseUrl: () => string) => ({
  /** Stops what ends or revives a task after it has taken the task out of its state's table. */
  task: (id: string) => hold(databaseUrl(), "select 1 from task where id = $1 for update", [id]),
  /** As a task.update that describes it: whoever waits for it then finds the task's facts changed. */
  describedTask: (id: string) => hold(databaseUrl(), "update task set updated = clock_timestamp() where id = $1", [id]),
  /** Stops what ends a claim, or marks the claimed task as waited for. */
  lease: (id: string) => hold(databaseUrl(), "select 1 from task_lease where id = $1 for update", [id]),
  /** Stops a claim after it has picked the task: the place of its lease is taken by one that will not come to be. */
  placeOfLease: (id: string) =>
    hold(
      databaseUrl(),
      `insert into task_lease (id, queue_id, attempts, lease_seq, claimed_at, expires_at, has_dependents)
       select id, queue_id, 1, 1, now(), 'infinity', false from task where id = $1`,
      [id],
    ),
  /** Stops what changes a workflow as a whole, before it has done anything. */
  workflow: (id: string) => hold(databaseUrl(), "select 1 from workflow where id = $1 for no key update", [id]),
  /** Stops what settles, or cancels, a waiting task. */
  waiting: (id: string) => hold(databaseUrl(), "select 1 from task_waiting where id = $1 for update", [id]),
  /** Stops an enqueue with that key, after its keys that come earlier in the alphabet. */
  key: (queueId: number, key: string) =>
    hold(databaseUrl(), "select 1 from task_dedupe where queue_id = $1 and key = $2 for update", [queueId, key]),
  /** Is just forgetting a key, as upkeep does with those of finished tasks. */
  forgottenKey: (queueId: number, key: string) =>
    hold(databaseUrl(), "delete from task_dedupe where queue_id = $1 and key = $2", [queueId, key]),
  /** Stops the deletion of a queue after it has looked for unfinished tasks: a row that goes with the queue's. */
  rate: (queueId: number) => hold(databaseUrl(), "select 1 from queue_rate where queue_id = $1 for update", [queueId]),
});

/**
 * Changes a table in the moment when a statement on it that waits for `held` has ended, and before the next one of the same
 * caller: it stands in line for the whole table behind the one and before the other. Resolves when it has done so.
 */
export async function squeezeIn(race: Race, held: Hold, table: string, change: string, values: readonly unknown[]) {
  const client = new pg.Client(clientConfig(parseDatabaseUrl(race.databaseUrl)));
  await client.connect();
  await client.query("begin");
  const locked = client.query(`lock table ${table} in access exclusive mode`);
  await race.waiting(2);
  await held.release();
  await locked;
  await client.query(change, [...values]);
  await client.query("commit");
  await client.end();
}

interface Race {
  readonly databaseUrl: string;
  readonly waiting: (count: number) => Promise<unknown>;
}

/** What a call came to: its result, or the data of its refusal. Begun at once, and never an unhandled rejection. */
export type CameTo<T> =
  | { readonly result: T }
  | { readonly refused: { readonly type: string; readonly [key: string]: unknown } };

export function comeTo<T>(call: Promise<T>): Promise<CameTo<T>> {
  return call.then(
    (result) => ({ result }),
    (error: unknown) => {
      const { data } = error as { data?: { type: string } };
      if (data?.type === undefined) throw error;
      return { refused: data };
    },
  );
}
