import { describe, expect, test } from "bun:test";
import { dueSchedules } from "../../src/domain/schedule/queries.ts";
import { deleteTag } from "../../src/domain/tag/queries.ts";
import { LowerBounds } from "../../src/engine/lower-bounds.ts";
import { fireAll, fireDue, setBackSchedules } from "../../src/engine/schedule-firing.ts";
import { withClient } from "../support/postgres.ts";
import { until } from "../support/until.ts";
import { CALL, stage } from "./stage.ts";

const on = stage();
const { fire, create, pass, get, tasks, rows, log } = on;

const agoOf = async (queue: string) => (await tasks(queue)).map(({ ago }) => ago);
async function finish(queue: string) {
  for (const { receipt } of await on.engine.claim({ queues: [queue], limit: 100, waitSeconds: 0 }, CALL))
    await on.engine.complete({ receipt }, CALL);
}

describe("what was missed", () => {
  test("nothing is due before its time", async () => {
    const { nextRun } = await create({ name: "young" });
    await fire();
    expect(await tasks("young")).toEqual([]);
    expect((await get("young")).nextRun).toBe(nextRun);
  });

  test("latest: the latest that is due makes a task, however late", async () => {
    await create({ name: "latest" });
    await pass("latest", 645);
    await fire();
    expect(await agoOf("latest")).toEqual([45]);
    const { lastRun, nextRun } = await get("latest");
    expect(Date.parse(nextRun!) - Date.parse(lastRun!)).toBe(60_000);
  });

  test("skip: what is more than 30 s late makes none, what is not does", async () => {
    await create({ name: "skip-late", missed: "skip" });
    await create({ name: "skip-due", missed: "skip" });
    await pass("skip-late", 645);
    await pass("skip-due", 620);
    await fire();
    expect(await tasks("skip-late")).toEqual([]);
    expect(await get("skip-late")).toMatchObject({ lastRun: null });
    expect(Date.parse((await get("skip-late")).nextRun!)).toBeGreaterThan(Date.now());
    expect(await agoOf("skip-due")).toEqual([20]);
  });

  test("all: each makes one, and of many the latest hundred", async () => {
    await create({ name: "all", missed: "all" });
    await create({ name: "all-many", missed: "all", everySeconds: 10 });
    await pass("all", 200);
    await pass("all-many", 5_005);
    await fire();
    expect(await agoOf("all")).toEqual([140, 80, 20]);
    const many = await agoOf("all-many");
    expect(many).toHaveLength(100);
    expect([many.at(0), many.at(-1)]).toEqual([995, 5]);
  });

  test("after endAt none comes any more", async () => {
    const endAt = new Date(Date.now() + 100_000).toISOString();
    await create({ name: "ending", missed: "all", endAt });
    await rows("update schedule set end_at = end_at - interval '200 s' where name = 'ending'");
    await pass("ending", 200);
    await fire();
    expect(await agoOf("ending")).toEqual([140]);
    expect(await get("ending")).toMatchObject({ nextRun: null });
  });
});

describe("overlap", () => {
  test("skip: a fire time passes while the last task is unfinished", async () => {
    await create({ name: "alone", overlap: "skip" });
    await pass("alone", 65);
    await fire();
    expect(await tasks("alone")).toHaveLength(1);
    await pass("alone", 58);
    await fire();
    expect(await tasks("alone")).toHaveLength(1);
    expect(Date.parse((await get("alone")).nextRun!)).toBeGreaterThan(Date.now());
    await finish("alone");
    await pass("alone", 58);
    await fire();
    expect(await tasks("alone")).toHaveLength(2);
  });

  test("a triggered task counts as the last one; triggering does not wait for any", async () => {
    await create({ name: "triggered", overlap: "skip" });
    await on.engine.triggerSchedule({ name: "triggered" }, CALL);
    await on.engine.triggerSchedule({ name: "triggered" }, CALL);
    expect(await tasks("triggered")).toHaveLength(2);
    await pass("triggered", 65);
    await fire();
    expect(await tasks("triggered")).toHaveLength(2);
  });

  test("of several that are made up for, the first keeps the others away", async () => {
    await create({ name: "alone-all", overlap: "skip", missed: "all" });
    await pass("alone-all", 200);
    await fire();
    expect(await agoOf("alone-all")).toEqual([140]);
  });

  test("allow: it fires whatever the last one does", async () => {
    await create({ name: "beside" });
    for (let n = 0; n < 2; n++) {
      await pass("beside", 65);
      await fire();
    }
    expect(await tasks("beside")).toHaveLength(2);
  });
});

