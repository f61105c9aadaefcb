import { fileURLToPath } from "node:url";
import { Child } from "../children.ts";
import type { Database } from "../postgres.ts";
import type { Stage } from "../stage.ts";
import { onDatabase } from "../stage.ts";
import { ratesOf } from "./enqueue.ts";
import type { Workload } from "./workload.ts";

export const LIMITS: Workload = {
  name: "limits",
  what: "what PostgreSQL and Bun alone allow, by the same callers",
  once: false,
  peers: [],
  async run(stage, emit) {
    const { seconds } = stage.sizes;
    for (const { how, connections, batch } of INSERTS) {
      await using database = await stage.server.freshDatabase();
      await makeTable(stage, database);
      await using child = await Child.start();
      const done = await child.call("insertRows", { databaseUrl: database.url, connections, seconds, batch });
      emit({ how, who: "limit", figures: ratesOf(done) });
    }
    for (const transport of stage.transports) {
      await using echo = await startEcho();
      await using child = await Child.start();
      const target = { urls: [echo.url], transport, connections: stage.connections };
      const done = await child.call("enqueue", { target, callers: 64, seconds, batch: 1 });
      emit({ how: `echo over ${transport}`, who: "limit", figures: ratesOf(done) });
    }
  },
};

const INSERTS = [
  { how: "INSERT of one row, 64 connections", connections: 64, batch: 1 },
  { how: "INSERT of 1,000 rows a statement, 2 connections", connections: 2, batch: 1000 },
] as const;

/** As narrow as a queue's table can be and still be one. */
async function makeTable(stage: Stage, database: Database): Promise<void> {
  await onDatabase(
    database.url,
    `create table row (id bigint generated always as identity primary key, state smallint not null default 0,
       added timestamptz not null default now(), payload jsonb not null);
     create index on row (id) where state = 0`,
  );
  await stage.server.query("checkpoint");
}

async function startEcho(): Promise<{ url: string } & AsyncDisposable> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const server = Bun.spawn([process.execPath, fileURLToPath(new URL("../echo.ts", import.meta.url))], {
    stdio: ["ignore", "inherit", "inherit"],
    serialization: "json",
    ipc: (message) => resolve((message as { url: string }).url),
    onExit: (_, code) => reject(new Error(`The echo server ended (${code}).`)),
  });
  const url = await promise;
  return {
    url,
    async [Symbol.asyncDispose]() {
      server.kill("SIGKILL");
      await server.exited;
    },
  };
}
