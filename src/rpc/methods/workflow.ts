import { z } from "zod";
import { many } from "../many.ts";
import { method } from "../method.ts";
import {
  Cursor,
  checkQueues,
  defaultQueue,
  inProject,
  inQueues,
  Limit,
  Payload,
  repeatable,
  STATES_MAX,
  Workflow,
  WorkflowId,
  WorkflowName,
  WorkflowState,
  workflowTask,
} from "../shapes.ts";

const TASKS_MAX = 1000;
const ofWorkflow = { ...repeatable, id: WorkflowId };

const tasks = { ...defaultQueue, tasks: many(workflowTask, TASKS_MAX) };

// Not a z.record: that would drop a key such as __proto__.
const Ids = Payload.describe("The tasks' ids by their keys.");
const Added = z.strictObject({ id: WorkflowId, tasks: Ids });
const Changed = z.strictObject({ id: WorkflowId, state: WorkflowState });

export const create = method({
  name: "workflow.create",
  summary: "Adds up to 1,000 tasks that may depend on one another, all or none.",
  params: z.strictObject({ ...repeatable, name: WorkflowName.optional(), ...tasks }).superRefine(checkQueues),
  result: Added,
  changing: true,
  scope: "task:enqueue",
  refusals: ["not_found", "conflict", "payload_too_large"],
  async run(engine, { queue, tasks, ...rest }, call) {
    return await engine.createWorkflow({ ...rest, tasks: inQueues(queue, tasks) }, call);
  },
});

export const add = method({
  name: "workflow.add",
  summary: "Adds tasks to a workflow that is running; they may depend on those it has.",
  params: z.strictObject({ ...ofWorkflow, ...tasks }).superRefine(checkQueues),
  result: Added,
  changing: true,
  scope: "task:enqueue",
  refusals: ["not_found", "wrong_state", "conflict", "payload_too_large"],
  async run(engine, { queue, tasks, ...rest }, call) {
    return await engine.addToWorkflow({ ...rest, tasks: inQueues(queue, tasks) }, call);
  },
});

export const get = method({
  name: "workflow.get",
  summary: "A workflow with its tasks and their states.",
  params: z.strictObject({ ...inProject, id: WorkflowId }),
  result: Workflow,
  changing: false,
  scope: "task:read",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.getWorkflow(params, call),
});

export const list = method({
  name: "workflow.list",
  summary: "Workflows, the newest first; a page may be shorter than limit where they are large.",
  params: z.strictObject({
    ...inProject,
    states: z.array(WorkflowState).min(1).max(STATES_MAX).optional(),
    limit: Limit(1000, 100),
    cursor: Cursor.optional(),
  }),
  result: z.strictObject({ workflows: z.array(Workflow), nextCursor: z.string().nullable() }),
  changing: false,
  heavy: true,
  scope: "task:read",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.listWorkflows(params, call),
});

export const cancel = method({
  name: "workflow.cancel",
  summary: "Cancels a workflow's unfinished tasks; it ends cancelled.",
  params: z.strictObject(ofWorkflow),
  result: Changed,
  changing: true,
  scope: "task:write",
  refusals: ["not_found", "wrong_state"],
  run: (engine, params, call) => engine.cancelWorkflow(params, call),
});

export const retry = method({
  name: "workflow.retry",
  summary: "Runs a workflow's failed and cancelled tasks again and leaves the completed.",
  params: z.strictObject(ofWorkflow),
  result: Changed,
  changing: true,
  scope: "task:write",
  refusals: ["not_found", "wrong_state", "conflict"],
  run: (engine, params, call) => engine.retryWorkflow(params, call),
});
