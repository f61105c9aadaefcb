/** Those who wait for tasks: told by hints and by their own instance. Only where it is said does somebody poll. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Refusal } from "../../src/domain/refusals.ts";
import type { Progress } from "../../src/domain/task/views.ts";
import type { Call, Engine } from "../../src/engine/engine.ts";
import { queueOf } from "../../src/lib/uuid7.ts";
import { expireLate } from "../../src/upkeep/expire-leases.ts";
import { orphansJob } from "../../src/upkeep/retention.ts";
import { withClient } from "../support/postgres.ts";
import { until } from "../support/until.ts";
import { waitingStage } from "./waiting-stage.ts";

const stage = waitingStage();
// What is not told is never noticed here, and a minute is long to find that out.
setDefaultTimeout(15_000);

const { call } = stage;
const WAIT = { waitSeconds: 3_000 };
/** The instance on which is waited, and the one on which things happen. */
const here = () => stage.instances[0]!;
const there = () => stage.instances[1]!;
const say = async (act: (engine: Engine) => Promise<unknown>) => await act(there().engine);
const only = <T>(list: readonly T[]): T => list[0]!;

/**
 * A wait on the first instance, of which the second knows. Who begins to wait in a queue looks once more after a moment,
 * which is over then: what happens now is known only if it is told. The answer is in an object, or it would be waited for.
 */
async function waits(id: string, more: { progress?: Progress | null; call?: Call } = {}) {
  const { call: caller = call, ...rest } = more;
  const { context, sent, news } = here();
  const size = context.waiters.size;
  const answer = here().engine.waitForTask({ id, ...WAIT, ...rest }, caller);
  answer.catch(() => undefined);
  await until("it waits", () => context.waiters.size > size);
  for (const kind of more.progress === undefined ? ["ends"] : ["ends", "progress"]) {
    await until("the other instance knows", () => sent.includes(`${kind} wanted ${queueOf(id)}`));
    await until("it has looked once more", () => news.includes(`${kind} ${queueOf(id)}`));
  }
  return { answer };
}

describe("every way in which a task ends on another instance reaches those who wait for it", () => {
  const ways: Record<string, (id: string, receipt: string, queue: string) => Promise<unknown>> = {
    complete: (_, receipt) => say((engine) => engine.complete({ receipt }, call)),
    fail: (_, receipt) => say((engine) => engine.fail({ receipt, error: { message: "no" }, retry: false }, call)),
    cancel: (id) => say((engine) => engine.cancelTask({ id }, call)),
    delete: (id) => say((engine) => engine.deleteTask({ id }, call)),
    async expire(id) {
      await withClient(stage.url, (client) =>
        client.query(
          "with t as (update task set max_attempts = 1 where id = $1) update task_lease set expires_at = now() where id = $1",
          [id],
        ),
      );
      await until("upkeep takes it", async () => (await expireLate(there().context)) > 0);
    },
    purge: (_id, _receipt, name) => say((engine) => engine.purgeQueue({ name, states: ["claimed"] }, call)),
    "queue.delete": (_id, _receipt, name) => say((engine) => engine.deleteQueue({ name, force: true }, call)),
    async "a queue whose tasks are still there"(id) {
      await withClient(stage.url, (client) => client.query("delete from queue where id = $1", [queueOf(id)]));
      there().context.waiters.ends.tell(queueOf(id));
    },
    async "an instance that dies while it deletes a queue"(id) {
      await withClient(stage.url, (client) => client.query("delete from queue where id = $1", [queueOf(id)]));
      await orphansJob(there().context).run();
    },
  };
  for (const [way, act] of Object.entries(ways))
    test(way, async () => {
      const queue = `end-${way.replaceAll(/\W/g, "-")}`;
      const { id, receipt } = only(await stage.claimed(queue, 1));
      const { answer } = await waits(id);
      await act(id, receipt, queue);
      const gone = way === "purge" || way.includes("queue");
      if (gone) expect(answer).rejects.toMatchObject({ type: "not_found", data: { noun: "task", id } });
      else expect(await answer).toMatchObject({ done: true, task: { id } });
      await answer.catch(() => undefined);
      expect(here().context.waiters.size).toBe(0);
    });

  test("the end of a task that it depended on, and its purge", async () => {
    for (const how of ["fail", "purge"] as const) {
      const queue = `settle-${how}`;
      const { id: on, receipt } = only(await stage.claimed(queue, 1));
      const tasks = [{ queue: `${queue}-child`, dependsOn: [on], onDependencyFailure: "cancel" as const }];
      const { id } = only(await there().engine.enqueue({ method: "task.enqueue", tasks }, call));
      const { answer } = await waits(id);
      if (how === "fail") await say((engine) => engine.fail({ receipt, error: { message: "no" }, retry: false }, call));
      else await say((engine) => engine.purgeQueue({ name: queue, states: ["claimed"] }, call));
      expect(await answer).toMatchObject({ done: true, task: { id, state: "cancelled" } });
    }
  });
});

