/**
 * What the service can do, free of any transport: the RPC methods, and whatever speaks to callers later, call this.
 * Parameters have been checked for shape; every answer is as api.md says. Throws Refusal and InvalidParams.
 */

import type { Principal } from "../domain/access/principal.ts";
import type { Role, Scope } from "../domain/access/scopes.ts";
import type { KeyView } from "../domain/api-key/views.ts";
import type { CategoryTree, CategoryView } from "../domain/category/views.ts";
import type { MemberView } from "../domain/member/views.ts";
import type { ProjectView } from "../domain/project/views.ts";
import type { QueuePolicy } from "../domain/queue/queries.ts";
import type { QueueView, StatsView } from "../domain/queue/views.ts";
import type { RefusalType } from "../domain/refusals.ts";
import type { Missed, Overlap } from "../domain/schedule/due.ts";
import type { ScheduleView } from "../domain/schedule/views.ts";
import type { TagView } from "../domain/tag/tag.ts";
import type { AttemptView } from "../domain/task/attempts.ts";
import type { State } from "../domain/task/lifecycle.ts";
import type { TaskFilter } from "../domain/task/queries/filter.ts";
import type { ClaimedView, Progress, TaskView } from "../domain/task/views.ts";
import type { WorkerView } from "../domain/worker/worker.ts";
import type { WorkflowState, WorkflowView } from "../domain/workflow/views.ts";

/** What a call brings besides its parameters. */
export interface Call {
  /** Aborted when the caller has hung up, or the service is stopping; a waiting claim then takes nothing. */
  readonly signal: AbortSignal;
  /** Who calls. Which methods they may call has been decided; what of them reaches which project and queue is decided here. */
  readonly principal: Principal;
}

export interface InProject {
  readonly project?: string | undefined;
}
export interface Repeatable extends InProject {
  readonly requestId?: string | undefined;
}

/** A call that may carry a requestId, with the method it was made as: the same id under another method is refused. */
export interface EnqueueParams extends Repeatable {
  readonly method: string;
  readonly tasks: readonly NewTask[];
}

export interface NewTask {
  readonly queue: string;
  readonly name?: string | undefined;
  readonly payload?: object | undefined;
  readonly priority?: number | undefined;
  readonly runAt?: string | undefined;
  readonly delaySeconds?: number | undefined;
  readonly maxAttempts?: number | undefined;
  readonly dedupeKey?: string | undefined;
  readonly dedupeSeconds?: number | undefined;
  readonly dependsOn?: readonly string[] | undefined;
  readonly onDependencyFailure?: "cancel" | "fail" | "run" | undefined;
  readonly description?: string | undefined;
  readonly dueAt?: string | undefined;
  readonly ownerId?: string | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly categories?: readonly string[] | undefined;
}

export interface ClaimParams extends Repeatable {
  readonly queues: readonly string[];
  readonly names?: readonly string[] | undefined;
  readonly limit: number;
  readonly waitSeconds: number;
  readonly leaseSeconds?: number | undefined;
  readonly worker?: string | undefined;
}

export interface Completion {
  readonly receipt: string;
  readonly result?: unknown;
}
export interface Failure {
  readonly receipt: string;
  readonly error: { readonly message: string; readonly code?: string | null | undefined; readonly data?: unknown };
  readonly retry: boolean;
  readonly delaySeconds?: number | undefined;
}

export interface ItemError {
  readonly code: number;
  readonly message: string;
  readonly data: { readonly type: RefusalType; readonly [key: string]: unknown };
}
export type Item<T> = ({ readonly ok: true } & T) | { readonly ok: false; readonly error: ItemError };

export interface Completed {
  readonly id: string;
  readonly state: State;
}
export interface Failed extends Completed {
  readonly runAt: string | null;
}