describe("pause", () => {
  test("a paused schedule does not fire, and makes up for nothing when it goes on", async () => {
    await create({ name: "paused", missed: "all" });
    const paused = await on.engine.pauseSchedule({ name: "paused", paused: true }, CALL);
    expect(paused).toMatchObject({ paused: true, nextRun: null });
    await pass("paused", 600);
    await fire();
    const resumed = await on.engine.pauseSchedule({ name: "paused", paused: false }, CALL);
    expect(resumed.paused).toBe(false);
    expect(Date.parse(resumed.nextRun!)).toBeGreaterThan(Date.now() - 1);
    await fire();
    expect(await tasks("paused")).toEqual([]);
    expect(await on.engine.triggerSchedule({ name: "paused" }, CALL)).toEqual({ id: expect.any(String) });
  });

  test("resuming what runs leaves what is due to be fired", async () => {
    await create({ name: "running" });
    await pass("running", 65);
    await on.engine.pauseSchedule({ name: "running", paused: false }, CALL);
    await fire();
    expect(await tasks("running")).toHaveLength(1);
  });
});

test("an update that changes nothing of its times leaves what is due to be fired; one that does makes up for nothing", async () => {
  await create({ name: "updated" });
  await pass("updated", 65);
  await on.engine.updateSchedule({ name: "updated", everySeconds: 60, task: { name: "renamed" } }, CALL);
  await fire();
  expect(await tasks("updated")).toHaveLength(1);
  await pass("updated", 58);
  await on.engine.updateSchedule({ name: "updated", everySeconds: 61 }, CALL);
  await fire();
  expect(await tasks("updated")).toHaveLength(1);
});

