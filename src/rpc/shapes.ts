/**
 * The shapes of api.md as Zod schemas, shared by the methods, OpenRPC and the client's types. Limits that api.md does not
 * name are ours and stand here with their reason.
 */
import { z } from "zod";
import { STATES } from "../domain/task/lifecycle.ts";
import { WORKFLOW_STATES } from "../domain/workflow/views.ts";
import type { Json, JsonObject } from "../lib/json.ts";

/** A century: longer waits are mistakes of unit (milliseconds for seconds). */
export const DELAY_SECONDS_MAX = 3_155_760_000;
export const DESCRIPTION_MAX = 10_000;
const ERROR_MESSAGE_MAX = 10_000;
const TAGS_MAX = 50;

const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

// z.custom hands the very same value on: Zod's own records would rebuild the object and drop keys such as __proto__.
// Numbers, strings and nesting were checked against the request's text before (src/lib/json-fidelity.ts).
export const Payload = z
  .custom<JsonObject>(isJsonObject, "must be a JSON object")
  .meta({ type: "object", description: "Any JSON object; given back as sent." });
export const JsonValue = z
  .custom<Json>((value) => value !== undefined, "must be a JSON value")
  .meta({ description: "Any JSON value." });

/** Years of fewer digits, and of more, are written in ways that not every parser of times understands alike. */
const FIRST_TIME = Date.parse("1000-01-01T00:00:00Z");
const LAST_TIME = Date.parse("9999-12-31T23:59:59.999Z");
/** With nine digits of a second, and room. */
const TIME_CHARACTERS_MAX = 40;
/** PostgreSQL knows no zone as far from UTC as sixteen hours, and neither does anybody. */
const FAR_OFFSET = /[+-](1[6-9]|2\d):/;
export const Time = z.iso
  .datetime({ offset: true, error: "must be an ISO 8601 time such as 2026-01-31T12:00:00.000Z" })
  .refine((text) => text.length <= TIME_CHARACTERS_MAX, `must not be longer than ${TIME_CHARACTERS_MAX} characters`)
  .refine((text) => !FAR_OFFSET.test(text.slice(10, TIME_CHARACTERS_MAX)), "must be less than 16 hours from UTC")
  .refine(
    // What is no time at all has been told so already.
    (text) => !(Date.parse(text) < FIRST_TIME || Date.parse(text) > LAST_TIME),
    "must be in the years 1000 to 9999",
  );
/** A time on its way out: always UTC with milliseconds. */
export const TimeOut = z.iso.datetime();

export const text = (max: number) => z.string().max(max, `must not be longer than ${max} characters`);
export const filledText = (max: number) => text(max).refine((value) => value.trim() !== "", "must not be blank");

/** Without words of its own where it is absent, so that those of every parameter stand there. */
export const idOf = (noun: string) =>
  z.uuid({
    version: "v7",
    error: ({ input }) => (input === undefined ? undefined : `must be a ${noun}'s id (a uuid v7)`),
  });

