import { SQL } from "bun";
import { quantiles } from "../rows.ts";
import type { Enqueued } from "./enqueue.ts";
import { payloadOf } from "./payload.ts";

/**
 * What PostgreSQL alone takes: `connections` that each insert one row, or `batch` rows by unnest, a statement, into the table
 * `row`, prepared, each its own transaction. By Bun's driver, the quickest at hand, and many rows are multiplied by the server:
 * sending and parsing them must not be what limits.
 */
export async function insertRows(args: {
  databaseUrl: string;
  connections: number;
  seconds: number;
  batch: number;
}): Promise<Enqueued> {
  const { databaseUrl, connections, seconds, batch } = args;
  const clients = Array.from({ length: connections }, () => new SQL({ url: databaseUrl, max: 1, idleTimeout: 0 }));
  const times: number[] = [];
  let seq = 0;
  let tasks = 0;
  let all = 0;
  const send = async (sql: SQL): Promise<number> => {
    const before = performance.now();
    if (batch === 1) await sql`insert into row (payload) values (${payloadOf(seq++)}::jsonb)`;
    else {
      const payload = payloadOf(seq++);
      await sql`insert into row (payload) select p from unnest(array_fill(${payload}::jsonb, array[${batch}::int])) p`;
    }
    all += batch;
    return performance.now() - before;
  };
  await Promise.all(clients.map(send));
  const end = performance.now() + seconds * 1000;
  const caller = async (sql: SQL) => {
    while (performance.now() < end) {
      const took = await send(sql);
      if (performance.now() > end) return;
      tasks += batch;
      times.push(took);
    }
  };
  await Promise.all(clients.map(caller));
  await Promise.all(clients.map((sql) => sql.close()));
  const { p50, p99 } = quantiles(times);
  return { tasks, all, seconds, p50, p99 };
}
