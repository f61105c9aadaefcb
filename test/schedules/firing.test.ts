import { expect, test } from "bun:test";
import { testService } from "../support/service.ts";
import { until } from "../support/until.ts";

const service = testService();
const { call } = service;

test("a schedule fires by itself: one task per fire time, made for that time", async () => {
  await call("queue.create", { name: "ticks" });
  const made = await call("schedule.create", { name: "tick", queue: "ticks", everySeconds: 1, task: { name: "t", payload: { n: 1 }, tags: ["Tick"] } });
  expect(made.nextRun).not.toBeNull();
  const tasks = await until("it has fired three times", async () => {
    const { tasks } = await call("task.list", { queue: "ticks", sort: "added" });
    return tasks.length >= 3 && tasks;
  });
  const times = tasks.map(({ runAt }) => Date.parse(runAt));
  const first = Date.parse(made.nextRun!);
  expect(times).toEqual(times.map((_, n) => first + n * 1_000));
  expect(tasks[0]).toMatchObject({ name: "t", payload: { n: 1 }, tags: ["Tick"], priority: 5, state: "pending" });
  console.log(await call("schedule.get", { name: "tick" }), await call("schedule.trigger", {name: "tick"}), await call("schedule.next", {cron: "0 0 * * *", count: 2}));
  expect((await call("admin.verify", {})).violations).toEqual([]);
});
