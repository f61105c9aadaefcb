import { z } from "zod";
import { method } from "../method.ts";
import {
  Cursor,
  inProject,
  Limit,
  Queue,
  QueueName,
  QueueStats,
  queuePolicy,
  repeatable,
  States,
  TaskName,
} from "../shapes.ts";

const named = { ...repeatable, name: QueueName };

export const create = method({
  name: "queue.create",
  summary: "Creates a queue with its policy.",
  params: z.strictObject({ ...named, ...queuePolicy }),
  result: Queue,
  changing: true,
  scope: "queue:write",
  queueIn: "name",
  refusals: ["conflict"],
  run: (engine, params, call) => engine.createQueue(params, call),
});

export const update = method({
  name: "queue.update",
  summary: "Changes a queue's policy; what is not named stays.",
  params: z.strictObject({ ...named, ...queuePolicy }),
  result: Queue,
  changing: true,
  scope: "queue:write",
  queueIn: "name",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.updateQueue(params, call),
});

export const get = method({
  name: "queue.get",
  summary: "One queue and its policy.",
  params: z.strictObject({ ...inProject, name: QueueName }),
  result: Queue,
  changing: false,
  scope: "queue:read",
  queueIn: "name",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.getQueue(params, call),
});

export const list = method({
  name: "queue.list",
  summary: "The project's queues by name.",
  params: z.strictObject({ ...inProject, limit: Limit(1000, 100), cursor: Cursor.optional() }),
  result: z.strictObject({ queues: z.array(Queue), nextCursor: z.string().nullable() }),
  changing: false,
  heavy: true,
  scope: "queue:read",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.listQueues(params, call),
});

export const remove = method({
  name: "queue.delete",
  summary: "Deletes a queue and its tasks; one with unfinished tasks only by force.",
  params: z.strictObject({ ...named, force: z.boolean().default(false) }),
  result: z.strictObject({ name: QueueName }),
  changing: true,
  heavy: true,
  scope: "queue:write",
  queueIn: "name",
  refusals: ["not_found", "conflict"],
  run: (engine, params, call) => engine.deleteQueue(params, call),
});

export const pause = method({
  name: "queue.pause",
  summary: "Stops handing out a queue's tasks; it still takes new ones.",
  params: z.strictObject(named),
  result: Queue,
  changing: true,
  scope: "queue:write",
  queueIn: "name",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.setPaused({ ...params, paused: true }, call),
});

export const resume = method({
  name: "queue.resume",
  summary: "Hands out a paused queue's tasks again.",
  params: z.strictObject(named),
  result: Queue,
  changing: true,
  scope: "queue:write",
  queueIn: "name",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.setPaused({ ...params, paused: false }, call),
});

export const purge = method({
  name: "queue.purge",
  summary: "Removes a queue's tasks in the given states for good.",
  params: z.strictObject({ ...named, states: States.default(["pending", "waiting"]) }),
  result: z.strictObject({ purged: z.int() }),
  changing: true,
  heavy: true,
  scope: "queue:write",
  queueIn: "name",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.purgeQueue(params, call),
});

export const redrive = method({
  name: "queue.redrive",
  summary: "Makes a queue's dead tasks pending again.",
  params: z.strictObject({
    ...named,
    state: z.enum(["completed", "failed", "cancelled"]).default("failed"),
    names: z.array(TaskName).min(1).max(100).optional(),
    limit: z.int().min(1).max(1_000_000).optional(),
    ratePerSecond: z.number().min(0.001).max(1_000_000).optional().describe("Spreads them over time."),
  }),
  result: z.strictObject({ moved: z.int() }),
  changing: true,
  heavy: true,
  scope: "queue:write",
  queueIn: "name",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.redriveQueue(params, call),
});

export const stats = method({
  name: "queue.stats",
  summary: "How many tasks a queue holds in each state, and how fast they come and go; all queues without a name.",
  params: z.strictObject({ ...inProject, name: QueueName.optional() }),
  result: z.union([QueueStats, z.strictObject({ queues: z.array(QueueStats) })]),
  changing: false,
  heavy: true,
  scope: "queue:read",
  queueIn: "name",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.queueStats(params, call),
});
