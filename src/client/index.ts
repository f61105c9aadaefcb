/**
 * The typed client of openSQS and its Worker, for Bun, Deno and Node 20 and later.
 *
 *     const client = createClient({ url: "http://127.0.0.1:8080" });
 *     await client.task.enqueue({ queue: "mail", name: "welcome", payload: { to: "ada@example.com" } });
 *     new Worker({ client, queue: "mail", handlers: { welcome: async (task) => send(task.payload) } }).start();
 */
export { type CallOptions, type Client, type ClientOptions, createClient, type TransportName } from "./client.ts";
export type {
  ClaimedTask,
  Contract,
  Json,
  JsonObject,
  NewTask,
  NewWorkflowTask,
  Params,
  QueueStats,
  Result,
  Task,
  Workflow,
} from "./contract.ts";
export { type ErrorData, type ErrorType, isRefusal, RpcError, TimeoutError, TransportError } from "./errors.ts";
export type { Fetch } from "./http.ts";
export type { MethodName } from "./methods.ts";
export type { RetryPolicy } from "./retry.ts";
export type { TaskWorkflow } from "./task-workflow.ts";
export type { Progress, WaitForOptions } from "./wait-for.ts";
export type { WaitForWorkflowOptions } from "./wait-for-workflow.ts";
export { type StopOptions, Worker } from "./worker.ts";
export { LeaseLost, PermanentError, RetryLater, WorkerStopping } from "./worker-errors.ts";
export type { Listener, Outcome, Step, WorkerEvent } from "./worker-events.ts";
export type { Handler, HandlerContext, WorkerOptions } from "./worker-options.ts";
export type { AddOptions, ChangeOptions, WorkflowBuilder, WorkflowHandle, WorkflowOptions } from "./workflow.ts";
