/** What the service does by itself, seen from outside: through its answers, and the database where answers show nothing. */
import { beforeAll, expect, test } from "bun:test";
import pg from "pg";
import type { Contract } from "../../src/rpc/methods/index.ts";
import type { Service } from "../../src/serve.ts";
import { testDatabase } from "../support/postgres.ts";
import { rpc, startInstance } from "../support/service.ts";
import { until } from "../support/until.ts";

const database = testDatabase();
let service: Service;
let client: pg.Client;

beforeAll(async () => {
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  service = await startInstance(database.url);
});
database.atEnd(async () => {
  await service?.stop();
  await client?.end();
});

const call = <M extends keyof Contract>(method: M, params: Contract[M]["params"]) => rpc(service.url, method, params);

/** Starts the instance anew: every job runs at once then, also those that come round once an hour. */
async function restart() {
  await service.stop();
  service = await startInstance(database.url);
}

async function finishedTask(queue: string, how: "complete" | "fail"): Promise<string> {
  const { id } = await call("task.enqueue", { queue });
  const { tasks } = await call("task.claim", { queue });
  const { receipt } = tasks[0]!;
  if (how === "complete") await call("task.complete", { receipt });
  else await call("task.fail", { receipt, error: { message: "no" }, retry: false });
  return id;
}

/** Moves a finished task into the past, its id included: ids carry the time that retention walks by. */
async function age(id: string, seconds: number): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    `update task set id = (left(task_partition_bound(now() - make_interval(secs => $2))::text, 13) || right(id::text, 23))::uuid,
       finished = finished - make_interval(secs => $2), added = added - make_interval(secs => $2)
     where id = $1 returning id`,
    [id, seconds],
  );
  return rows[0]!.id;
}

const exists = async (id: string) => (await client.query("select from task where id = $1", [id])).rowCount === 1;

test("a lease that ran out is noticed within a second or so, and the entry says so", async () => {
  const { id } = await call("task.enqueue", { queue: "expiring", maxAttempts: 2 });
  for (const attempt of [1, 2]) {
    const { tasks } = await call("task.claim", { queue: "expiring", leaseSeconds: 1, waitSeconds: 10, worker: "w" });
    expect(tasks[0]!.attempt).toBe(attempt);
  }
  const task = await until("the task is dead", async () => {
    const found = await call("task.get", { id });
    return found.state === "failed" && found;
  });
  expect(task.errors.map(({ attempt, code, worker }) => ({ attempt, code, worker }))).toEqual([
    { attempt: 1, code: "lease_expired", worker: "w" },
    { attempt: 2, code: "lease_expired", worker: "w" },
  ]);
});

test("a workflow is forgotten with the last of its tasks", async () => {
  const make = async (queue: string) => (await call("workflow.create", { queue, tasks: [{ key: "a" }] })).id;
  const [gone, kept] = [await make("forgotten"), await make("remembered")];
  const { tasks } = await call("task.claim", { queue: "forgotten" });
  await call("task.complete", { receipt: tasks[0]!.receipt });
  await call("queue.delete", { name: "forgotten" });
  expect(await call("workflow.get", { id: gone })).toMatchObject({ state: "completed", tasks: [] });
  await until(
    "its end is counted",
    async () =>
      (await client.query("select from workflow where id = $1 and outcome is not null", [gone])).rowCount === 1,
  );
  await restart();
  await until(
    "it is gone",
    async () => (await client.query("select from workflow where id = $1", [gone])).rowCount === 0,
  );
  expect(await call("workflow.get", { id: kept })).toMatchObject({ state: "running" });
});

