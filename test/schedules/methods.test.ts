/** The methods of schedules over HTTP: what they answer, and what they refuse. */
import { describe, expect, test } from "bun:test";
import { refusal, testService } from "../support/service.ts";
import { until } from "../support/until.ts";

const service = testService();
const { call } = service;
const SECOND = 1_000;

describe("what is created is answered", () => {
  test("with defaults", async () => {
    const made = await call("schedule.create", { name: "plain", queue: "q", cron: "0 3 * * *" });
    expect(made).toEqual({
      id: expect.any(Number),
      project: "default",
      name: "plain",
      queue: "q",
      cron: "0 3 * * *",
      everySeconds: null,
      timezone: "UTC",
      task: { name: null, payload: {}, priority: 5, maxAttempts: null, tags: [] },
      missed: "latest",
      overlap: "allow",
      startAt: null,
      endAt: null,
      paused: false,
      lastRun: null,
      nextRun: expect.stringMatching(/T03:00:00.000Z$/),
      added: expect.any(String),
      updated: expect.any(String),
    });
    expect(await call("schedule.get", { name: "plain" })).toEqual(made);
  });

  test("with all there is", async () => {
    const params = {
      name: "full",
      queue: "q",
      everySeconds: 1.5,
      timezone: "Europe/Berlin",
      task: { name: "n", payload: { a: "ü" }, priority: 8, maxAttempts: 3, tags: ["x", "Y"] },
      missed: "all",
      overlap: "skip",
      startAt: "2101-01-01T00:00:00.000Z",
      endAt: "2102-01-01T00:00:00.000Z",
    } as const;
    const made = await call("schedule.create", { ...params, task: { ...params.task, tags: ["x", "Y", "X"] } });
    expect(made).toMatchObject({ ...params, task: { ...params.task, tags: ["x", "Y"] }, nextRun: params.startAt });
  });

  test("a priority may be a word, a cron of six fields begins with seconds, times of other offsets come back in UTC", async () => {
    const made = await call("schedule.create", {
      name: "words",
      queue: "q",
      cron: "30 0 12 1 1 ?",
      task: { priority: "high" },
      startAt: "2101-01-01T00:00:00+02:00",
    });
    expect(made).toMatchObject({
      task: { priority: 2 },
      startAt: "2100-12-31T22:00:00.000Z",
      nextRun: "2101-01-01T12:00:30.000Z",
    });
  });

  test("one whose end is over has no next run", async () => {
    const made = await call("schedule.create", {
      name: "over",
      queue: "q",
      cron: "* * * * *",
      endAt: "2020-01-01T00:00:00Z",
    });
    expect(made.nextRun).toBeNull();
  });
});

describe("what is refused", () => {
  const issues = async (params: object) => {
    const { type, issues } = await refusal(call("schedule.create", { name: "bad", queue: "q", ...params } as never));
    expect(type).toBe("invalid_params");
    return (issues as { path: string; message: string }[]).map(({ path, message }) => `${path}: ${message}`);
  };
  test.each([
    [{}, "cron: give cron or everySeconds"],
    [{ cron: "* * * * *", everySeconds: 5 }, "everySeconds: give cron or everySeconds, not both"],
    [
      { cron: "@daily" },
      "cron: must have 5 fields (minute, hour, day of month, month, day of week) or 6 (second first)",
    ],
    [{ cron: "0 25 * * *" }, "cron: its field for the hour is not one of a cron expression"],
    [{ cron: "0 0 30 2 *" }, "cron: never comes true"],
    [{ cron: "* * * * *", timezone: "Mars/Olympus" }, "timezone: must be an IANA time zone such as Europe/Berlin"],
    [{ cron: "* * * * *", timezone: "+01:00" }, "timezone: must be an IANA time zone such as Europe/Berlin"],
    [{ everySeconds: 1.0005 }, "everySeconds: must be whole milliseconds"],
    [
      { everySeconds: 5, startAt: "2030-01-02T00:00:00Z", endAt: "2030-01-01T00:00:00Z" },
      "endAt: must not be before startAt",
    ],
    [{ everySeconds: 5, name: " " }, "name: must not be blank"],
    [{ everySeconds: 5, task: { runAt: "2030-01-01T00:00:00Z" } }, "task.runAt: is not a parameter here"],
    [{ everySeconds: 5, task: { name: "  " } }, "task.name: must not be blank"],
    [{ everySeconds: 5, cronn: "x" }, "cronn: is not a parameter here"],
  ])("%j: %s", async (params, message) => {
    expect(await issues(params)).toEqual([message]);
  });

  test.each([{ everySeconds: 0.5 }, { everySeconds: 5, missed: "some" }, { everySeconds: 5, overlap: "queue" }])(
    "%j",
    async (params) => {
      expect(await issues(params)).toHaveLength(1);
    },
  );

  test("a name that is taken, and one that is not there", async () => {
    await call("schedule.create", { name: "taken", queue: "q", everySeconds: 3_600 });
    expect(await refusal(call("schedule.create", { name: "taken", queue: "q", everySeconds: 3_600 }))).toEqual({
      type: "conflict",
      field: "name",
    });
    const missing = { type: "not_found", noun: "schedule", id: "nobody" };
    const name = "nobody";
    expect(await refusal(call("schedule.get", { name }))).toEqual(missing);
    expect(await refusal(call("schedule.update", { name, queue: "q" }))).toEqual(missing);
    expect(await refusal(call("schedule.pause", { name }))).toEqual(missing);
    expect(await refusal(call("schedule.resume", { name }))).toEqual(missing);
    expect(await refusal(call("schedule.delete", { name }))).toEqual(missing);
    expect(await refusal(call("schedule.trigger", { name }))).toEqual(missing);
    expect(await refusal(call("schedule.next", { name }))).toEqual(missing);
  });

  test("a payload that its queue would refuse", async () => {
    await call("queue.create", { name: "narrow", maxPayloadBytes: 20 });
    await call("schedule.create", {
      name: "narrow",
      queue: "narrow",
      everySeconds: 3_600,
      task: { payload: { a: 1 } },
    });
    const tooLarge = { type: "payload_too_large", limitBytes: 20 };
    const payload = { text: "more than twenty bytes" };
    const large = { queue: "narrow", everySeconds: 3_600, task: { payload } };
    expect(await refusal(call("schedule.create", { name: "wide", ...large }))).toEqual(tooLarge);
    expect(await refusal(call("schedule.update", { name: "narrow", task: { payload } }))).toEqual(tooLarge);
    await call("schedule.create", { name: "wide", ...large, queue: "wide" });
    expect(await refusal(call("schedule.update", { name: "wide", queue: "narrow" }))).toEqual(tooLarge);
    // Of a queue that is not there yet: what it will take when its first task makes it.
    const task = { payload: { text: "x".repeat(300_000) } };
    const unmade = call("schedule.create", { name: "larger", queue: "unmade", everySeconds: 3_600, task });
    expect(await refusal(unmade)).toEqual({ type: "payload_too_large", limitBytes: 262_144 });
  });
});