test("an instance that hears of nothing finds by its poll what happens, again and again", async () => {
  const { engine, context } = await stage.alone();
  for (const way of ["complete", "purge", "progress"] as const) {
    const { id, receipt } = only(await stage.claimed("alone", 1));
    const answer = engine.waitForTask({ id, ...WAIT, progress: null }, call).catch((error) => error.type);
    await until("it waits", () => context.waiters.size === 1 && context.reader.calls === 0);
    if (way === "complete") await there().engine.complete({ receipt }, call);
    else if (way === "progress") await there().engine.progress({ receipt, percent: 1 }, call);
    else await there().engine.purgeQueue({ name: "alone", states: ["claimed"] }, call);
    if (way === "purge") expect(await answer).toBe("not_found");
    else expect(await answer).toMatchObject({ done: way === "complete", task: { id } });
  }
});

describe("very many", () => {
  test("five thousand whose tasks end at once are all answered, by few statements", async () => {
    const count = 5_000;
    const tasks = await stage.claimed("many", count);
    let refused = 0;
    const asks = async (id: string): Promise<unknown> => {
      for (;;)
        try {
          return await here().engine.waitForTask({ id, ...WAIT }, call);
        } catch (error) {
          // Only so many may ask at a time: the others ask again.
          if (!(error instanceof Refusal && error.type === "overloaded")) throw error;
          refused++;
          await until("fewer ask", () => here().context.reader.calls < 500);
        }
    };
    const { answer } = await waits(tasks[0]!.id);
    const answers = [answer, ...tasks.slice(1).map(({ id }) => asks(id))];
    const { context } = here();
    await until("all wait", () => context.waiters.size === count && context.reader.calls === 0);
    expect(refused).toBeGreaterThan(0);
    refused = 0;
    const before = here().statements;
    for (let at = 0; at < count; at += 1_000) {
      const items = tasks.slice(at, at + 1_000).map(({ receipt }) => ({ receipt }));
      await there().engine.completeMany({ items }, call);
    }
    expect(await Promise.all(answers)).toHaveLength(count);
    expect(refused).toBe(0);
    expect(here().statements - before).toBeLessThan(100);
    expect(here().context.waiters.size).toBe(0);
  });

  test("of one task, which is read once for all", async () => {
    const { id, receipt } = only(await stage.claimed("one-for-all", 1));
    const { answer: first } = await waits(id);
    const others = Array.from({ length: 500 }, () => here().engine.waitForTask({ id, ...WAIT }, call));
    await until("they wait", () => here().context.waiters.size === 501);
    const before = here().statements;
    await there().engine.complete({ receipt }, call);
    for (const answer of [first, ...others]) expect((await answer).done).toBe(true);
    expect(here().statements - before).toBeLessThan(6);
  });

  test("who come together, strangers to the instance, find project and queue by a statement for all", async () => {
    const tasks = await stage.claimed("strangers", 300);
    const before = here().statements;
    await Promise.all(tasks.map(({ id }) => here().engine.getTask({ id }, call)));
    expect(here().statements - before).toBeLessThan(20);
  });

  test("tasks that are large together are read in parts, and each answers its own", async () => {
    const queue = "large";
    const bytes = Array.from({ length: 3 }, () => new Uint8Array(50_000));
    const noise = () => bytes.map((some) => crypto.getRandomValues(some).toBase64()).join("");
    const payloads = Array.from({ length: 100 }, (_, n) => ({ n, text: noise() }));
    const tasks = payloads.map((payload) => ({ queue, payload }));
    const added = await there().engine.enqueue({ method: "task.enqueueMany", tasks }, call);
    await here().engine.getTask({ id: added[0]!.id }, call);
    const before = here().statements;
    const read = await Promise.all(added.map(({ id }) => here().engine.getTask({ id }, call)));
    expect(read.map(({ payload }) => payload)).toEqual(payloads);
    // Some twenty megabytes by eight at a time, as PostgreSQL stores them.
    expect(here().statements - before).toBeGreaterThan(2);
    expect(here().statements - before).toBeLessThan(10);
  });
});

