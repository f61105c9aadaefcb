import type { Db } from "../db/pool.ts";
import { Refusal } from "../domain/refusals.ts";
import { cancelTasks } from "../domain/task/queries/change.ts";
import { groupBy, recatalogue, type Settled, settle } from "../domain/task/repository.ts";
import { foldWorkflow, setStopped, unfinishedMembers } from "../domain/workflow/queries.ts";
import type { WorkflowState } from "../domain/workflow/views.ts";
import type { After, EngineContext } from "./context.ts";
import { tellSettled } from "./settled.ts";
import { lock } from "./workflow-lock.ts";

/** Tasks cancelled by one statement. */
const BATCH = 1_000;
/** A moving task is in no narrow table for one snapshot; one that is never found is a fault that admin.verify reports. */
const LOOKS_MAX = 100;

/** Cancels the tasks of a workflow that have not ended, and with that the workflow. */
export async function cancelWorkflow(
  context: EngineContext,
  tx: Db,
  projectId: number,
  id: string,
  after: After,
): Promise<{ id: string; state: WorkflowState }> {
  const { outcome } = await lock(tx, projectId, id);
  if (outcome !== null) throw new Refusal("wrong_state", { state: outcome });
  await tx.query(setStopped(id, true));
  for (let vain = 0; ; ) {
    const rows = await tx.any(unfinishedMembers(id, BATCH));
    if (rows.length === 0) break;
    const settled = await cancelSome(
      tx,
      rows.map((row) => ({ id: row.id, queueId: row.queue_id })),
    );
    vain = settled.ended.length > 0 ? 0 : vain + 1;
    if (vain === LOOKS_MAX) throw new Error(`Tasks of workflow ${id} are in no state.`);
    after(() => tellSettled(context, settled));
  }
  await tx.any(foldWorkflow(id));
  return { id, state: "cancelled" };
}

/** Answers all that ended: the tasks that were cancelled, and those outside the workflow that waited for them. */
async function cancelSome(tx: Db, tasks: readonly { id: string; queueId: number }[]): Promise<Settled> {
  const rows = await tx.any(cancelTasks(tasks));
  for (const [queueId, some] of groupBy(rows, (row) => row.queue_id)) await recatalogue(tx, queueId, some);
  const ended = rows.map((row) => ({ id: row.id, queueId: row.queue_id, outcome: "cancelled" as const }));
  const settled = await settle(tx, ended);
  return { ...settled, ended: [...ended, ...settled.ended] };
}
