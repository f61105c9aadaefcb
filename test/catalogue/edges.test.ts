/** What goes in the same moment, what lies at the ends of time, and what belongs to others: seen once to go wrong. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { withClient } from "../support/postgres.ts";
import { refusal, testService } from "../support/service.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);
const service = testService();
const { call } = service;
const sql = (text: string, values: unknown[] = []) =>
  withClient(service.databaseUrl, (client) => client.query(text, values));
const verified = async () => expect(await call("admin.verify", {})).toEqual({ ok: true, violations: [] });

test("times before 1970 and at the end of the year 9999 are times like others", async () => {
  const { id } = await call("task.enqueue", { queue: "times", ownerId: "times" });
  for (const filter of [{ queue: "times" }, { ownerId: "times" }]) {
    const all = { ...filter, addedFrom: "1000-01-01T00:00:00Z", addedTo: "9999-12-31T23:59:59.999Z" };
    expect((await call("task.list", all)).tasks.map((task) => task.id)).toEqual([id]);
    expect(await call("task.count", all)).toEqual({ count: 1, exact: true });
    const before = { ...filter, addedTo: "1969-12-31T00:00:00Z" };
    expect(await call("task.count", before)).toEqual({ count: 0, exact: true });
    expect(await call("task.count", { ...filter, addedFrom: "9999-12-31T23:59:59Z" })).toEqual({
      count: 0,
      exact: true,
    });
  }
});

test("a new tag in a project that has gone elsewhere", async () => {
  await call("project.create", { name: "going" });
  const { id } = await call("task.enqueue", { project: "going", queue: "q" });
  await sql("delete from project where name = 'going'");
  const gone = { type: "not_found", noun: "project", id: "going" };
  expect(await refusal(call("task.enqueue", { project: "going", queue: "q", tags: ["fresh"] }))).toEqual(gone);
  expect(await refusal(call("task.update", { project: "going", id, tags: ["fresher"] }))).toMatchObject({
    type: "not_found",
  });
});

test("an update of a task whose queue goes", async () => {
  const { id } = await call("task.enqueue", { queue: "leaving", ownerId: "o" });
  await withClient(service.databaseUrl, async (client) => {
    await client.query("begin");
    await client.query("delete from queue where name = 'leaving'");
    const update = refusal(call("task.update", { id, description: "d", tags: ["t"] }));
    await until("the update waits", async () => {
      const { rowCount } = await sql(
        "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query ~ 'for key share'",
      );
      return rowCount === 1;
    });
    await client.query("commit");
    expect(await update).toEqual({ type: "not_found", noun: "task", id });
  });
});

test("a failure of a task whose queue has gone ends nothing", async () => {
  await call("task.enqueue", { queue: "failing" });
  const [task] = (await call("task.claim", { queue: "failing" })).tasks;
  await sql("delete from queue where name = 'failing'");
  expect(await refusal(call("task.fail", { receipt: task!.receipt, error: { message: "x" } }))).toMatchObject({
    type: "lease_lost",
  });
  await verified();
});

test("a tag that is deleted all the time refuses nobody in words that say nothing", async () => {
  let going = true;
  const seen = new Set<string>();
  const deleting = (async () => {
    while (going) await call("tag.delete", { name: "flicker" }).catch(() => {});
  })();
  const enqueueing = Array.from({ length: 4 }, async () => {
    for (let time = 0; time < 25; time++)
      try {
        await call("task.enqueue", { queue: "flicker", tags: ["flicker"] });
      } catch (error) {
        seen.add((error as { data: { type: string } }).data.type);
      }
  });
  await Promise.all(enqueueing);
  going = false;
  await deleting;
  expect([...seen].filter((type) => type !== "conflict")).toEqual([]);
  await verified();
});

test("what others have is neither counted nor told", async () => {
  await call("project.create", { name: "small" });
  const payload = { mine: 1 };
  for (let time = 0; time < 21; time++)
    await call("task.enqueueMany", {
      queue: "busy",
      tasks: Array.from({ length: 1000 }, () => ({ name: "n", payload })),
    });
  await call("task.enqueue", { project: "small", queue: "busy", name: "n", payload });
  for (const filter of [{ payload }, { names: ["n"], payload }, { priority: 5 }, { names: ["n"] }, { text: "n" }, {}])
    expect(await call("task.count", { project: "small", ...filter })).toEqual({ count: 1, exact: true });
  expect(await call("task.count", { names: ["n"] })).toEqual({ count: 20_000, exact: false });
});

test("a repeat does not make a tag anew that was deleted since", async () => {
  const params = { queue: "repeats", tags: ["once"], requestId: "tagged-once" };
  const first = await call("task.enqueue", params);
  await call("tag.delete", { name: "once" });
  expect(await call("task.enqueue", params)).toEqual(first);
  expect((await call("tag.list", { prefix: "once" })).tags).toEqual([]);
});