describe("update", () => {
  test("what is not named stays; cron and everySeconds replace each other", async () => {
    const task = { name: "n", payload: { a: 1 }, priority: 3, maxAttempts: 2, tags: ["t"] };
    const made = await call("schedule.create", { name: "u", queue: "q", cron: "0 0 1 1 *", task, missed: "all" });
    const paced = await call("schedule.update", { name: "u", everySeconds: 7_200, task: { priority: 4 } });
    expect(paced).toMatchObject({ cron: null, everySeconds: 7_200, missed: "all", task: { ...task, priority: 4 } });
    expect(Date.parse(paced.nextRun!) - Date.parse(paced.updated)).toBeWithin(7_199 * SECOND, 7_201 * SECOND);
    const back = await call("schedule.update", {
      name: "u",
      cron: "0 0 1 1 *",
      task: { name: null, maxAttempts: null },
    });
    expect(back).toMatchObject({ cron: "0 0 1 1 *", everySeconds: null, task: { name: null, maxAttempts: null } });
    expect(back.nextRun).toBe(made.nextRun);
  });

  test("bounds come and go", async () => {
    await call("schedule.create", { name: "b", queue: "q", everySeconds: 3_600 });
    const startAt = "2101-01-01T00:00:00.000Z";
    expect(await call("schedule.update", { name: "b", startAt })).toMatchObject({ startAt, nextRun: startAt });
    expect(await refusal(call("schedule.update", { name: "b", endAt: "2100-01-01T00:00:00Z" }))).toMatchObject({
      issues: [{ path: "endAt", message: "must not be before startAt" }],
    });
    const free = await call("schedule.update", { name: "b", startAt: null });
    expect(free.startAt).toBeNull();
    expect(Date.parse(free.nextRun!) - Date.parse(free.updated)).toBeWithin(3_599 * SECOND, 3_601 * SECOND);
  });

  test("a paused schedule stays so, and goes on by its new times", async () => {
    await call("schedule.create", { name: "p", queue: "q", everySeconds: 3_600 });
    await call("schedule.pause", { name: "p" });
    expect(await call("schedule.update", { name: "p", cron: "0 0 1 1 *" })).toMatchObject({
      paused: true,
      nextRun: null,
    });
    const resumed = await call("schedule.resume", { name: "p" });
    expect(resumed.nextRun).toEndWith("-01-01T00:00:00.000Z");
    expect(await call("schedule.resume", { name: "p" })).toEqual(resumed);
  });
});

