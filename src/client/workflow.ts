import type { CallOptions, Client } from "./client.ts";
import type { NewWorkflowTask, Result, Workflow } from "./contract.ts";
import { type WaitForWorkflowOptions, waitForWorkflow } from "./wait-for-workflow.ts";
import { TASKS_MAX } from "./workflow-parts.ts";

type Change = Result<"workflow.cancel">;
type Calls = Pick<Client, "call">;

export interface WorkflowOptions {
  /** The queue of tasks that name none. */
  readonly queue?: string;
  readonly project?: string;
}

/** As of any call; a `requestId` of one's own is for a call that may be made again by another process. */
export interface ChangeOptions extends CallOptions {
  readonly requestId?: string;
}

export interface AddOptions extends ChangeOptions {
  /** The queue of tasks that name none. */
  readonly queue?: string | undefined;
}

/** Gathers the tasks of a workflow; nothing is made before start(). */
export class WorkflowBuilder {
  readonly #client: Calls;
  readonly #name: string | undefined;
  readonly #options: WorkflowOptions;
  readonly #tasks = new Map<string, NewWorkflowTask>();

  constructor(client: Calls, name: string | undefined, options: WorkflowOptions) {
    this.#client = client;
    this.#name = name;
    this.#options = options;
  }

  /** A task that the others name by `key`; it takes what task.enqueue does. Throws TypeError for a key that is taken. */
  task(key: string, task: Omit<NewWorkflowTask, "key"> = {}): this {
    if (this.#tasks.has(key)) throw new TypeError(`The workflow has a task ${JSON.stringify(key)} already.`);
    this.#tasks.set(key, { ...task, key });
    return this;
  }

  /** Makes a workflow of all these tasks, or none. Each start makes another, unless it has the `requestId` of one before. */
  async start({ requestId, ...how }: ChangeOptions = {}): Promise<WorkflowHandle> {
    const { queue, project } = this.#options;
    const tasks = [...this.#tasks.values()];
    checkCount(tasks);
    // Fields that are undefined are not sent.
    const params = { name: this.#name, queue, project, requestId, tasks };
    const made = await this.#client.call("workflow.create", params, how);
    return new WorkflowHandle(this.#client, made, this.#options);
  }
}

/** A workflow that has been started. */
export class WorkflowHandle {
  readonly id: string;
  readonly #client: Calls;
  readonly #options: WorkflowOptions;
  #tasks: Readonly<Record<string, string>>;

  constructor(client: Calls, { id, tasks }: Result<"workflow.create">, options: WorkflowOptions) {
    this.#client = client;
    this.id = id;
    this.#tasks = tasks as Record<string, string>;
    this.#options = options;
  }

  /** The ids of the tasks by their keys: those it was started with, and those that add() has added. */
  get tasks(): Readonly<Record<string, string>> {
    return this.#tasks;
  }

  get #which() {
    return { id: this.id, project: this.#options.project };
  }

  /** The workflow as it stands. */
  get(how: CallOptions = {}): Promise<Workflow> {
    return this.#client.call("workflow.get", this.#which, how);
  }

  /** Resolves with the workflow once it has ended; also when it failed or was cancelled. See client.waitForWorkflow. */
  wait(options: Omit<WaitForWorkflowOptions, "project"> = {}): Promise<Workflow> {
    const { project } = this.#options;
    return waitForWorkflow(this.#client, this.id, { ...options, ...(project === undefined ? {} : { project }) });
  }

  cancel({ requestId, ...how }: ChangeOptions = {}): Promise<Change> {
    return this.#client.call("workflow.cancel", { ...this.#which, requestId }, how);
  }

  /** Runs its failed and cancelled tasks again. */
  retry({ requestId, ...how }: ChangeOptions = {}): Promise<Change> {
    return this.#client.call("workflow.retry", { ...this.#which, requestId }, how);
  }

  /**
   * Adds up to 1,000 tasks, all or none; they may depend on those it has. Refused as `wrong_state` once the workflow has
   * ended, so what a task finds out is added best by that task itself: by `workflow.add` of its handler's context.
   */
  async add(tasks: readonly NewWorkflowTask[], { requestId, queue, ...how }: AddOptions = {}): Promise<void> {
    checkCount(tasks);
    const params = { ...this.#which, queue: queue ?? this.#options.queue, requestId, tasks: [...tasks] };
    const added = await this.#client.call("workflow.add", params, how);
    this.#tasks = { ...this.#tasks, ...(added.tasks as Record<string, string>) };
  }
}

/** Of several calls one could come after the workflow has ended, when those before have added tasks that came to run. */
function checkCount({ length }: readonly unknown[]): void {
  if (length > TASKS_MAX)
    throw new TypeError(
      `${length} tasks are more than the ${TASKS_MAX} of one call: let a task of the workflow add them, by workflow.add of its handler's context.`,
    );
}
