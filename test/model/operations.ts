import { isDeepStrictEqual } from "node:util";
import type { Contract } from "../../src/rpc/methods/index.ts";
import * as changes from "./changes.ts";
import { type Expectation, type Operation, refuse, type Scene } from "./expectation.ts";
import * as leases from "./leases.ts";
import type { Pattern } from "./pattern.ts";
import * as queues from "./queues.ts";
import * as reads from "./reads.ts";
import * as work from "./work.ts";

const OPERATIONS: { readonly [M in keyof Contract]?: Operation<M> } = {
  "task.enqueue": work.enqueue,
  "task.enqueueMany": work.enqueueMany,
  "task.claim": work.claim,
  "task.complete": leases.complete,
  "task.completeMany": leases.completeMany,
  "task.fail": leases.fail,
  "task.failMany": leases.failMany,
  "task.release": leases.release,
  "task.extend": leases.extend,
  "task.progress": leases.progress,
  "task.update": changes.update,
  "task.cancel": changes.cancel,
  "task.retry": changes.retry,
  "task.delete": changes.remove,
  "task.restore": changes.restore,
  "task.get": reads.get,
  "task.wait": reads.wait,
  "task.list": reads.list,
  "task.count": reads.count,
  "worker.get": reads.getWorker,
  "queue.create": queues.create,
  "queue.update": queues.update,
  "queue.get": queues.get,
  "queue.pause": queues.pause,
  "queue.resume": queues.resume,
  "queue.purge": queues.purge,
  "queue.redrive": queues.redrive,
  "queue.delete": queues.remove,
  "queue.stats": queues.stats,
};

export type MethodName = keyof Contract;

/** One call as it goes over the wire. */
export interface WireCall {
  readonly method: MethodName;
  readonly params: { readonly requestId?: string; readonly [name: string]: unknown };
}

/** What a call must answer; the model is then as the service should be after it. */
export function expectationOf(scene: Scene, { method, params }: WireCall): Expectation {
  const { requestId, ...rest } = params;
  const first = requestId === undefined ? undefined : scene.model.requests.get(requestId);
  if (first) {
    // A repeat answers what the first answered, and does nothing.
    if (first.method !== method || !isDeepStrictEqual(first.params, rest))
      return refuse("conflict", { field: "requestId" });
    return { result: first.answer as Pattern };
  }
  return (OPERATIONS[method] as Operation<MethodName>)(scene, params as never);
}

/** Remembers what a call with a requestId answered. A refused one leaves nothing behind, so its repeat is tried anew. */
export function remember({ model }: Scene, { method, params }: WireCall, answer: unknown): void {
  const { requestId, ...rest } = params;
  if (requestId !== undefined && !model.requests.has(requestId))
    model.requests.set(requestId, { method, params: rest, answer });
}
