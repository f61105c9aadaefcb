import type { z } from "zod";
import * as admin from "./admin.ts";
import * as apiKey from "./api-key.ts";
import * as category from "./category.ts";
import * as project from "./project.ts";
import * as queue from "./queue.ts";
import * as schedule from "./schedule.ts";
import * as tag from "./tag.ts";
import * as task from "./task.ts";
import * as worker from "./worker.ts";
import * as workflow from "./workflow.ts";

/** Every method of the service but rpc.discover, which is made from this table. */
export const METHODS = [
  ...Object.values(task),
  ...Object.values(queue),
  ...Object.values(worker),
  ...Object.values(workflow),
  ...Object.values(project),
  ...Object.values(tag),
  ...Object.values(category),
  ...Object.values(schedule),
  ...Object.values(apiKey),
  ...Object.values(admin),
] as const;

export type AnyMethod = (typeof METHODS)[number];

/** What each method takes and gives, by name: what the client is typed from. */
export type Contract = {
  [M in AnyMethod as M["name"]]: { params: z.input<M["params"]>; result: z.output<M["result"]> };
};
