/** What admin.verify says of workflows and dependencies is found when it is broken. */
import { expect, test } from "bun:test";
import { withClient } from "../support/postgres.ts";
import { testService } from "../support/service.ts";

const service = testService();

const broken: { rule: string; by: string; mended: string }[] = [
  {
    rule: "what a waiting task waits for will tell of its end",
    by: "update task_ready set has_dependents = false where id = $1",
    mended: "update task_ready set has_dependents = true where id = $1",
  },
  {
    rule: "a workflow is told of its tasks' ends",
    by: "update task_ready set has_dependents = false where id = $1",
    mended: "update task_ready set has_dependents = true where id = $1",
  },
  {
    rule: "a workflow counts the tasks that it waits for",
    by: "update workflow set unfinished = unfinished + 1 where id = (select workflow_id from task where id = $1)",
    mended: "update workflow set unfinished = unfinished - 1 where id = (select workflow_id from task where id = $1)",
  },
  {
    rule: "a waiting task has as many dependencies as it counts",
    by: "update task_waiting set unmet = 2 where id in (select task_id from task_dependency where on_id = $1)",
    mended: "update task_waiting set unmet = 1 where id in (select task_id from task_dependency where on_id = $1)",
  },
];

test.each(broken)("$rule", async ({ rule, by, mended }) => {
  const tasks = [{ key: "a" }, { key: "b", dependsOn: ["a"] }];
  const made = await service.call("workflow.create", { queue: "q", tasks });
  const { a } = made.tasks as Record<string, string>;
  const rules = async () => (await service.call("admin.verify", {})).violations.map((one) => one.rule);
  expect(await rules()).toEqual([]);
  await withClient(service.databaseUrl, (client) => client.query(by, [a]));
  expect(await rules()).toContain(rule);
  await withClient(service.databaseUrl, (client) => client.query(mended, [a]));
  expect(await rules()).toEqual([]);
});

test("a task that ends while its queue is being removed breaks nothing", async () => {
  const parent = await service.call("task.enqueue", { queue: "parents" });
  await service.call("task.enqueue", { queue: "gone", ownerId: "ann", dependsOn: [parent.id] });
  // As queue.delete leaves it until it has removed the tasks, and for longer when its instance dies.
  await withClient(service.databaseUrl, (client) => client.query("delete from queue where name = 'gone'"));
  await service.call("task.cancel", { id: parent.id });
  expect((await service.call("admin.verify", {})).violations).toEqual([]);
});