describe("progress", () => {
  test("is told to those who follow it, on both instances, and to nobody else", async () => {
    const { id, receipt } = only(await stage.claimed("follow", 1));
    const { answer: ends } = await waits(id);
    const { answer: follows } = await waits(id, { progress: null });
    const besides = there().engine.waitForTask({ id, ...WAIT, progress: null }, call);
    await until("it waits there too", () => there().context.waiters.size === 1);
    await there().engine.progress({ receipt, percent: 40, note: "so far" }, call);
    const progress = { percent: 40, note: "so far" };
    expect(await follows).toMatchObject({ done: false, task: { state: "claimed", progress } });
    expect(await besides).toMatchObject({ done: false, task: { progress } });
    expect(here().context.waiters.size).toBe(1);
    await there().engine.complete({ receipt }, call);
    expect(await ends).toMatchObject({ done: true, task: { progress } });
  });

  test("that is another than the caller knows is answered at once; the same is waited with", async () => {
    const { id, receipt } = only(await stage.claimed("known", 1));
    await there().engine.progress({ receipt, percent: 1 }, call);
    for (const progress of [null, { percent: 2, note: null }, { percent: 1, note: "x" }])
      expect(await here().engine.waitForTask({ id, ...WAIT, progress }, call)).toMatchObject({ done: false });
    const { answer } = await waits(id, { progress: { percent: 1, note: null } });
    await there().engine.progress({ receipt, percent: 1, note: "more" }, call);
    expect((await answer).task.progress).toEqual({ percent: 1, note: "more" });
  });

  test("then the end: who knew of neither is told of the end, once", async () => {
    const { id, receipt } = only(await stage.claimed("both", 1));
    const { answer } = await waits(id, { progress: null });
    // Told while the look and the read that the progress asks for are on their way. Either may reach the lease first.
    const progress = there()
      .engine.progress({ receipt, percent: 99 }, call)
      .catch(({ type }) => expect(type).toBe("lease_lost"));
    expect((await there().engine.complete({ receipt }, call)).state).toBe("completed");
    await progress;
    const first = await answer;
    const last = first.done
      ? first
      : await here().engine.waitForTask({ id, ...WAIT, progress: first.task.progress }, call);
    expect(last).toMatchObject({ done: true, task: { state: "completed" } });
  });

  test("that task.extend notes is told like any other, stands through later ones, and outlives the attempt", async () => {
    const [task, other] = await stage.claimed("extended", 2);
    const receipts = [task!.receipt, other!.receipt];
    const { answer } = await waits(task!.id, { progress: null });
    const progress = { percent: 7, note: "seven" };
    const extend = async (more: object) => await there().engine.extend({ receipts, ...more }, call);
    expect(await extend({})).toMatchObject([{ progress: null }, { progress: null }]);
    expect(await extend({ progress })).toMatchObject([
      { ok: true, progress },
      { ok: true, progress },
    ]);
    expect((await answer).task.progress).toEqual(progress);
    expect(await extend({})).toMatchObject([{ progress }, { progress }]);
    await there().engine.fail(
      { receipt: receipts[0]!, error: { message: "again" }, retry: true, delaySeconds: 0 },
      call,
    );
    expect((await here().engine.getTask({ id: task!.id }, call)).progress).toEqual(progress);
    const again = await until("it comes back", async () =>
      only(await there().engine.claim({ queues: ["extended"], limit: 1, waitSeconds: 0 }, call)),
    );
    expect(await there().engine.extend({ receipts: [again.receipt] }, call)).toMatchObject([{ progress }]);
  });

  test("is sent to nobody where only ends are waited for", async () => {
    const { id, receipt } = only(await stage.claimed("unfollowed", 1));
    const { answer } = await waits(id);
    const other = only(await stage.claimed("ends-after", 1));
    const { answer: later } = await waits(other.id);
    const before = there().sent.length;
    await there().engine.progress({ receipt, percent: 1 }, call);
    // What would have been sent of the progress is sent before this, or with it.
    await there().engine.complete({ receipt: other.receipt }, call);
    await later;
    expect(there().sent.slice(before)).toEqual([`ends news ${queueOf(other.id)}`]);
    await there().engine.complete({ receipt }, call);
    await answer;
  });
});

describe("places", () => {
  test("what happens between the look and the waiting is not missed", async () => {
    const { waiters } = here().context;
    const watched = { id: crypto.randomUUID(), queueId: 1, known: null };
    for (const tell of ["ended", "progressed"] as const) {
      const place = waiters.enter(watched);
      waiters[tell](1, watched.id);
      await waiters.news(place, 10_000_000, call.signal);
      waiters.leave(place);
    }
    expect(waiters.size).toBe(0);
  });

  test("a caller who hangs up leaves nothing behind, and the others wait on", async () => {
    const { id, receipt } = only(await stage.claimed("hang-up", 1));
    const { answer: stays } = await waits(id);
    const caller = new AbortController();
    const { answer: goes } = await waits(id, { call: { ...call, signal: caller.signal } });
    expect(here().context.waiters.size).toBe(2);
    caller.abort();
    expect(await goes).toMatchObject({ done: false });
    expect(here().context.waiters.size).toBe(1);
    await there().engine.complete({ receipt }, call);
    expect((await stays).done).toBe(true);
    expect(here().context.waiters.size).toBe(0);
  });

  test("a task that is not there has none, and one that waits for nothing leaves its own", async () => {
    const id = here().context.newId(1, Date.now());
    expect(here().engine.waitForTask({ id, ...WAIT }, call)).rejects.toMatchObject({ type: "not_found" });
    const { id: there } = only(await stage.claimed("no-wait", 1));
    expect(await here().engine.waitForTask({ id: there, waitSeconds: 0 }, call)).toMatchObject({ done: false });
    expect(here().context.waiters.size).toBe(0);
  });
});
