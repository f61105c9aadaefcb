import { z } from "zod";
import { method } from "../method.ts";
import { Cursor, inProject, Limit, Worker, WorkerName } from "../shapes.ts";

export const list = method({
  name: "worker.list",
  summary: "The workers that have claimed under a name, the last seen first.",
  params: z.strictObject({ ...inProject, limit: Limit(1000, 100), cursor: Cursor.optional() }),
  result: z.strictObject({ workers: z.array(Worker), nextCursor: z.string().nullable() }),
  changing: false,
  refusals: [],
  run: (engine, params, call) => engine.listWorkers(params, call),
});

export const get = method({
  name: "worker.get",
  summary: "One worker.",
  params: z.strictObject({ ...inProject, id: WorkerName }),
  result: Worker,
  changing: false,
  refusals: ["not_found"],
  run: (engine, params, call) => engine.getWorker(params, call),
});
