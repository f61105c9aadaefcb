import { z } from "zod";
import { many } from "../many.ts";
import { method } from "../method.ts";
import {
  Attempt,
  CategoryName,
  Claimed,
  Cursor,
  checkNewTask,
  checkQueues,
  DelaySeconds,
  defaultQueue,
  inProject,
  inQueues,
  item,
  JsonValue,
  LeaseSeconds,
  Limit,
  Note,
  newTask,
  OwnerId,
  Payload,
  Percent,
  Priority,
  Progress,
  ProgressOut,
  QueueName,
  ReceiptText,
  repeatable,
  SearchText,
  SORTS,
  State,
  States,
  Tag,
  Task,
  TaskError,
  TaskId,
  TaskName,
  Time,
  TimeOut,
  WaitSeconds,
  WorkerName,
} from "../shapes.ts";

const Enqueued = z.strictObject({ id: TaskId, state: State, duplicate: z.boolean() });
const ofTask = { ...repeatable, id: TaskId };
const MANY_MAX = 1000;

export const enqueue = method({
  name: "task.enqueue",
  summary: "Adds a task to a queue; the queue is created if it is new.",
  params: z.strictObject({ ...repeatable, queue: QueueName, ...newTask }).superRefine(checkNewTask),
  result: Enqueued,
  changing: true,
  scope: "task:enqueue",
  refusals: ["not_found", "conflict", "payload_too_large"],
  async run(engine, { queue, project, requestId, ...task }, call) {
    const [added] = await engine.enqueue(
      { project, requestId, method: "task.enqueue", tasks: [{ queue, ...task }] },
      call,
    );
    return added!;
  },
});

export const enqueueMany = method({
  name: "task.enqueueMany",
  summary: "Adds up to 1,000 tasks, all or none; the answers are in the tasks' order.",
  params: z
    .strictObject({
      ...repeatable,
      ...defaultQueue,
      tasks: many(z.strictObject({ queue: QueueName.optional(), ...newTask }).superRefine(checkNewTask), MANY_MAX),
    })
    .superRefine(checkQueues),
  result: z.strictObject({ tasks: z.array(Enqueued) }),
  changing: true,
  scope: "task:enqueue",
  refusals: ["not_found", "conflict", "payload_too_large"],
  async run(engine, { queue, project, requestId, tasks }, call) {
    const placed = inQueues(queue, tasks);
    return { tasks: await engine.enqueue({ project, requestId, method: "task.enqueueMany", tasks: placed }, call) };
  },
});

export const claim = method({
  name: "task.claim",
  summary: "Hands due tasks to a worker under a lease; waits up to waitSeconds for the first.",
  params: z
    .strictObject({
      ...repeatable,
      queue: QueueName.optional(),
      queues: z.array(QueueName).min(1).max(20).optional().describe("Tried in turn."),
      names: z.array(TaskName).min(1).max(100).optional().describe("Only tasks of these names."),
      limit: Limit(1000, 1),
      waitSeconds: WaitSeconds,
      leaseSeconds: LeaseSeconds.optional().describe("Default: the queue's."),
      worker: WorkerName.optional(),
    })
    .refine(({ queue, queues }) => (queue === undefined) !== (queues === undefined), {
      path: ["queue"],
      message: "give queue or queues, one of them",
    }),
  result: z.strictObject({ tasks: z.array(Claimed) }),
  changing: true,
  scope: "task:work",
  refusals: [],
  async run(engine, { queue, queues, ...rest }, call) {
    return { tasks: await engine.claim({ ...rest, queues: queues ?? [queue!] }, call) };
  },
});

const completion = { receipt: ReceiptText, result: JsonValue.optional() };
const failure = {
  receipt: ReceiptText,
  error: TaskError,
  retry: z.boolean().default(true),
  delaySeconds: DelaySeconds.optional().describe("Default: the queue's back-off."),
};
const Completed = { id: TaskId, state: State };
const Failed = { id: TaskId, state: State, runAt: TimeOut.nullable() };

export const complete = method({
  name: "task.complete",
  summary: "Finishes a claimed task. Repeating it with the receipt that finished the task succeeds again.",
  params: z.strictObject({ ...repeatable, ...completion }),
  result: z.strictObject(Completed),
  changing: true,
  scope: "task:work",
  refusals: ["lease_lost", "not_found", "payload_too_large"],
  run: (engine, params, call) => engine.complete(params, call),
});