export interface FilterParams extends Omit<TaskFilter, "queueId" | "queueIds" | "tags" | "categories"> {
  readonly queue?: string | undefined;
  /** All of them. */
  readonly tags?: readonly string[] | undefined;
  /** With all below it. */
  readonly category?: string | undefined;
}
export interface CountParams extends InProject, FilterParams {
  readonly anyOf?: readonly FilterParams[] | undefined;
  readonly deleted: boolean;
}
export interface ListParams extends CountParams {
  readonly sort: "added" | "-added" | "finished" | "-finished" | "dueAt" | "priority" | "relevance";
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface OfTask extends Repeatable {
  readonly id: string;
}
export interface UpdateParams extends OfTask {
  readonly name?: string | null | undefined;
  readonly payload?: object | undefined;
  readonly priority?: number | undefined;
  readonly runAt?: string | undefined;
  readonly maxAttempts?: number | undefined;
  readonly description?: string | null | undefined;
  readonly dueAt?: string | null | undefined;
  readonly ownerId?: string | null | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly categories?: readonly string[] | undefined;
}

/** A task of a workflow: it depends on others by their keys. */
export interface NewWorkflowTask extends NewTask {
  readonly key: string;
}
export interface OfWorkflow extends Repeatable {
  readonly id: string;
}
export interface WorkflowAnswer {
  readonly id: string;
  readonly state: WorkflowState;
}

export interface OfQueue extends Repeatable {
  readonly name: string;
}
export interface Named extends Repeatable {
  readonly name: string;
}
export interface TagParams extends Named {
  readonly colour?: string | undefined;
}
export interface CategoryParams extends Named {
  readonly parent?: string | null | undefined;
  readonly colour?: string | undefined;
  readonly description?: string | null | undefined;
}
/** What schedule.create and schedule.update say; undefined leaves the default, or what is there, and null takes it away. */
export interface ScheduleParams extends Named {
  readonly queue?: string | undefined;
  readonly cron?: string | undefined;
  readonly everySeconds?: number | undefined;
  readonly timezone?: string | undefined;
  readonly task?:
    | {
        readonly name?: string | null | undefined;
        readonly payload?: object | undefined;
        readonly priority?: number | undefined;
        readonly maxAttempts?: number | null | undefined;
        readonly tags?: readonly string[] | undefined;
      }
    | undefined;
  readonly missed?: Missed | undefined;
  readonly overlap?: Overlap | undefined;
  readonly startAt?: string | null | undefined;
  readonly endAt?: string | null | undefined;
}
export interface Page extends InProject {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface KeyMade {
  readonly id: string;
  /** The key itself; null in the answer to a repeat, since it is shown once and kept nowhere. */
  readonly key: string | null;
  readonly expiresAt: string | null;
}

export interface Health {
  readonly ok: boolean;
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly database: {
    readonly reachable: boolean;
    readonly version: string | null;
    readonly migration: string | null;
    readonly oldestSnapshotSeconds: number | null;
    readonly endangering: { setting: string; value: string; why: string }[];
  };
  readonly listening: boolean;
  readonly waitingClaims: number;
}

export interface Engine {
  enqueue(params: EnqueueParams, call: Call): Promise<{ id: string; state: State; duplicate: boolean }[]>;
  claim(params: ClaimParams, call: Call): Promise<ClaimedView[]>;
  complete(params: Completion & Repeatable, call: Call): Promise<Completed>;
  completeMany(params: Repeatable & { readonly items: readonly Completion[] }, call: Call): Promise<Item<Completed>[]>;
  fail(params: Failure & Repeatable, call: Call): Promise<Failed>;
  failMany(params: Repeatable & { readonly items: readonly Failure[] }, call: Call): Promise<Item<Failed>[]>;
  release(
    params: Repeatable & { readonly receipt: string; readonly delaySeconds: number },
    call: Call,
  ): Promise<{ id: string; state: State; runAt: string }>;
  extend(
    params: Repeatable & {
      readonly receipts: readonly string[];
      readonly leaseSeconds?: number | undefined;
      readonly progress?: Progress | undefined;
    },
    call: Call,
  ): Promise<Item<{ id: string; leaseExpiresAt: string; progress: Progress | null }>[]>;
  progress(
    params: Repeatable & { readonly receipt: string; readonly percent: number; readonly note?: string | undefined },
    call: Call,
  ): Promise<{ id: string }>;

