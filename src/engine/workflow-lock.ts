import type { Db } from "../db/pool.ts";
import { Refusal } from "../domain/refusals.ts";
import { getWorkflow, lockWorkflow, type WorkflowRow } from "../domain/workflow/queries.ts";

export const notFound = (id: string) => new Refusal("not_found", { noun: "workflow", id });

/** A workflow as it is now, locked against other changes of the whole; refused when it is not the project's. */
export async function lock(tx: Db, projectId: number, id: string): Promise<WorkflowRow> {
  if (!(await tx.maybeOne(lockWorkflow(projectId, id)))) throw notFound(id);
  // A statement of its own, whose snapshot is newer than the lock.
  return await tx.one(getWorkflow(projectId, id));
}
