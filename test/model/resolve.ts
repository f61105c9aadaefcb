/** Turns a step of a run into what is done now, when the tasks, receipts and requests that it names are known. */
import { PICK_NEWEST, PICK_NONE, type Spec, type Step } from "./commands.ts";
import type { WireCall } from "./operations.ts";
import { UNKNOWN_ID, withoutUndefined } from "./repeats.ts";
import { isUnfinished, type Model, type Task } from "./state.ts";

export type Act =
  | { readonly kind: "call"; readonly call: WireCall }
  | { readonly kind: "lapse" | "due"; readonly task: Task }
  | { readonly kind: "sweep" };

/** What a run gives its steps beside the model. */
export interface Names {
  readonly queue: (number: number) => string;
  readonly worker: (number: number) => string;
  /** One that was not used before. */
  readonly newRequestId: () => string;
}

const picked = <T>(from: readonly T[], pick: number): T | undefined =>
  pick === PICK_NEWEST ? from.at(-1) : from[pick % Math.max(1, from.length)];

type Picks = { readonly [K in Step["kind"]]: (step: Step & { kind: K }) => Act | WireCall | null };

/** Null where the step names something that is not there. */
export function resolve(model: Model, names: Names, step: Exclude<Step, { kind: "repeat" }>): Act | null {
  const act = (resolvers(model, names) as Record<string, (step: Step) => Act | WireCall | null>)[step.kind]!(step);
  return act === null || "kind" in act ? act : { kind: "call", call: act };
}