describe("one task per fire time", () => {
  test("a time that has fired does not fire again, whatever next_run says", async () => {
    await create({ name: "twice" });
    await pass("twice", 65);
    await rows("create table kept as select next_run from schedule where name = 'twice'");
    await fire();
    await rows("update schedule set next_run = (select next_run from kept) where name = 'twice'");
    await fire();
    expect(await tasks("twice")).toHaveLength(1);
    expect(Date.parse((await get("twice")).nextRun!)).toBeGreaterThan(Date.now());
  });

  test("a clock that was ahead by an hour and is set back does not silence a schedule", async () => {
    await create({ name: "ahead" });
    await create({ name: "ahead-new", everySeconds: 90 });
    await create({ name: "ahead-paused", everySeconds: 90 });
    await on.engine.pauseSchedule({ name: "ahead-paused", paused: true }, CALL);
    await pass("ahead", 65);
    await fire();
    for (const name of ["ahead", "ahead-new", "ahead-paused"]) await pass(name, -3_600);
    await setBackSchedules(on.context);
    for (const name of ["ahead", "ahead-new"]) {
      const wait = Date.parse((await get(name)).nextRun!) - Date.now();
      expect(wait).toBeGreaterThan(0);
      expect(wait).toBeLessThanOrEqual(90_000);
    }
    expect(await get("ahead-paused")).toMatchObject({ nextRun: null });
    const resumed = await on.engine.pauseSchedule({ name: "ahead-paused", paused: false }, CALL);
    expect(Date.parse(resumed.nextRun!) - Date.now()).toBeLessThanOrEqual(90_000);
  });

  test("what is due and not fired yet when the clock is set back is left to be fired", async () => {
    await create({ name: "ahead-due" });
    await pass("ahead-due", 65);
    await rows("update schedule set computed = now() + interval '1 h' where name = 'ahead-due'");
    await setBackSchedules(on.context);
    await fire();
    expect(await tasks("ahead-due")).toHaveLength(1);
  });

  test("a project that is deleted while its schedules fire takes them along", async () => {
    for (let round = 0; round < 10; round++) {
      await on.engine.createProject({ name: "doomed" }, CALL);
      const create = (n: number) =>
        on.create({ project: "doomed", name: `doomed-${n}`, queue: `doomed-${n % 7}`, missed: "all" });
      await Promise.all(Array.from({ length: 50 }, (_, n) => create(n)));
      for (let n = 0; n < 50; n++) await pass(`doomed-${n}`, 600);
      await Promise.all([fire(), fire(), on.engine.deleteProject({ name: "doomed", force: true }, CALL)]);
    }
    expect(await rows("select from schedule where name like 'doomed-%'")).toEqual([]);
    expect(log).toEqual([]);
  });

  test("deleting a project waits for those who fire its schedules without locking the queues that they want", async () => {
    await on.engine.createProject({ name: "waited" }, CALL);
    await create({ project: "waited", name: "held" });
    await on.engine.createQueue({ project: "waited", name: "wanted" }, CALL);
    await withClient(on.databaseUrl, async (firing) => {
      await firing.query("begin");
      await firing.query("select from schedule where name = 'held' for update");
      const deleted = on.engine.deleteProject({ name: "waited", force: true }, CALL);
      await until("the deletion waits", async () => (await rows("select from pg_locks where not granted")).length > 0);
      await firing.query("select from queue where name = 'wanted' for key share nowait");
      await firing.query("commit");
      expect(await deleted).toEqual({ name: "waited" });
    });
  });

  test("instances that fire at once make one task each time", async () => {
    const names = Array.from({ length: 300 }, (_, n) => `race-${n}`);
    await Promise.all(names.map((name) => create({ name, queue: "race", missed: "all" })));
    for (const name of names) await pass(name, 200);
    const instance = async () => {
      while (await fireDue(on.context, new LowerBounds()));
    };
    await Promise.all([instance(), instance(), instance()]);
    await fire();
    const made = await rows<{ id: number; runs: number; times: number }>(
      `select s.id, (select count(*)::int from schedule_run r where r.schedule_id = s.id) as runs,
         (select count(distinct r.task_id)::int from schedule_run r join task t on t.id = r.task_id and t.run_at = r.fire_at
          where r.schedule_id = s.id) as times
       from schedule s where s.queue = 'race'`,
    );
    expect(made.filter(({ runs, times }) => runs !== 3 || times !== 3)).toEqual([]);
    expect(await tasks("race")).toHaveLength(900);
  });
});

