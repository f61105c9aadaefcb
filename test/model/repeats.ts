/** Calls with a requestId that come again: as they were, or as something else under the same name. */
import type { MethodName, WireCall } from "./operations.ts";

/** Well formed, and no task's: its queue's number was never given. */
export const UNKNOWN_ID = "01900000-0000-7000-8000-00007fffffff";

export function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}

export type How = "same" | "reordered" | "changed" | "otherMethod";

type Params = WireCall["params"];

/** Another value for a payload that a careless comparison takes for the same. */
const NEAR: Record<string, unknown> = {
  '{"x":{}}': { x: [] },
  '{"x":[]}': { x: {} },
  '{"requestId":"a"}': { requestId: "b" },
};

const otherPayload = <T extends object>(task: T) => {
  const { payload } = task as { payload?: unknown };
  return { ...task, payload: NEAR[JSON.stringify(payload)] ?? { requestId: "a" } };
};
const otherText = (text: unknown) => `${String(text ?? "")}.`;
const moreThan = (value: unknown) => Number(value ?? 0) + 1;

const CHANGED: { readonly [M in MethodName]?: (params: Params) => object } = {
  "task.enqueue": otherPayload,
  "task.enqueueMany": ({ tasks }) => ({
    tasks: [otherPayload((tasks as object[])[0]!), ...(tasks as object[]).slice(1)],
  }),
  "task.claim": ({ limit }) => ({ limit: moreThan(limit) }),
  "task.complete": ({ result }) => ({ result: [result ?? null] }),
  "task.completeMany": ({ items }) => ({
    items: (items as object[]).slice(1).concat({ ...(items as object[])[0], result: 7 }),
  }),
  "task.fail": ({ delaySeconds }) => ({ delaySeconds: moreThan(delaySeconds) }),
  "task.failMany": ({ items }) => ({ items: (items as object[]).concat((items as object[])[0]!) }),
  "task.release": ({ delaySeconds }) => ({ delaySeconds: moreThan(delaySeconds) }),
  "task.extend": ({ leaseSeconds }) => ({ leaseSeconds: moreThan(leaseSeconds) }),
  "task.update": ({ description }) => ({ description: otherText(description) }),
  "task.cancel": ({ reason }) => ({ reason: otherText(reason) }),
  "task.retry": ({ delaySeconds }) => ({ delaySeconds: moreThan(delaySeconds) }),
  "queue.create": ({ description }) => ({ description: otherText(description) }),
  "queue.update": ({ description }) => ({ description: otherText(description) }),
  "queue.redrive": ({ limit }) => ({ limit: moreThan(limit) }),
  "queue.purge": ({ states }) => ({ states: ["failed", ...((states ?? []) as string[])] }),
  "queue.delete": ({ force }) => ({ force: !force }),
};

const OTHER_METHOD: { readonly [M in MethodName]?: readonly [MethodName, "id" | "receipt" | "name"] } = {
  "task.complete": ["task.release", "receipt"],
  "task.release": ["task.complete", "receipt"],
  "task.fail": ["task.complete", "receipt"],
  "task.cancel": ["task.delete", "id"],
  "task.delete": ["task.restore", "id"],
  "task.restore": ["task.delete", "id"],
  "task.retry": ["task.cancel", "id"],
  "task.update": ["task.retry", "id"],
  "queue.pause": ["queue.resume", "name"],
  "queue.resume": ["queue.pause", "name"],
  "queue.purge": ["queue.delete", "name"],
};

/** The call come again; null where there is no such way for its method. */
export function again({ method, params }: WireCall, how: How): WireCall | null {
  if (how === "same") return { method, params };
  if (how === "reordered") return { method, params: Object.fromEntries(Object.entries(params).reverse()) };
  if (how === "changed") {
    const change = CHANGED[method];
    return change ? { method, params: { ...params, ...change(params) } as Params } : null;
  }
  const other = OTHER_METHOD[method];
  return other ? { method: other[0], params: { [other[1]]: params[other[1]], requestId: params.requestId! } } : null;
}