test("what a workflow that runs has done is kept until it has ended, whatever the retention says", async () => {
  const queue = "brief";
  await call("queue.create", { name: queue, retention: { completedSeconds: 0, failedSeconds: 0 } });
  const { tasks } = await call("workflow.create", { queue, tasks: [{ key: "a" }, { key: "b", dependsOn: ["a"] }] });
  const { a } = tasks as Record<string, string>;
  const complete = async () => {
    const [task] = (await call("task.claim", { queue })).tasks;
    await call("task.complete", { receipt: task!.receipt, result: "kept" });
    return task!;
  };
  await complete();
  const alone = await finishedTask("alone", "complete");
  await call("queue.update", { name: "alone", retention: { completedSeconds: 0 } });
  await restart();
  await until("a task of no workflow is gone", async () => !(await exists(alone)));
  expect(await exists(a!)).toBe(true);
  expect((await complete()).inputs).toEqual({ a: "kept" });
  await until(
    "the workflow's end is counted",
    async () => (await client.query("select from workflow where outcome is null")).rowCount === 1,
  );
  await restart();
  await until("it is gone too", async () => !(await exists(a!)));
});

test("finished tasks are removed when their queue's retention says so, and no others", async () => {
  await call("queue.create", { name: "kept", retention: { completedSeconds: 3600, failedSeconds: null } });
  const old = await age(await finishedTask("kept", "complete"), 7200);
  const young = await age(await finishedTask("kept", "complete"), 1800);
  const dead = await age(await finishedTask("kept", "fail"), 7200);
  const { id: waiting } = await call("task.enqueue", { queue: "kept" });
  await restart();
  await until("the old task is gone", async () => !(await exists(old)));
  expect([await exists(young), await exists(dead), await exists(waiting)]).toEqual([true, true, true]);
  expect(await call("queue.stats", { name: "kept" })).toMatchObject({ completed: 1, failed: 1, pending: 1 });
  expect((await call("admin.verify", {})).violations).toEqual([]);
});

test("a task whose dedupe key still holds outlives its retention, and the key with it", async () => {
  await call("queue.create", { name: "keyed", retention: { completedSeconds: 60 } });
  const { id } = await call("task.enqueue", { queue: "keyed", dedupeKey: "k", dedupeSeconds: 86_400 });
  const { tasks } = await call("task.claim", { queue: "keyed" });
  await call("task.complete", { receipt: tasks[0]!.receipt });
  const aged = await age(id, 3600);
  await client.query("update task_dedupe set task_id = $1 where key = 'k'", [aged]);
  const gone = await age(await finishedTask("keyed", "complete"), 3600);
  await restart();
  await until("the task without a key is gone", async () => !(await exists(gone)));
  expect(await call("task.enqueue", { queue: "keyed", dedupeKey: "k" })).toEqual({
    id: aged,
    state: "completed",
    duplicate: true,
  });
});

test("requestIds are forgotten after 24 hours", async () => {
  const first = await call("task.enqueue", { queue: "repeated", requestId: "r" });
  expect(await call("task.enqueue", { queue: "repeated", requestId: "r" })).toEqual(first);
  await client.query("update request set added = added - interval '25 hours' where request_id = 'r'");
  // Also before upkeep has come round.
  const second = await call("task.enqueue", { queue: "repeated", requestId: "r" });
  expect(second.id).not.toBe(first.id);
  await client.query("update request set added = added - interval '25 hours' where request_id = 'r'");
  await restart();
  await until("the request is forgotten", async () => (await client.query("select from request")).rowCount === 0);
});

test("counts are folded, and say the same before and after", async () => {
  await finishedTask("folded", "complete");
  const before = await call("queue.stats", { name: "folded" });
  expect("queue" in before && before.enqueuedPerSecond).toBeGreaterThan(0);
  await until("nothing is left to fold", async () => (await client.query("select from queue_delta")).rowCount === 0);
  expect(await call("queue.stats", { name: "folded" })).toEqual(before);
});

test("partitions are made four weeks ahead, and empty ones of the past dropped", async () => {
  const partitions = async () =>
    (
      await client.query<{ name: string }>(
        "select relname as name from pg_class where relname ~ '^task_[0-9]{8}$' order by 1",
      )
    ).rows.map(({ name }) => name);
  const before = await partitions();
  await client.query(`drop table ${before.at(-1)}`);
  await client.query("select task_partition_ensure(now() - interval '5 weeks')");
  const [past] = await partitions();
  expect(past! < before[0]!).toBe(true);
  await restart();
  await until("the past is dropped", async () => (await partitions())[0] === before[0]);
  expect(await partitions()).toEqual(before);
});