  getTask(params: InProject & { readonly id: string }, call: Call): Promise<TaskView>;
  listTasks(params: ListParams, call: Call): Promise<{ tasks: TaskView[]; nextCursor: string | null }>;
  countTasks(params: CountParams, call: Call): Promise<{ count: number; exact: boolean }>;
  updateTask(params: UpdateParams, call: Call): Promise<TaskView>;
  cancelTask(params: OfTask & { readonly reason?: string | undefined }, call: Call): Promise<Completed>;
  retryTask(params: OfTask & { readonly delaySeconds: number }, call: Call): Promise<Completed>;
  deleteTask(params: OfTask, call: Call): Promise<{ id: string; deletedAt: string | null }>;
  restoreTask(params: OfTask, call: Call): Promise<{ id: string; deletedAt: string | null }>;
  waitForTask(
    params: InProject & {
      readonly id: string;
      readonly waitSeconds: number;
      /** The progress that the caller knows; without it only the end counts. */
      readonly progress?: Progress | null | undefined;
    },
    call: Call,
  ): Promise<{ task: TaskView; done: boolean }>;

  createQueue(params: OfQueue & QueuePolicy, call: Call): Promise<QueueView>;
  updateQueue(params: OfQueue & QueuePolicy, call: Call): Promise<QueueView>;
  getQueue(params: InProject & { readonly name: string }, call: Call): Promise<QueueView>;
  listQueues(params: Page, call: Call): Promise<{ queues: QueueView[]; nextCursor: string | null }>;
  deleteQueue(params: OfQueue & { readonly force: boolean }, call: Call): Promise<{ name: string }>;
  setPaused(params: OfQueue & { readonly paused: boolean }, call: Call): Promise<QueueView>;
  purgeQueue(params: OfQueue & { readonly states: readonly State[] }, call: Call): Promise<{ purged: number }>;
  redriveQueue(
    params: OfQueue & {
      readonly state: State;
      readonly names?: readonly string[] | undefined;
      readonly limit?: number | undefined;
      readonly ratePerSecond?: number | undefined;
    },
    call: Call,
  ): Promise<{ moved: number }>;
  queueStats(
    params: InProject & { readonly name?: string | undefined },
    call: Call,
  ): Promise<StatsView | { queues: StatsView[] }>;

  createWorkflow(
    params: Repeatable & { readonly name?: string | undefined; readonly tasks: readonly NewWorkflowTask[] },
    call: Call,
  ): Promise<{ id: string; tasks: Record<string, string> }>;
  addToWorkflow(
    params: OfWorkflow & { readonly tasks: readonly NewWorkflowTask[] },
    call: Call,
  ): Promise<{ id: string; tasks: Record<string, string> }>;
  getWorkflow(params: InProject & { readonly id: string }, call: Call): Promise<WorkflowView>;
  listWorkflows(
    params: Page & { readonly states?: readonly WorkflowState[] | undefined },
    call: Call,
  ): Promise<{ workflows: WorkflowView[]; nextCursor: string | null }>;
  cancelWorkflow(params: OfWorkflow, call: Call): Promise<WorkflowAnswer>;
  retryWorkflow(params: OfWorkflow, call: Call): Promise<WorkflowAnswer>;

  createProject(params: Named & { readonly description?: string | null | undefined }, call: Call): Promise<ProjectView>;
  getProject(params: { readonly name: string }, call: Call): Promise<ProjectView>;
  listProjects(params: Page, call: Call): Promise<{ projects: ProjectView[]; nextCursor: string | null }>;
  updateProject(
    params: Named & { readonly newName?: string | undefined; readonly description?: string | null | undefined },
    call: Call,
  ): Promise<ProjectView>;
  deleteProject(params: Named & { readonly force: boolean }, call: Call): Promise<{ name: string }>;

