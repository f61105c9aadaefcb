import type { Db } from "../db/pool.ts";
import { Refusal } from "../domain/refusals.ts";
import { type Revived, reviveTasks } from "../domain/task/queries/change.ts";
import { addDependencies, type Edge } from "../domain/task/queries/dependencies.ts";
import { groupBy, markAwaited, recatalogue, retakeKey, type TaskKey } from "../domain/task/repository.ts";
import { runningOrder } from "../domain/workflow/graph.ts";
import {
  foldWorkflow,
  getWorkflow,
  lockFailed,
  type MemberToRetry,
  membersToRetry,
  setStopped,
} from "../domain/workflow/queries.ts";
import type { WorkflowState } from "../domain/workflow/views.ts";
import type { After, EngineContext } from "./context.ts";
import { lock } from "./workflow-lock.ts";

/** Tasks may end while one looks at them; more often than this one after the other is not believed. */
const LOOKS_MAX = 100;

interface Plan {
  readonly tasks: readonly (Revived & { readonly waitsFor: readonly TaskKey[]; readonly dedupeKey: string | null })[];
  /** Tasks that run, and that some of them wait for. */
  readonly running: readonly TaskKey[];
}

/** `passedBy`: queues with ready tasks among those that run; claims that came meanwhile have passed these by. */
interface Locked extends Plan {
  readonly passedBy: ReadonlySet<number>;
}

/** Runs the failed and cancelled tasks of a workflow again; those that depend on others of them wait for these. */
export async function retryWorkflow(
  context: EngineContext,
  tx: Db,
  projectId: number,
  id: string,
  after: After,
): Promise<{ id: string; state: WorkflowState }> {
  const { outcome } = await lock(tx, projectId, id);
  const { tasks, passedBy } = await plan(tx, id);
  after(() => {
    for (const queueId of passedBy) context.wakeups.wake(queueId);
  });
  if (tasks.length === 0 && outcome !== null) throw new Refusal("wrong_state", { state: outcome });
  await tx.query(setStopped(id, false));
  await retakeKeys(tx, tasks);
  if (tasks.length > 0) await revive(context, tx, tasks, after);
  await tx.any(foldWorkflow(id));
  const now = await tx.one(getWorkflow(projectId, id));
  return { id, state: now.outcome ?? "running" };
}

/** Takes the tasks' dedupe keys back; refused when another unfinished task holds one, or two of them have the same. */
async function retakeKeys(tx: Db, tasks: Plan["tasks"]): Promise<void> {
  const retaken = new Set<string>();
  for (const { queueId, dedupeKey, id } of tasks) {
    if (dedupeKey === null) continue;
    const name = `${queueId} ${dedupeKey}`;
    // A task that has it already counts as unfinished only once it is revived.
    if (retaken.has(name) || !(await retakeKey(tx, queueId, dedupeKey, id)))
      throw new Refusal("conflict", { field: "dedupeKey" });
    retaken.add(name);
  }
}

/** Decides what runs again, of tasks that cannot end or run again meanwhile. */
async function plan(tx: Db, id: string): Promise<Locked> {
  const passedBy = new Set<number>();
  for (let look = 0; look < LOOKS_MAX; look++) {
    const locked = new Set((await tx.any(lockFailed(id))).map((row) => row.id));
    const members = await tx.any(membersToRetry(id));
    const planned = planRetry(members);
    const { ended, unknown, ...marked } = await markAwaited(tx, planned.running);
    for (const queueId of marked.passedBy) passedBy.add(queueId);
    if (ended.size === 0 && unknown === null && planned.tasks.every((task) => locked.has(task.id)))
      return { ...planned, passedBy };
  }
  throw new Error(`Tasks of workflow ${id} keep moving.`);
}

/**
 * Members, each after those it depends on. Ids do not say so for certain: they are of the clocks of several instances, and
 * workflow.add may come by another than what its tasks depend on.
 */
function inRunningOrder(members: readonly MemberToRetry[]): MemberToRetry[] {
  const ids = new Set(members.map(({ id }) => id));
  const graph = members.map(({ id, depends_on }) => ({ key: id, dependsOn: depends_on?.filter((on) => ids.has(on)) }));
  const found = runningOrder(graph, new Set());
  if ("issues" in found) throw new Error(`Tasks depend on one another in a circle: ${found.issues[0]!.message}`);
  return found.order.map((place) => members[place]!);
}

/**
 * Which tasks run again, and what each waits for. One that is gone has completed as far as anybody can tell; of one that will not run again its dependents do as they
 * were told to.
 */
export function planRetry(members: readonly MemberToRetry[]): Plan {
  const byId = new Map(members.map((member) => [member.id, member]));
  const again = new Set<string>();
  const running = new Map<string, TaskKey>();
  const tasks: Plan["tasks"][number][] = [];
  for (const member of inRunningOrder(members)) {
    if (member.deleted || member.outcome === null || member.outcome === "completed") continue;
    const on = (member.depends_on ?? []).flatMap((id) => byId.get(id) ?? []);
    const open = on.filter((one) => one.outcome === null || again.has(one.id));
    const broken = on.some((one) => one.outcome !== null && one.outcome !== "completed" && !again.has(one.id));
    if (broken && member.on_failure !== "run") continue;
    again.add(member.id);
    for (const one of open) if (one.outcome === null) running.set(one.id, keyOf(one));
    const { on_failure: onFailure, dedupe_key: dedupeKey } = member;
    tasks.push({ ...keyOf(member), onFailure, dedupeKey, unmet: open.length, waitsFor: open.map(keyOf) });
  }
  return { tasks, running: [...running.values()] };
}

const keyOf = ({ id, queue_id }: MemberToRetry): TaskKey => ({ id, queueId: queue_id });

async function revive(context: EngineContext, tx: Db, tasks: Plan["tasks"], after: After): Promise<void> {
  const rows = await tx.any(reviveTasks(tasks));
  if (rows.length < tasks.length) throw new Refusal("conflict", { field: "queue" });
  for (const [queueId, some] of groupBy(rows, (row) => row.queue_id)) await recatalogue(tx, queueId, some);
  const edges: Edge[] = tasks.flatMap((task) => task.waitsFor.map((on) => ({ task, on })));
  if (edges.length > 0) await tx.query(addDependencies(edges));
  after(() => {
    for (const queueId of new Set(tasks.map((task) => task.queueId))) context.wakeups.wake(queueId);
  });
}