test("tasks of a queue that is gone are removed", async () => {
  const { id } = await call("task.enqueue", { queue: "doomed" });
  // As an instance leaves it that dies while it deletes a queue.
  await client.query("delete from queue where name = 'doomed'");
  await restart();
  await until("the task is gone", async () => !(await exists(id)));
  expect((await call("admin.verify", {})).violations).toEqual([]);
});

test("a task in no state, of a queue that is gone, is removed too", async () => {
  const { id } = await call("task.enqueue", { queue: "stateless", tags: ["stateless"] });
  await client.query("delete from queue where name = 'stateless'");
  await client.query("delete from task_ready where id = $1", [id]);
  expect((await call("admin.verify", {})).ok).toBe(false);
  await restart();
  await until("it is gone", async () => !(await exists(id)));
  expect(await call("admin.verify", {})).toEqual({ ok: true, violations: [] });
});

test("an idle dedupe key is forgotten", async () => {
  const { id } = await call("task.enqueue", { queue: "forgetful", dedupeKey: "once" });
  await call("task.cancel", { id });
  const { id: live } = await call("task.enqueue", { queue: "forgetful", dedupeKey: "held" });
  await restart();
  const keys = async () =>
    (await client.query("select key from task_dedupe where key in ('once', 'held')")).rows.map(({ key }) => key);
  await until("the key is forgotten", async () => (await keys()).join() === "held");
  expect((await call("task.get", { id: live })).state).toBe("pending");
});

test("a task deleted a month ago is removed with its labels, and one of three weeks can still be restored", async () => {
  const queue = "deleted";
  await call("queue.create", { name: queue, retention: { completedSeconds: null, failedSeconds: null } });
  const tasks = [{ tags: ["month"] }, { tags: ["weeks"] }, { tags: ["shown"] }];
  const [month, weeks, shown] = (await call("task.enqueueMany", { queue, tasks })).tasks.map(({ id }) => id);
  for (const [id, days] of [
    [month!, 31],
    [weeks!, 21],
  ] as const) {
    await call("task.delete", { id });
    const back = "deleted_at = deleted_at - make_interval(days => $2), finished = finished - make_interval(days => $2)";
    await client.query(`update task set ${back} where id = $1`, [id, days]);
    await client.query(
      "update task_catalogue c set finished = t.finished from task t where t.id = c.id and c.id = $1",
      [id],
    );
  }
  await restart();
  await until("the older one is gone", async () => !(await exists(month!)));
  expect((await client.query("select from task_tag where task_id = $1", [month])).rowCount).toBe(0);
  expect(await call("task.restore", { id: weeks! })).toEqual({ id: weeks!, deletedAt: null });
  expect(await exists(shown!)).toBe(true);
  expect(await call("admin.verify", {})).toEqual({ ok: true, violations: [] });
});

test("what tags and categories are used is folded, and says the same before and after", async () => {
  await call("category.create", { name: "folded" });
  await call("task.enqueueMany", {
    queue: "folded",
    tasks: [{ tags: ["folded"], categories: ["folded"] }, { tags: ["folded"] }],
  });
  const counts = async () => [
    (await call("tag.list", { prefix: "folded" })).tags[0]!.used,
    (await call("category.get", { name: "folded" })).tasks,
  ];
  expect(await counts()).toEqual([2, 1]);
  await until("both are folded", async () => {
    const { rows } = await client.query(
      "select (select used from tag where name = 'folded') as tag, (select tasks from category where name = 'folded') as category",
    );
    return rows[0].tag === "2" && rows[0].category === "1";
  });
  expect(await counts()).toEqual([2, 1]);
});
