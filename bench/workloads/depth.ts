import { QUEUE } from "../callers/payload.ts";
import type { Child } from "../children.ts";
import { type Measurement, median, round } from "../rows.ts";
import { onDatabase, Run, type Stage } from "../stage.ts";
import { everyPeer, type Workload } from "./workload.ts";

export const W5: Workload = {
  name: "W5",
  what: "claim and complete 5,000 tasks at other depths of the queue, and beside finished tasks",
  once: true,
  peers: [everyPeer("W5")],
  async run(stage, emit) {
    const { depths, finished } = stage.sizes;
    const waiting = depths.map((depth) => ({ how: `${count(depth)} waiting`, waiting: depth, finished: 0 }));
    await compare(stage, waiting, emit);
    const beside = [0, finished].map((done) => ({ how: `${count(done)} finished`, waiting: 0, finished: done }));
    await compare(stage, beside, emit);
  },
};

const count = (value: number) => value.toLocaleString("en");

interface Setting {
  readonly how: string;
  /** Tasks that wait all the time, in the same queue; as in bench-peers, the timed ones join its end. */
  readonly waiting: number;
  readonly finished: number;
}

interface Place extends Setting {
  readonly run: Run;
  readonly control: Child;
  readonly rates: number[];
}

/**
 * Each setting has a database and a service of its own on the one server, and they are measured in turn, so that the
 * machine's moods fall on all alike. The ratio is the median of what each turn gave, to the first setting of that turn.
 */
async function compare(
  stage: Stage,
  settings: readonly Setting[],
  emit: (measurement: Measurement) => void,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const places: Place[] = [];
  for (const setting of settings) {
    const run = stack.use(await Run.begin(stage));
    places.push({ ...setting, run, control: await run.child(), rates: [] });
    await prepare(places.at(-1)!);
  }
  // A service is a new process: what it learns in its first seconds must not pass for a gain of depth.
  for (let turn = -stage.sizes.warmUps; turn < stage.sizes.repeats; turn++)
    for (const place of places) {
      const rate = await timeOne(place);
      if (turn >= 0) place.rates.push(rate);
    }
  const first = places[0]!.rates;
  for (const { how, rates } of places) {
    const ratio = round(median(rates.map((rate, turn) => rate / first[turn]!)), 3);
    emit({ how, figures: { tasksPerSecond: median(rates), ratio }, series: rates });
  }
}

async function prepare({ run, control, waiting, finished }: Place): Promise<void> {
  await control.call("fill", { target: run.quickest, count: Math.max(1, waiting) });
  if (finished > 0) await addFinished(run.database.url, finished);
  await run.settle({ vacuum: true });
}

/** Tasks a second, from the start of the handler of the last task that is not timed to that of the last that is. */
async function timeOne({ run, control, waiting }: Place): Promise<number> {
  const { warm, timed, capSeconds } = run.stage.sizes;
  await control.call("fill", { target: run.quickest, count: warm + timed });
  await using worker = await run.child();
  let handled = 0;
  worker.onCount = (told) => {
    handled = told.handled;
  };
  await worker.call("work", { urls: run.urls, concurrency: 64, marks: [warm, warm + timed] });
  const start = performance.now();
  while (handled < warm + timed) {
    if (performance.now() - start > capSeconds * 1000) throw new Error(`W5: ${handled} tasks within ${capSeconds} s.`);
    await Bun.sleep(5);
  }
  const { marks } = await worker.call("stopWork", null);
  const at = new Map(marks);
  await topUp(run, control, waiting);
  return round(timed / ((at.get(warm + timed)! - at.get(warm)!) / 1000), 0);
}

/** What the worker took beyond the timed tasks is put back, so that the depth stays as it is. */
async function topUp(run: Run, control: Child, waiting: number): Promise<void> {
  const { unfinished } = await run.counts();
  if (unfinished < waiting) await control.call("fill", { target: run.quickest, count: waiting - unfinished });
}

const CHUNK = 500_000;

/** Completed tasks of the last six days, as the service would have left them; none so old that retention removes it. */
async function addFinished(databaseUrl: string, total: number): Promise<void> {
  const spanMs = 6 * 86_400_000;
  for (let from = 0; from < total; from += CHUNK) {
    await onDatabase(
      databaseUrl,
      `with home as (select id, max_attempts from queue where name = $1), made as (
         select n, home.id as queue_id, home.max_attempts,
           (extract(epoch from now()) * 1000)::bigint - $2::bigint + n * $2::bigint / $5::bigint as ms
         from home, generate_series($3::bigint, $4::bigint - 1) n)
       insert into task (id, queue_id, priority, attempts, max_attempts, lease_seq, outcome, run_at, added, updated, finished, payload)
       select (lpad(to_hex(ms), 12, '0') || '7' || lpad(to_hex(n & 4095), 3, '0') || '8' || lpad(to_hex(n), 7, '0')
                || lpad(to_hex(queue_id), 8, '0'))::uuid,
         queue_id, 5, 1, max_attempts, 1, 'completed', at, at, at, at,
         ('{"seq":' || n || ',"t0":0,"kind":"invoice.render","account":"acct_1000001","locale":"en-GB",'
          || '"url":"https://example.org/invoices/2026/100001",'
          || '"note":"twelve lines, two tax rates, one attachment, net thirty days"}')::jsonb
       from made cross join lateral (select to_timestamp(ms / 1000.0) as at) t`,
      [QUEUE, spanMs, from, Math.min(total, from + CHUNK), total],
    );
  }
  await onDatabase(
    databaseUrl,
    `insert into queue_total (queue_id, completed) select id, $2 from queue where name = $1
     on conflict (queue_id) do update set completed = queue_total.completed + excluded.completed`,
    [QUEUE, total],
  );
}