export const TaskId = idOf("task");
// The first 36 characters of 27 hold id and lease sequence; see src/domain/task/receipt.ts.
export const ReceiptText = z.string().regex(/^[A-Za-z0-9_-]{27}$/, "must be a receipt as task.claim gave it");
export const QueueName = z.string().regex(/^[A-Za-z0-9_-]{1,80}$/, "must be 1 to 80 characters of A-Z a-z 0-9 _ -");
export const ProjectName = filledText(80);
export const TaskName = filledText(255);
export const WorkerName = filledText(255);
export const RequestId = z.string().min(1, "must not be empty").max(128, "must not be longer than 128 characters");
export const Cursor = z.string().max(1000);
export const Limit = (max: number, fallback: number) => z.int().min(1).max(max).default(fallback);
export const LeaseSeconds = z.number().min(1).max(43_200);
export const DelaySeconds = z.number().min(0).max(DELAY_SECONDS_MAX);
export const WaitSeconds = z.number().min(0).max(60).default(0);
export const Tag = filledText(50);
export const CategoryName = filledText(80);
export const OwnerId = filledText(255);
export const Colour = z.string().regex(/^#[0-9A-Fa-f]{6}$/, "must be a colour such as #3B82F6");
/** Longer searches than people type; each word costs a look-up. */
export const SearchText = text(1_000);
export const State = z.enum(STATES);
/** More than there are can only be repetitions. */
export const STATES_MAX = 10;
export const States = z.array(State).min(1).max(STATES_MAX);
export const SORTS = ["added", "-added", "finished", "-finished", "dueAt", "priority", "relevance"] as const;

const PRIORITY_WORDS = { high: 2, medium: 5, low: 8 } as const;
export const Priority = z
  .union([z.int().min(0).max(9), z.enum(["high", "medium", "low"])], {
    error: 'must be a whole number from 0 (first) to 9 (last), or "high", "medium" or "low"',
  })
  .transform((value) => (typeof value === "number" ? value : PRIORITY_WORDS[value]));

export const TaskError = z.strictObject({
  message: text(ERROR_MESSAGE_MAX),
  code: text(255).nullable().optional(),
  data: JsonValue.optional(),
});

export const Percent = z.number().min(0).max(100);
export const Note = text(1_000);
/** Progress as calls name it; a note that is not there is null, as answers write it. */
export const Progress = z.strictObject({ percent: Percent, note: Note.nullable().default(null) });
export const ProgressOut = z.strictObject({ percent: z.number(), note: z.string().nullable() });

/** What any call may carry. */
export const inProject = { project: ProjectName.optional() };
export const repeatable = { ...inProject, requestId: RequestId.optional() };

/** A task's own fields in task.enqueue and in each entry of task.enqueueMany. */
export const newTask = {
  name: TaskName.optional(),
  payload: Payload.optional(),
  priority: Priority.optional(),
  runAt: Time.optional(),
  delaySeconds: DelaySeconds.optional(),
  maxAttempts: z.int().min(1).max(1000).optional(),
  dedupeKey: filledText(255).optional(),
  dedupeSeconds: DelaySeconds.optional(),
  dependsOn: z.array(TaskId).max(1000).optional(),
  onDependencyFailure: z.enum(["cancel", "fail", "run"]).optional(),
  description: text(DESCRIPTION_MAX).optional(),
  dueAt: Time.optional(),
  ownerId: OwnerId.optional(),
  tags: z.array(Tag).max(TAGS_MAX).optional(),
  categories: z.array(CategoryName).max(TAGS_MAX).optional(),
};

/** Rules between a new task's fields; `delaySeconds` and `runAt` say the same thing twice. */
export function checkNewTask(
  task: { runAt?: unknown; delaySeconds?: unknown; dedupeKey?: unknown; dedupeSeconds?: unknown },
  context: z.core.$RefinementCtx,
): void {
  if (task.runAt !== undefined && task.delaySeconds !== undefined)
    context.addIssue({ code: "custom", path: ["delaySeconds"], message: "give runAt or delaySeconds, not both" });
  if (task.dedupeSeconds !== undefined && task.dedupeKey === undefined)
    context.addIssue({ code: "custom", path: ["dedupeSeconds"], message: "needs a dedupeKey" });
}

/** The queue of tasks that name none, in calls that add several. */
export const defaultQueue = { queue: QueueName.optional().describe("The queue of tasks that name none.") };

interface Placeable {
  readonly queue?: string | undefined;
}

export function checkQueues(
  { queue, tasks }: Placeable & { readonly tasks: readonly Placeable[] },
  context: z.core.$RefinementCtx,
): void {
  for (const [at, task] of tasks.entries())
    if (queue === undefined && task.queue === undefined)
      context.addIssue({
        code: "custom",
        path: ["tasks", at, "queue"],
        message: "names no queue, and the call has no default",
      });
}

/** Tasks that have been checked so, each with its queue. */
export const inQueues = <T extends Placeable>(queue: string | undefined, tasks: readonly T[]) =>
  tasks.map((task) => ({ ...task, queue: (task.queue ?? queue)! }));

export const Task = z
  .strictObject({
    id: TaskId,
    queue: QueueName,
    project: z.string(),
    state: State,
    name: z.string().nullable(),
    payload: Payload,
    priority: z.int(),
    runAt: TimeOut,
    added: TimeOut,
    updated: TimeOut,
    finished: TimeOut.nullable(),
    attempts: z.int(),
    maxAttempts: z.int(),
    errors: z.array(
      z.strictObject({
        attempt: z.int(),
        at: TimeOut,
        worker: z.string().nullable(),
        message: z.string(),
        code: z.string().nullable(),
        data: JsonValue.optional(),
      }),
    ),
    result: JsonValue,
    progress: ProgressOut.nullable(),
    dedupeKey: z.string().nullable(),
    description: z.string().nullable(),
    dueAt: TimeOut.nullable(),
    ownerId: z.string().nullable(),
    tags: z.array(z.string()),
    categories: z.array(z.string()),
    dependsOn: z.array(TaskId),
    worker: z.string().nullable(),
    leaseExpiresAt: TimeOut.nullable(),
    deletedAt: TimeOut.nullable(),
  })
  .meta({ id: "Task" });

export const Claimed = z
  .strictObject({
    id: TaskId,
    queue: QueueName,
    name: z.string().nullable(),
    payload: Payload,
    priority: z.int(),
    attempt: z.int(),
    maxAttempts: z.int(),
    receipt: ReceiptText,
    leaseExpiresAt: TimeOut,
    added: TimeOut,
    tags: z.array(z.string()),
    dependsOn: z.array(TaskId),
    // Not a z.record: that would drop a key such as __proto__.
    inputs: Payload.describe(
      "Results of the tasks it depends on, by key in a workflow, by id outside; null where there is none.",
    ),
    inputsOmitted: z.custom<Record<string, string>>(isJsonObject).optional().meta({
      type: "object",
      description:
        "By key the ids of tasks whose results are left out of inputs, being larger than 4 MiB divided by how many it depends on.",
    }),
    workflow: z
      .strictObject({ id: z.uuid(), key: z.string() })
      .optional()
      .describe("The workflow it is of, and its key there."),
  })
  .meta({ id: "Claimed" });

/** One entry of a …Many method's answer: what the single call would have answered, or its error. */
export const item = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.discriminatedUnion("ok", [
    z.strictObject({ ok: z.literal(true), ...shape }),
    z.strictObject({
      ok: z.literal(false),
      error: z.strictObject({ code: z.int(), message: z.string(), data: z.looseObject({ type: z.string() }) }),
    }),
  ]);

export const Backoff = z.strictObject({
  baseSeconds: z.number().min(0).max(86_400),
  factor: z.number().min(1).max(100),
  maxSeconds: z.number().min(0).max(DELAY_SECONDS_MAX),
  jitter: z.boolean(),
});
export const Retention = z.strictObject({
  completedSeconds: z.number().min(0).max(DELAY_SECONDS_MAX).nullable(),
  failedSeconds: z.number().min(0).max(DELAY_SECONDS_MAX).nullable(),
});

/** The policy a queue holds, as queue.create and queue.update take it. */
export const queuePolicy = {
  leaseSeconds: LeaseSeconds.optional(),
  maxAttempts: z.int().min(1).max(1000).optional(),
  backoff: Backoff.partial().optional(),
  retention: Retention.partial().optional(),
  maxPayloadBytes: z.int().min(2).max(4_194_304).optional(),
  description: text(DESCRIPTION_MAX).nullable().optional(),
};

export const Queue = z
  .strictObject({
    id: z.int(),
    project: z.string(),
    name: QueueName,
    description: z.string().nullable(),
    leaseSeconds: z.number(),
    maxAttempts: z.int(),
    backoff: Backoff,
    retention: Retention,
    maxPayloadBytes: z.int(),
    paused: z.boolean(),
    added: TimeOut,
    updated: TimeOut,
  })
  .meta({ id: "Queue" });

export const QueueStats = z
  .strictObject({
    queue: QueueName,
    waiting: z.int(),
    pending: z.int(),
    delayed: z.int(),
    claimed: z.int(),
    completed: z.int(),
    failed: z.int(),
    cancelled: z.int(),
    oldestReadySeconds: z.number().nullable(),
    enqueuedPerSecond: z.number(),
    completedPerSecond: z.number(),
  })
  .meta({ id: "QueueStats" });

export const Worker = z
  .strictObject({
    id: z.string(),
    queues: z.array(z.string()),
    lastSeen: TimeOut,
    claimed: z.int(),
    completed: z.int(),
    failed: z.int(),
  })
  .meta({ id: "Worker" });

export const WorkflowId = idOf("workflow");
export const WorkflowKey = filledText(255);
export const WorkflowName = filledText(255);
export const WorkflowState = z.enum(WORKFLOW_STATES);

/** A task of a workflow, in workflow.create and workflow.add. */
export const workflowTask = z
  .strictObject({
    queue: QueueName.optional(),
    ...newTask,
    key: WorkflowKey,
    dependsOn: z.array(WorkflowKey).max(1000).optional(),
  })
  .superRefine(checkNewTask);

export const Workflow = z
  .strictObject({
    id: WorkflowId,
    name: z.string().nullable(),
    state: WorkflowState,
    counts: z.strictObject(
      Object.fromEntries(STATES.map((state) => [state, z.int()])) as Record<z.output<typeof State>, z.ZodInt>,
    ),
    tasks: z.array(
      z.strictObject({
        key: z.string(),
        id: TaskId,
        queue: QueueName,
        state: State,
        dependsOn: z.array(z.string()).describe("Keys."),
      }),
    ),
    added: TimeOut,
    finished: TimeOut.nullable(),
  })
  .meta({ id: "Workflow" });

export const Description = text(DESCRIPTION_MAX);

export const Project = z
  .strictObject({
    id: z.int(),
    name: z.string(),
    description: z.string().nullable(),
    added: TimeOut,
    updated: TimeOut,
  })
  .meta({ id: "Project" });

export const TagOut = z
  .strictObject({
    name: z.string(),
    colour: z.string().nullable(),
    used: z.int().describe("Tasks that have it, deleted ones aside."),
  })
  .meta({ id: "Tag" });

const category = {
  id: z.int(),
  name: z.string(),
  parent: z.string().nullable(),
  colour: z.string(),
  description: z.string().nullable(),
  tasks: z.int().describe("Tasks in this very category, deleted ones aside."),
  added: TimeOut,
  updated: TimeOut,
};
export const Category = z.strictObject(category).meta({ id: "Category" });

export interface CategoryTree extends z.output<typeof Category> {
  children: CategoryTree[];
}
export const CategoryTree: z.ZodType<CategoryTree> = z
  .strictObject({
    ...category,
    get children() {
      return z.array(CategoryTree);
    },
  })
  .meta({ id: "CategoryTree" });

export const Attempt = z
  .strictObject({
    attempt: z.int(),
    worker: z.string().nullable(),
    claimed: TimeOut,
    finished: TimeOut.nullable(),
    outcome: z.enum(["claimed", "completed", "failed", "expired", "cancelled"]),
    message: z.string().nullable(),
  })
  .meta({ id: "Attempt" });