function resolvers(model: Model, names: Names): Omit<Picks, "repeat"> {
  const taskId = (pick: number, fitting: (task: Task) => boolean = () => true) => {
    if (pick === PICK_NONE) return UNKNOWN_ID;
    // Mostly one that the call is for, then any, now and then one that may be gone for good.
    const ranges = [
      pick % 5 === 0 ? [] : model.tasks.filter(fitting),
      pick % 25 === 23 ? [] : model.tasks,
      model.everyTask,
    ];
    return picked(ranges.find((range) => range.length > 0) ?? [], pick)?.id ?? UNKNOWN_ID;
  };
  const receiptOf = ({ of, pick }: { of: string; pick: number }) => {
    const held = picked(model.leased(), pick)?.lease?.receipt;
    if (of === "held" && held !== undefined) return held;
    const earlier = [...model.receipts].filter(([receipt, { lease }]) => lease && lease.receipt !== receipt);
    const from = of === "stale" && earlier.length > 0 ? earlier : [...model.receipts];
    return picked(from, pick)?.[0];
  };
  const request = (wanted: true | undefined) => (wanted ? names.newRequestId() : undefined);
  const call = (
    method: WireCall["method"],
    { requestId, ...params }: { requestId?: true | undefined; [name: string]: unknown },
  ) => ({ method, params: withoutUndefined({ ...params, requestId: request(requestId) }) }) as WireCall;
  const task = ({ when, dependsOn, dedupeKey, dedupeSeconds, ...spec }: Spec) => ({
    ...spec,
    ...when,
    dedupeKey,
    dedupeSeconds: dedupeKey === undefined ? undefined : dedupeSeconds,
    dependsOn: model.everyTask.length === 0 ? undefined : dependsOn?.map((pick) => taskId(pick)),
  });
  const onReceipt = (
    method: WireCall["method"],
    { kind: _, receipt, ...rest }: Step & { receipt: { of: string; pick: number } },
  ) => {
    const text = receiptOf(receipt);
    return text === undefined ? null : call(method, { receipt: text, ...rest });
  };
  const textsOf = (receipts: readonly { of: string; pick: number }[]) =>
    receipts.map(receiptOf).filter((receipt) => receipt !== undefined);
  const onTask = (
    method: WireCall["method"],
    pick: number,
    rest: { requestId?: true | undefined; [name: string]: unknown },
    fitting?: (task: Task) => boolean,
  ) => call(method, { id: taskId(pick, fitting), ...rest });

  return {
    enqueue: ({ queue, spec, requestId }) =>
      mayMake(model, [names.queue(queue)], [spec], taskId) &&
      call("task.enqueue", { queue: names.queue(queue), ...task(spec), requestId }),
    enqueueMany: ({ queue, specs, requestId }) =>
      mayMake(
        model,
        specs.map((one) => names.queue(one.queue ?? queue)),
        specs.map(({ spec }) => spec),
        taskId,
      )
        ? call("task.enqueueMany", {
            queue: names.queue(queue),
            tasks: specs.map((one) =>
              withoutUndefined({
                queue: one.queue === undefined ? undefined : names.queue(one.queue),
                ...task(one.spec),
              }),
            ),
            requestId,
          })
        : null,
    claim: ({ kind: _, queues: [one, ...more], worker, ...rest }) =>
      call("task.claim", {
        ...(more.length === 0 ? { queue: names.queue(one!) } : { queues: [one!, ...more].map(names.queue) }),
        worker: worker === undefined ? undefined : names.worker(worker),
        ...rest,
      }),
    complete: (step) => onReceipt("task.complete", step),
    completeMany: ({ receipts, result, requestId }) => {
      const items = textsOf(receipts).map((receipt, at) =>
        withoutUndefined({ receipt, result: at === 0 ? result : at }),
      );
      return items.length === 0 ? null : call("task.completeMany", { items, requestId });
    },
    fail: (step) => onReceipt("task.fail", step),
    failMany: ({ receipts, error, retry, delaySeconds, requestId }) => {
      const items = textsOf(receipts).map((receipt, at) =>
        withoutUndefined({ receipt, error: { ...error, message: `${error.message} ${at}` }, retry, delaySeconds }),
      );
      return items.length === 0 ? null : call("task.failMany", { items, requestId });
    },
    release: (step) => onReceipt("task.release", step),
    extend: ({ receipts, leaseSeconds, progress, requestId }) => {
      const texts = textsOf(receipts);
      return texts.length === 0 ? null : call("task.extend", { receipts: texts, leaseSeconds, progress, requestId });
    },
    progress: (step) => onReceipt("task.progress", step),
    update: ({ task, patch, requestId }) => onTask("task.update", task, { ...patch, requestId }),
    cancel: ({ task, reason, requestId }) => onTask("task.cancel", task, { reason, requestId }, isUnfinished),
    retry: ({ task, delaySeconds, requestId }) =>
      onTask("task.retry", task, { delaySeconds, requestId }, (one) => !isUnfinished(one)),
    delete: ({ task, requestId }) => onTask("task.delete", task, { requestId }),
    restore: ({ task, requestId }) => onTask("task.restore", task, { requestId }, (one) => one.deletedAt !== null),
    get: ({ task, waiting }) => onTask(waiting ? "task.wait" : "task.get", task, waiting ? { waitSeconds: 0 } : {}),
    getWorker: ({ worker }) => call("worker.get", { id: names.worker(worker) }),
    list: ({ kind: _, queue, ...rest }) => call("task.list", { queue: names.queue(queue), ...rest }),
    count: ({ kind: _, queue, ...rest }) => call("task.count", { queue: names.queue(queue), ...rest }),
    queue: ({ queue, verb, requestId }) =>
      call(`queue.${verb}`, {
        name: names.queue(queue),
        ...(verb === "get" || verb === "stats" ? {} : { requestId }),
      }),
    policy: ({ kind: _, queue, verb, ...rest }) => call(`queue.${verb}`, { name: names.queue(queue), ...rest }),
    purge: ({ queue, states, requestId }) => call("queue.purge", { name: names.queue(queue), states, requestId }),
    redrive: ({ kind: _, queue, names: only, ...rest }) =>
      call("queue.redrive", { name: names.queue(queue), names: only, ...rest }),
    drop: ({ queue, force, requestId }) => call("queue.delete", { name: names.queue(queue), force, requestId }),
    lapse: ({ pick }) => {
      const task = picked(model.leased(), pick);
      return task ? { kind: "lapse", task } : null;
    },
    due: ({ pick }) => {
      const task = picked(
        model.tasks.filter(({ state }) => state === "pending"),
        pick,
      );
      return task ? { kind: "due", task } : null;
    },
    sweep: () => ({ kind: "sweep" }),
  };
}

/** Null for tasks that would be refused where a queue is not there: whether that makes the queue is nobody's concern. */
function mayMake(
  model: Model,
  queues: readonly string[],
  specs: readonly Spec[],
  taskId: (pick: number) => string,
): true | null {
  const willDo = ({ dependsOn = [], payload }: Spec) =>
    dependsOn.every((pick) => model.task(taskId(pick))) && payload?.long === undefined;
  return queues.every((queue) => model.queues.has(queue)) || specs.every(willDo) ? true : null;
}
