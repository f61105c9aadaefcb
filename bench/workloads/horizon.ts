import pg from "pg";
import { clientConfig } from "../../src/db/drivers.ts";
import { parseDatabaseUrl } from "../../src/db/url.ts";
import { nowMs } from "../callers/work.ts";
import { type Measurement, round } from "../rows.ts";
import { Run, type Stage } from "../stage.ts";
import { everyPeer, onPostgres, type Workload } from "./workload.ts";

export const W6: Workload = {
  name: "W6",
  what: "enqueue and work steadily while another session holds a snapshot",
  once: true,
  peers: [
    { workload: "W6", as: (peer) => (onPostgres(peer) ? peer : null), args: ["--hold", "yes"] },
    everyPeer("W6", "--hold", "no"),
  ],
  async run(stage, emit) {
    emit(await steady(stage, true));
    emit(await steady(stage, false));
  },
};

/** Length of the first and of the last stretch that are compared. */
const STRETCH_SECONDS = 10;

async function steady(stage: Stage, hold: boolean): Promise<Measurement> {
  const { steadySeconds: seconds, steadyWarmSeconds: warmSeconds } = stage.sizes;
  await using run = await Run.begin(stage);
  const producer = await run.child();
  const worker = await run.child();
  const counts: { handled: number; at: number }[] = [];
  worker.onCount = (told) => {
    counts.push(told);
    // Its answer does not matter; a producer that is gone fails the feeding below.
    producer.call("tellWorkedOff", { count: told.handled }).catch(() => {});
  };
  await run.settle({ vacuum: false });
  await worker.call("work", { urls: run.urls, concurrency: 64, marks: [] });
  // A little more than is looked at: taking the snapshot takes a moment.
  const length = { seconds: warmSeconds + seconds * 1.02 + 0.2 };
  const fed = producer.call("feed", { target: run.quickest, ...length, batch: 100, callers: 4, limit: 2000 });
  // Handled from the start: it may fail while nobody waits for it yet.
  fed.catch(() => {});
  await Bun.sleep(warmSeconds * 1000);
  await using _holder = hold ? await holdSnapshot(run.database.url) : null;
  const start = nowMs();
  await fed;
  const before = counts.findLast(({ at }) => at <= start)?.handled ?? 0;
  const until = (second: number) => (counts.findLast(({ at }) => at <= start + second * 1000)?.handled ?? 0) - before;
  const stretch = Math.min(STRETCH_SECONDS, seconds / 3);
  const first = until(stretch) / stretch;
  const last = (until(seconds) - until(seconds - stretch)) / stretch;
  const stretches = Array.from({ length: Math.floor(seconds / stretch) }, (_, at) =>
    round((until((at + 1) * stretch) - until(at * stretch)) / stretch, 0),
  );
  return {
    how: hold ? "snapshot held" : "control",
    figures: {
      first: round(first, 0),
      last: round(last, 0),
      ratio: round(last / first, 3),
      tasksPerSecond: round(until(seconds) / seconds, 0),
    },
    series: stretches,
  };
}

/** A transaction that keeps all that dies from now on from being cleaned up. */
async function holdSnapshot(url: string): Promise<AsyncDisposable> {
  const client = new pg.Client(clientConfig(parseDatabaseUrl(url)));
  client.on("error", () => {});
  await client.connect();
  await client.query("begin isolation level repeatable read");
  await client.query("select count(*) from pg_class");
  return { [Symbol.asyncDispose]: () => client.end() };
}
