import type { Client } from "./client.ts";
import type { NewWorkflowTask } from "./contract.ts";
import type { HeldTask } from "./held-task.ts";
import type { AddOptions } from "./workflow.ts";
import { partsOf } from "./workflow-parts.ts";

/** The workflow that a handler's task is of. */
export interface TaskWorkflow {
  readonly id: string;
  /** What the task is called there. */
  readonly key: string;
  /**
   * Adds tasks to the workflow, which cannot end meanwhile; in the task's own queue, unless they or `queue` name another.
   * As many as wanted: each thousand is a call of its own, made in an order in which every dependency comes before.
   * A handler that runs again and adds the same adds nothing twice (`requestId`; default: the task's id and a number that
   * counts the handler's adds). Resolves with the ids by key.
   */
  add(tasks: readonly NewWorkflowTask[], options?: AddOptions): Promise<Readonly<Record<string, string>>>;
}

export function workflowOf(
  client: Client,
  inProject: { readonly project?: string },
  held: HeldTask,
): TaskWorkflow | null {
  const { id: taskId, queue: ownQueue, workflow } = held.task;
  if (workflow === undefined) return null;
  let adds = 0;
  return {
    ...workflow,
    async add(tasks, { requestId = `${taskId}:${++adds}`, queue = ownQueue, ...how } = {}) {
      let ids = {};
      for (const [at, part] of partsOf(tasks).entries()) {
        const params = { ...inProject, id: workflow.id, queue, requestId: `${requestId}:${at + 1}`, tasks: part };
        // Spread, since a key may be __proto__.
        ids = { ...ids, ...(await client.workflow.add(params, { signal: held.signal, ...how })).tasks };
      }
      return ids;
    },
  };
}
