import type { JsonObject } from "../lib/json.ts";
import type { Contract as ServiceContract } from "../rpc/methods/index.ts";

/** Every method the client can call: the service's table and rpc.discover, which is made from that table. */
export type Contract = ServiceContract & {
  "rpc.discover": { params: Record<never, never>; result: JsonObject };
};

export type Params<M extends keyof Contract> = Contract[M]["params"];
export type Result<M extends keyof Contract> = Contract[M]["result"];

/** A task as task.get and task.list show it. */
export type Task = Result<"task.get">;
/** A task as task.claim hands it to a worker. */
export type ClaimedTask = Result<"task.claim">["tasks"][number];
/** A task as task.enqueueMany takes it. */
export type NewTask = Params<"task.enqueueMany">["tasks"][number];
export type Workflow = Result<"workflow.get">;
/** A task as workflow.create and workflow.add take it. */
export type NewWorkflowTask = Params<"workflow.create">["tasks"][number];
export type QueueStats = Exclude<Result<"queue.stats">, { queues: unknown }>;
export type { Json, JsonObject } from "../lib/json.ts";