describe("what its tasks need", () => {
  test("a queue that is not there is made, and made anew after it was deleted", async () => {
    await create({ name: "queueless" });
    await pass("queueless", 65);
    await fire();
    await on.engine.deleteQueue({ name: "queueless", force: true }, CALL);
    await pass("queueless", 58);
    await fire();
    expect(await tasks("queueless")).toHaveLength(1);
  });

  test("tags are made, and a tag that was deleted is made anew", async () => {
    await create({
      name: "tagged",
      task: { name: "n", payload: { big: 0.1 }, priority: 2, maxAttempts: 7, tags: ["Red", "blue", "RED"] },
    });
    for (let n = 0; n < 2; n++) {
      await pass("tagged", 65);
      await fire();
      const { id } = (await tasks("tagged"))[0]!;
      expect(await on.engine.getTask({ id }, CALL)).toMatchObject({
        name: "n",
        payload: { big: 0.1 },
        priority: 2,
        maxAttempts: 7,
        tags: ["Red", "blue"],
      });
      await on.context.hot.run((db) => db.any(deleteTag(1, "red")));
      await rows("delete from task where id = $1", [id]);
      await rows("delete from task_ready where id = $1", [id]);
      await rows("delete from task_catalogue where id = $1", [id]);
    }
  });

  test("a tag that a schedule gets while it fires is made by the next look", async () => {
    await create({ name: "retagged", task: { tags: ["old"] } });
    await pass("retagged", 65);
    const due = await on.context.hot.run((db) => db.any(dueSchedules(null, 10)));
    await on.engine.updateSchedule({ name: "retagged", task: { tags: ["never seen"] } }, CALL);
    expect(await fireAll(on.context, due)).toBe(0);
    await fire();
    const { id } = (await tasks("retagged"))[0]!;
    expect(await on.engine.getTask({ id }, CALL)).toMatchObject({ tags: ["never seen"] });
    expect(log).toEqual([]);
  });

  test("counts, catalogue and states are in order after all that", async () => {
    const { violations } = await on.engine.verify(CALL);
    expect(violations).toEqual([]);
  });

  test("a schedule that nobody can make sense of does not hold up the others", async () => {
    const names = Array.from({ length: 9 }, (_, n) => `good-${n}`);
    for (const name of [...names, "bad"]) await create({ name, queue: "crowd" });
    await rows("update schedule set every_seconds = null, cron = 'nonsense', timezone = 'Mars' where name = 'bad'");
    for (const name of [...names, "bad"]) await pass(name, 65);
    log.length = 0;
    await fire();
    expect(await tasks("crowd")).toHaveLength(names.length);
    expect(log.map(({ message, schedule }) => [message, schedule])).toEqual([["a schedule did not fire", "bad"]]);
    expect(Date.parse((await get("bad")).nextRun!)).toBeGreaterThan(Date.now());
    // Nor when the clock is set back.
    await create({ name: "ahead-good", queue: "crowd" });
    for (const name of ["bad", "ahead-good"]) await pass(name, -3_600);
    await setBackSchedules(on.context);
    expect(Date.parse((await get("ahead-good")).nextRun!)).toBeLessThan(Date.now() + 61_000);
    await on.engine.deleteSchedule({ name: "bad" }, CALL);
  });
});

test("ten thousand that are due at once, in as many queues, all fire", async () => {
  await rows(
    `insert into schedule (project_id, name, queue, every_seconds, anchor, next_run)
     select 1, 'many-' || n, 'many-' || n, 60, now() - interval '61 s', now() - interval '1 s' from generate_series(1, 10000) n`,
  );
  await fire();
  const [made] = await rows(
    `select count(distinct r.schedule_id)::int as schedules, count(*)::int as runs, count(distinct t.queue_id)::int as queues
     from schedule s join schedule_run r on r.schedule_id = s.id join task t on t.id = r.task_id where s.name like 'many-%'`,
  );
  expect(made).toEqual({ schedules: 10_000, runs: 10_000, queues: 10_000 });
});

describe("where queues are not made by the way", () => {
  const strict = stage({ createQueues: false });

  test("a schedule whose queue is not there passes its time, and holds up no other", async () => {
    await strict.engine.createQueue({ name: "there" }, CALL);
    await strict.create({ name: "without", queue: "missing" });
    await strict.create({ name: "with", queue: "there" });
    for (const name of ["without", "with"]) await strict.pass(name, 65);
    await strict.fire();
    expect(await strict.tasks("there")).toHaveLength(1);
    expect(await strict.get("without")).toMatchObject({ lastRun: null });
    expect(Date.parse((await strict.get("without")).nextRun!)).toBeGreaterThan(Date.now());
    expect(strict.log).toMatchObject([{ message: expect.stringContaining("did not fire"), schedule: "without" }]);
    await strict.engine.createQueue({ name: "missing" }, CALL);
    await strict.pass("without", 58);
    await strict.fire();
    expect(await strict.tasks("missing")).toHaveLength(1);
  });
});