describe("next", () => {
  test("by expression and zone", async () => {
    const after = "2026-03-28T12:00:00Z";
    const { runs } = await call("schedule.next", { cron: "30 2 * * *", timezone: "Europe/Berlin", count: 2, after });
    expect(runs).toEqual(["2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]);
    expect((await call("schedule.next", { cron: "* * * * *" })).runs).toHaveLength(10);
  });

  test("by name, within its own bounds, paused or not", async () => {
    const [startAt, endAt] = ["2101-01-01T00:00:00.000Z", "2101-01-01T00:00:02.000Z"];
    await call("schedule.create", { name: "bounded", queue: "q", everySeconds: 1, startAt, endAt });
    await call("schedule.pause", { name: "bounded" });
    const { runs } = await call("schedule.next", { name: "bounded" });
    expect(runs).toEqual([startAt, "2101-01-01T00:00:01.000Z", endAt]);
    expect((await call("schedule.next", { name: "bounded", after: endAt })).runs).toEqual([]);
  });

  test("refuses neither, both, and a zone beside a name", async () => {
    const one = [{ path: "name", message: "give name or cron, one of them" }];
    expect((await refusal(call("schedule.next", {}))).issues).toEqual(one);
    expect((await refusal(call("schedule.next", { name: "x", cron: "* * * * *" }))).issues).toEqual(one);
    expect((await refusal(call("schedule.next", { name: "x", timezone: "UTC" }))).issues).toEqual([
      { path: "timezone", message: "goes with cron: a schedule has its own" },
    ]);
    expect((await refusal(call("schedule.next", { cron: "* * * * *", count: 101 }))).type).toBe("invalid_params");
  });
});

test("list pages by name and shows the project's own", async () => {
  await call("project.create", { name: "other" });
  const names = ["a", "b", "c", "d", "e"];
  for (const name of names) await call("schedule.create", { project: "other", name, queue: "q", everySeconds: 3_600 });
  const listed: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await call("schedule.list", { project: "other", limit: 2, cursor });
    expect(page.schedules.length).toBeLessThanOrEqual(2);
    listed.push(...page.schedules.map(({ name }) => name));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  expect(listed).toEqual(names);
  expect(await refusal(call("schedule.get", { name: "a" }))).toMatchObject({ type: "not_found" });
  expect(await call("schedule.get", { project: "other", name: "a" })).toMatchObject({ project: "other" });
});

describe("repeats", () => {
  test("answer what the first answered", async () => {
    const create = { name: "once", queue: "once", everySeconds: 3_600, requestId: "s-1" };
    const made = await call("schedule.create", create);
    expect(await call("schedule.create", create)).toEqual(made);
    expect(await refusal(call("schedule.create", { ...create, everySeconds: 60 }))).toEqual({
      type: "conflict",
      field: "requestId",
    });
    const triggered = await call("schedule.trigger", { name: "once", requestId: "s-2" });
    expect(await call("schedule.trigger", { name: "once", requestId: "s-2" })).toEqual(triggered);
    expect((await call("task.count", { queue: "once" })).count).toBe(1);
    const gone = await call("schedule.delete", { name: "once", requestId: "s-3" });
    expect(gone).toEqual({ name: "once" });
    expect(await call("schedule.delete", { name: "once", requestId: "s-3" })).toEqual(gone);
    expect(await call("schedule.trigger", { name: "once", requestId: "s-2" })).toEqual(triggered);
  });
});

test("trigger makes one task now, also of a paused schedule, and leaves its times alone", async () => {
  const made = await call("schedule.create", {
    name: "now",
    queue: "now",
    everySeconds: 3_600,
    task: { name: "n", payload: { a: 1 }, tags: ["urgent"] },
  });
  const { id } = await call("schedule.trigger", { name: "now" });
  expect(await call("task.get", { id })).toMatchObject({
    queue: "now",
    name: "n",
    payload: { a: 1 },
    tags: ["urgent"],
  });
  expect(await call("schedule.get", { name: "now" })).toMatchObject({ lastRun: null, nextRun: made.nextRun });
  await call("schedule.pause", { name: "now" });
  await call("schedule.trigger", { name: "now" });
  const { tasks } = await call("task.claim", { queue: "now", limit: 10 });
  expect(tasks).toHaveLength(2);
});

test("a schedule fires by itself: one task per fire time, handed to a claim that waits", async () => {
  const waiting = call("task.claim", { queue: "ticks", waitSeconds: 20 });
  const made = await call("schedule.create", { name: "tick", queue: "ticks", everySeconds: 1 });
  expect((await waiting).tasks).toHaveLength(1);
  const tasks = await until("it has fired three times", async () => {
    const { tasks } = await call("task.list", { queue: "ticks", sort: "added" });
    return tasks.length >= 3 && tasks;
  });
  const first = Date.parse(made.nextRun!);
  expect(tasks.map(({ runAt }) => Date.parse(runAt))).toEqual(tasks.map((_, n) => first + n * SECOND));
  await call("schedule.delete", { name: "tick" });
  expect((await call("admin.verify", {})).violations).toEqual([]);
});

test("a project takes its schedules along", async () => {
  await call("project.create", { name: "short" });
  await call("schedule.create", { project: "short", name: "s", queue: "s", everySeconds: 1 });
  await until("it has fired", async () => (await call("schedule.get", { project: "short", name: "s" })).lastRun);
  await call("project.delete", { name: "short", force: true });
  await call("project.create", { name: "short" });
  expect((await call("schedule.list", { project: "short" })).schedules).toEqual([]);
});
