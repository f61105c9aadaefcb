/** What upkeep does for schedules besides firing them: its jobs run once when an instance starts. */
import { expect, test } from "bun:test";
import { startInstance } from "../support/service.ts";
import { until } from "../support/until.ts";
import { stage } from "./stage.ts";

const on = stage();

test("runs are forgotten three days after their fire time, and schedules set back with the clock", async () => {
  await on.create({ name: "ahead", everySeconds: 600 });
  await on.pass("ahead", -7_200);
  await on.rows(
    `insert into schedule_run (schedule_id, fire_at, task_id)
     values (1, now() - interval '73 h', gen_random_uuid()), (1, now() - interval '71 h', gen_random_uuid())`,
  );
  const service = await startInstance(on.databaseUrl);
  try {
    await until("the old run is forgotten", async () => (await on.rows("select from schedule_run")).length === 1);
    const { nextRun } = await until("its next time is near again", async () => {
      const schedule = await on.get("ahead");
      return Date.parse(schedule.nextRun!) < Date.now() + 601_000 && schedule;
    });
    expect(Date.parse(nextRun!)).toBeGreaterThan(Date.now());
  } finally {
    await service.stop();
  }
});