  addMember(
    params: Repeatable & { readonly name: string; readonly userId: string; readonly role: Role },
    call: Call,
  ): Promise<MemberView>;
  removeMember(
    params: Repeatable & { readonly name: string; readonly userId: string },
    call: Call,
  ): Promise<{ name: string; userId: string }>;
  listMembers(
    params: Page & { readonly name: string },
    call: Call,
  ): Promise<{ members: MemberView[]; nextCursor: string | null }>;

  createKey(
    params: Named & {
      readonly scopes: readonly Scope[];
      readonly queues?: readonly string[] | undefined;
      readonly expiresInSeconds?: number | undefined;
      readonly everywhere?: boolean | undefined;
    },
    call: Call,
  ): Promise<KeyMade>;
  listKeys(params: Page, call: Call): Promise<{ keys: KeyView[]; nextCursor: string | null }>;
  revokeKey(params: Repeatable & { readonly id: string }, call: Call): Promise<{ id: string; revokedAt: string }>;
  rotateKey(
    params: Repeatable & { readonly id: string; readonly overlapSeconds: number },
    call: Call,
  ): Promise<KeyMade & { readonly previous: { readonly id: string; readonly expiresAt: string } }>;

  createTag(params: TagParams, call: Call): Promise<TagView>;
  listTags(
    params: Page & { readonly prefix?: string | undefined; readonly sort: "name" | "-used" },
    call: Call,
  ): Promise<{ tags: TagView[]; nextCursor: string | null }>;
  renameTag(params: Named & { readonly newName: string }, call: Call): Promise<TagView>;
  deleteTag(params: Named, call: Call): Promise<{ name: string }>;
  suggestTags(
    params: InProject & { readonly prefix: string; readonly limit: number },
    call: Call,
  ): Promise<{ tags: string[] }>;

  createCategory(params: CategoryParams, call: Call): Promise<CategoryView>;
  getCategory(params: InProject & { readonly name: string }, call: Call): Promise<CategoryView>;
  listCategories(params: Page, call: Call): Promise<{ categories: CategoryView[]; nextCursor: string | null }>;
  updateCategory(params: CategoryParams & { readonly newName?: string | undefined }, call: Call): Promise<CategoryView>;
  deleteCategory(params: Named & { readonly children: "lift" | "delete" }, call: Call): Promise<{ name: string }>;
  categoryTree(params: InProject & { readonly root?: string | undefined }, call: Call): Promise<CategoryTree[]>;

  createSchedule(params: ScheduleParams & { readonly queue: string }, call: Call): Promise<ScheduleView>;
  updateSchedule(params: ScheduleParams, call: Call): Promise<ScheduleView>;
  getSchedule(params: InProject & { readonly name: string }, call: Call): Promise<ScheduleView>;
  listSchedules(params: Page, call: Call): Promise<{ schedules: ScheduleView[]; nextCursor: string | null }>;
  pauseSchedule(params: Named & { readonly paused: boolean }, call: Call): Promise<ScheduleView>;
  deleteSchedule(params: Named, call: Call): Promise<{ name: string }>;
  triggerSchedule(params: Named, call: Call): Promise<{ id: string }>;
  /** The next fire times of a schedule, or of an expression. */
  nextRuns(
    params: InProject & {
      readonly name?: string | undefined;
      readonly cron?: string | undefined;
      readonly timezone?: string | undefined;
      readonly count: number;
      readonly after?: string | undefined;
    },
    call: Call,
  ): Promise<string[]>;

  taskAttempts(
    params: Page & { readonly id: string },
    call: Call,
  ): Promise<{ attempts: AttemptView[]; nextCursor: string | null }>;
  workerTasks(
    params: Page & { readonly id: string },
    call: Call,
  ): Promise<{ tasks: TaskView[]; nextCursor: string | null }>;
  listWorkers(params: Page, call: Call): Promise<{ workers: WorkerView[]; nextCursor: string | null }>;
  getWorker(params: InProject & { readonly id: string }, call: Call): Promise<WorkerView>;

  health(call: Call): Promise<Health>;
  verify(call: Call): Promise<{ ok: boolean; violations: { rule: string; count: number; examples: string[] }[] }>;
}
