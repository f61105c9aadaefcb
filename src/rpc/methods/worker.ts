import { z } from "zod";
import { method } from "../method.ts";
import { Cursor, inProject, Limit, Task, Worker, WorkerName } from "../shapes.ts";

export const list = method({
  name: "worker.list",
  summary: "The workers that have claimed under a name, the last seen first.",
  params: z.strictObject({ ...inProject, limit: Limit(1000, 100), cursor: Cursor.optional() }),
  result: z.strictObject({ workers: z.array(Worker), nextCursor: z.string().nullable() }),
  changing: false,
  heavy: true,
  scope: "task:read",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.listWorkers(params, call),
});

export const get = method({
  name: "worker.get",
  summary: "One worker.",
  params: z.strictObject({ ...inProject, id: WorkerName }),
  result: Worker,
  changing: false,
  scope: "task:read",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.getWorker(params, call),
});

export const tasks = method({
  name: "worker.tasks",
  summary: "The tasks a worker tried, the newest first; a page may be short, or empty, and still have a next one.",
  params: z.strictObject({ ...inProject, id: WorkerName, limit: Limit(1000, 100), cursor: Cursor.optional() }),
  result: z.strictObject({ tasks: z.array(Task), nextCursor: z.string().nullable() }),
  changing: false,
  heavy: true,
  scope: "task:read",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.workerTasks(params, call),
});
