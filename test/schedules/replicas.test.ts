/** Several instances fire the same schedules, and die while they do. */
import { beforeAll, expect, test } from "bun:test";
import pg from "pg";
import { testDatabase } from "../support/postgres.ts";
import { rpc, type SpawnedService, spawnService } from "../support/service.ts";
import { until } from "../support/until.ts";

const SCHEDULES = 300;
const QUEUES = 20;
const KILLS = 4;

const database = testDatabase();
const env = () => ({ DATABASE_URL: database.url, LOG_LEVEL: "info" });
let client: pg.Client;
let steady: SpawnedService;
let dying: SpawnedService;

beforeAll(async () => {
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  [steady, dying] = await Promise.all([spawnService(env()), spawnService(env())]);
});
database.atEnd(async () => {
  await Promise.all([steady?.stop(), dying?.stop()]);
  await client?.end();
});

const made = async () => {
  const { rows } = await client.query<{ runs: number }>("select count(*)::int as runs from schedule_run");
  return rows[0]!.runs;
};

/** Waits until so many more fire times have made tasks. */
async function firesMore(count: number) {
  const before = await made();
  await until(`${count} more fire times`, async () => (await made()) >= before + count, { timeoutMs: 60_000 });
}

test("300 schedules a second, instances killed in the middle: no fire time is lost, none makes two tasks", async () => {
  const create = (n: number) =>
    rpc(steady.url, "schedule.create", {
      name: `s${n}`,
      queue: `q${n % QUEUES}`,
      everySeconds: 1,
      missed: "all",
      task: { payload: { n }, ...(n % 50 === 0 ? { tags: ["marked"] } : {}) },
    });
  await Promise.all(Array.from({ length: SCHEDULES }, (_, n) => create(n)));
  for (let kill = 0; kill < KILLS; kill++) {
    await firesMore(SCHEDULES * 2);
    dying.kill("SIGKILL");
    await dying.ended;
    if (kill === KILLS - 1) {
      steady.kill("SIGKILL");
      await steady.ended;
      await until("each has missed three fire times, with nobody there", async () => {
        const { rows } = await client.query("select from schedule where next_run > now() - interval '3 s' limit 1");
        return rows.length === 0;
      });
      steady = await spawnService(env());
    }
    dying = await spawnService(env());
  }
  await firesMore(SCHEDULES * 2);
  await Promise.all(Array.from({ length: SCHEDULES }, (_, n) => rpc(steady.url, "schedule.pause", { name: `s${n}` })));

  const { rows } = await client.query<{ name: string; runs: number; steps: number; tasks: number; all: number }>(
    `select s.name, count(*)::int as runs, round(extract(epoch from s.last_run - s.anchor))::int as steps,
       count(distinct t.id)::int as tasks,
       (select count(*)::int from task o join queue q on q.id = o.queue_id where q.name = s.queue and o.payload = t.payload) as all
     from schedule s join schedule_run r on r.schedule_id = s.id
     left join task t on t.id = r.task_id and t.run_at = r.fire_at
     group by s.id, t.payload`,
  );
  expect(rows).toHaveLength(SCHEDULES);
  // From the first, one second after it was created, to the last, each second has one run, and each run one task.
  const wrong = rows.filter(({ runs, steps, tasks, all }) => runs !== steps || tasks !== steps || all !== steps);
  expect(wrong.slice(0, 3)).toEqual([]);
  expect((await rpc(steady.url, "admin.verify", {})).violations).toEqual([]);
}, 180_000);