export const completeMany = method({
  name: "task.completeMany",
  summary: "Finishes up to 1,000 claimed tasks, each on its own.",
  params: z.strictObject({ ...repeatable, items: many(z.strictObject(completion), MANY_MAX) }),
  result: z.strictObject({ items: z.array(item(Completed)) }),
  changing: true,
  scope: "task:work",
  refusals: [],
  async run(engine, params, call) {
    return { items: await engine.completeMany(params, call) };
  },
});

export const fail = method({
  name: "task.fail",
  summary: "Ends an attempt as failed; the task is retried after its back-off while attempts are left.",
  params: z.strictObject({ ...repeatable, ...failure }),
  result: z.strictObject(Failed),
  changing: true,
  scope: "task:work",
  refusals: ["lease_lost", "not_found", "payload_too_large"],
  run: (engine, params, call) => engine.fail(params, call),
});

export const failMany = method({
  name: "task.failMany",
  summary: "Fails up to 1,000 claimed tasks, each on its own.",
  params: z.strictObject({ ...repeatable, items: many(z.strictObject(failure), MANY_MAX) }),
  result: z.strictObject({ items: z.array(item(Failed)) }),
  changing: true,
  scope: "task:work",
  refusals: [],
  async run(engine, params, call) {
    return { items: await engine.failMany(params, call) };
  },
});

export const release = method({
  name: "task.release",
  summary: "Hands a claimed task back; the attempt does not count.",
  params: z.strictObject({ ...repeatable, receipt: ReceiptText, delaySeconds: DelaySeconds.default(0) }),
  result: z.strictObject({ id: TaskId, state: State, runAt: TimeOut }),
  changing: true,
  scope: "task:work",
  refusals: ["lease_lost", "not_found"],
  run: (engine, params, call) => engine.release(params, call),
});

export const extend = method({
  name: "task.extend",
  summary: "Renews leases from now on; tells which are lost or cancelled.",
  params: z.strictObject({
    ...repeatable,
    receipts: z.array(ReceiptText).min(1).max(MANY_MAX),
    leaseSeconds: LeaseSeconds.optional().describe("Default: the queue's."),
    progress: Progress.optional().describe("Noted for all of them, as by task.progress."),
  }),
  result: z.strictObject({
    items: z.array(item({ id: TaskId, leaseExpiresAt: TimeOut, progress: ProgressOut.nullable() })),
  }),
  changing: true,
  scope: "task:work",
  refusals: [],
  async run(engine, params, call) {
    return { items: await engine.extend(params, call) };
  },
});

export const progress = method({
  name: "task.progress",
  summary: "Notes how far a claimed task has come.",
  params: z.strictObject({
    ...repeatable,
    receipt: ReceiptText,
    percent: Percent,
    note: Note.optional(),
  }),
  result: z.strictObject({ id: TaskId }),
  changing: true,
  scope: "task:work",
  refusals: ["lease_lost", "not_found"],
  run: (engine, params, call) => engine.progress(params, call),
});

export const get = method({
  name: "task.get",
  summary: "One task, with its state.",
  params: z.strictObject({ ...inProject, id: TaskId }),
  result: Task,
  changing: false,
  scope: "task:read",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.getTask(params, call),
});

const filter = {
  queue: QueueName.optional(),
  states: States.optional(),
  names: z.array(TaskName).min(1).max(100).optional(),
  priority: Priority.optional(),
  tags: z.array(Tag).min(1).max(50).optional().describe("All of them, without regard to case."),
  category: CategoryName.optional().describe("This one and all below it."),
  ownerId: OwnerId.optional(),
  addedFrom: Time.optional(),
  addedTo: Time.optional(),
  dueFrom: Time.optional(),
  dueTo: Time.optional(),
  payload: Payload.optional().describe("Contained in the task's payload."),
  text: SearchText.optional().describe(
    "Words of name and description, in any of their forms; quotes, or and - as in a search box.",
  ),
};
const ANY_OF_MAX = 5;
const filters = {
  ...inProject,
  ...filter,
  anyOf: z
    .array(z.strictObject(filter))
    .min(1)
    .max(ANY_OF_MAX)
    .optional()
    .describe("At least one of these, and the rest."),
  deleted: z.boolean().default(false).describe("Deleted tasks instead of the others."),
};

