/** A plain task comes into the catalogue by an update that has not committed yet, while something else happens to it. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { addTags, catalogueTasks } from "../../src/domain/task/queries/catalogue.ts";
import { describeTask, hideTask } from "../../src/domain/task/queries/change.ts";
import { refusal } from "../support/service.ts";
import { story } from "./story.ts";

setDefaultTimeout(60_000);
const race = story();

/** A claimed task that an update, held open, gives an owner and a tag. */
async function beingCatalogued(tag: string) {
  const queue = race.queue();
  await race.call("tag.create", { name: tag });
  const { id } = await race.call("task.enqueue", { queue });
  const [task] = (await race.call("task.claim", { queue, leaseSeconds: 600 })).tasks;
  const queueId = await race.queueId(queue);
  const hold = () =>
    race.heldOpen(async (tx) => {
      await tx.any(describeTask(queueId, id, { ownerId: "ann", catalogued: true }));
      await tx.any(catalogueTasks(queueId, [id]));
      await tx.any(addTags(1, queueId, [{ id, label: tag }]));
    });
  return { queue, id, receipt: task!.receipt, hold };
}

const used = async (tag: string) =>
  (await race.call("tag.list", { prefix: tag })).tags.find(({ name }) => name === tag)?.used;
const verified = async () => expect(await race.call("admin.verify", {})).toEqual({ ok: true, violations: [] });

test.each(["task.complete", "task.fail"] as const)(
  "%s waits for it, and the catalogue knows the end",
  async (method) => {
    const tag = method.replace(".", "-");
    const { id, receipt, hold } = await beingCatalogued(tag);
    const update = await hold();
    const end =
      method === "task.complete"
        ? race.call(method, { receipt })
        : race.call(method, { receipt, error: { message: "no" }, retry: false });
    await race.waiting(1);
    await update.commit();
    const { state } = await end;
    const { tasks } = await race.call("task.list", { ownerId: "ann", states: [state], tags: [tag] });
    expect(tasks.map((task) => task.id)).toEqual([id]);
    await verified();
  },
);

test("cancelling, deleting and restoring wait for it, and its tag is counted while it is shown", async () => {
  const { id, hold } = await beingCatalogued("hidden");
  const update = await hold();
  const deletion = race.call("task.delete", { id });
  await race.waiting(1);
  await update.commit();
  await deletion;
  expect(await used("hidden")).toBe(0);
  await verified();
  expect(await refusal(race.call("task.update", { id, tags: ["other"] }))).toMatchObject({ type: "wrong_state" });
  await race.call("task.restore", { id });
  expect(await used("hidden")).toBe(1);
  await verified();
});

test("a purge waits for it and leaves nothing of it behind", async () => {
  const { queue, receipt, hold } = await beingCatalogued("purged");
  await race.call("task.complete", { receipt });
  const update = await hold();
  const purge = race.call("queue.purge", { name: queue, states: ["completed"] });
  await race.waiting(1);
  await update.commit();
  expect(await purge).toEqual({ purged: 1 });
  expect(await used("purged")).toBe(0);
  await verified();
});

test("an update waits for a deletion, and is refused", async () => {
  const { queue, id, receipt } = await beingCatalogued("late");
  await race.call("task.complete", { receipt });
  const queueId = await race.queueId(queue);
  const deletion = await race.heldOpen((tx) => tx.any(hideTask(queueId, id, true)));
  const update = refusal(race.call("task.update", { id, tags: ["late"], ownerId: "bob" }));
  await race.waiting(1);
  await deletion.commit();
  expect(await update).toMatchObject({ type: "wrong_state" });
  expect(await used("late")).toBe(0);
  await verified();
});