export const list = method({
  name: "task.list",
  summary: "Tasks by filter, page by page.",
  params: z.strictObject({
    ...filters,
    sort: z.enum(SORTS).default("-added"),
    limit: Limit(1000, 100),
    cursor: Cursor.optional(),
  }),
  result: z.strictObject({ tasks: z.array(Task), nextCursor: z.string().nullable() }),
  changing: false,
  heavy: true,
  scope: "task:read",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.listTasks(params, call),
});

export const count = method({
  name: "task.count",
  summary: "How many tasks a filter finds; at least so many where exact is false, since counting would read too much.",
  params: z.strictObject(filters),
  result: z.strictObject({ count: z.int(), exact: z.boolean() }),
  changing: false,
  heavy: true,
  scope: "task:read",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.countTasks(params, call),
});

export const attempts = method({
  name: "task.attempts",
  summary: "Who tried a task, when, and how it ended.",
  params: z.strictObject({ ...inProject, id: TaskId, limit: Limit(1000, 100), cursor: Cursor.optional() }),
  result: z.strictObject({ attempts: z.array(Attempt), nextCursor: z.string().nullable() }),
  changing: false,
  scope: "task:read",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.taskAttempts(params, call),
});

export const update = method({
  name: "task.update",
  summary: "Changes a task; what decides its run only while it is waiting or pending.",
  params: z.strictObject({
    ...ofTask,
    name: TaskName.nullable().optional(),
    payload: Payload.optional(),
    priority: Priority.optional(),
    runAt: Time.optional(),
    maxAttempts: newTask.maxAttempts,
    description: newTask.description.nullable(),
    dueAt: Time.nullable().optional(),
    tags: newTask.tags,
    categories: newTask.categories,
    ownerId: newTask.ownerId.nullable(),
  }),
  result: Task,
  changing: true,
  scope: "task:write",
  refusals: ["not_found", "wrong_state", "payload_too_large"],
  run: (engine, params, call) => engine.updateTask(params, call),
});

export const cancel = method({
  name: "task.cancel",
  summary: "Cancels an unfinished task; a worker that holds it learns so from its next extend.",
  params: z.strictObject({ ...ofTask, reason: z.string().max(1000).optional() }),
  result: z.strictObject({ id: TaskId, state: State }),
  changing: true,
  scope: "task:write",
  refusals: ["not_found", "wrong_state"],
  run: (engine, params, call) => engine.cancelTask(params, call),
});

export const retry = method({
  name: "task.retry",
  summary: "Makes a finished task pending again, with all its attempts.",
  params: z.strictObject({ ...ofTask, delaySeconds: DelaySeconds.default(0) }),
  result: z.strictObject({ id: TaskId, state: State }),
  changing: true,
  scope: "task:write",
  refusals: ["not_found", "wrong_state", "conflict"],
  run: (engine, params, call) => engine.retryTask(params, call),
});

const Deleted = z.strictObject({ id: TaskId, deletedAt: TimeOut.nullable() });

export const remove = method({
  name: "task.delete",
  summary: "Hides a task, cancelling it first if it is unfinished; task.restore brings it back.",
  params: z.strictObject(ofTask),
  result: Deleted,
  changing: true,
  scope: "task:write",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.deleteTask(params, call),
});

export const restore = method({
  name: "task.restore",
  summary: "Brings a deleted task back; pending again if deleting had cancelled it.",
  params: z.strictObject(ofTask),
  result: Deleted,
  changing: true,
  scope: "task:write",
  refusals: ["not_found", "conflict"],
  run: (engine, params, call) => engine.restoreTask(params, call),
});

export const wait = method({
  name: "task.wait",
  summary: "Waits until a task has finished, or until its progress is another than the caller knows.",
  params: z.strictObject({
    ...inProject,
    id: TaskId,
    waitSeconds: WaitSeconds,
    progress: Progress.nullable()
      .optional()
      .describe(
        "The progress that is known, null for none: answers as soon as it is another. Without it only the end counts.",
      ),
  }),
  result: z.strictObject({ task: Task, done: z.boolean() }),
  changing: false,
  scope: "task:read",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.waitForTask(params, call),
});
