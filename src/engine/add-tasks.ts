import type { Db } from "../db/pool.ts";
import type { QueueRow } from "../domain/queue/queries.ts";
import { Refusal } from "../domain/refusals.ts";
import type { State } from "../domain/task/lifecycle.ts";
import { addDependencies, type Edge } from "../domain/task/queries/dependencies.ts";
import { isCatalogued, type TaskInWorkflow, type TaskRow } from "../domain/task/queries/enqueue.ts";
import {
  type Added,
  type Awaited,
  addTasks,
  endDoomed,
  groupBy,
  markAwaited,
  settle,
  type TaskKey,
} from "../domain/task/repository.ts";
import { queueOf } from "../lib/uuid7.ts";
import type { After, EngineContext } from "./context.ts";
import { putInCatalogue } from "./labels.ts";
import { type Placed, taskRow } from "./new-tasks.ts";
import { tellSettled } from "./settled.ts";

/** Adds tasks to one queue, and those of them that are new to the catalogue. In a transaction where there is need of one. */
export async function addCatalogued(db: Db, queue: QueueRow, rows: readonly TaskRow[], at: number): Promise<Added[]> {
  const listed = rows.filter(isCatalogued);
  if (listed.length === 0) return await addTasks(db, queue.id, rows, at);
  return await db.transaction(async (tx) => {
    const added = await addTasks(tx, queue.id, rows, at);
    const fresh = new Set(added.filter(({ duplicate }) => !duplicate).map(({ id }) => id));
    await putInCatalogue(
      tx,
      queue.project_id,
      queue.id,
      listed.filter(({ id }) => fresh.has(id)),
    );
    return added;
  });
}

/** A new task that may depend on others, also on others that are added with it. */
export interface Node extends Placed {
  readonly id: string;
  /** Ids, each once. */
  readonly dependsOn: readonly string[];
  readonly workflow: TaskInWorkflow | null;
}

/** What came of new tasks, in their order. */
export interface Grown {
  readonly added: readonly Added[];
  /** Those that a dependency has failed already; they wait until endFailed() ends them. */
  readonly doomed: readonly TaskKey[];
}

const keyOf = (id: string): TaskKey => ({ id, queueId: queueOf(id) });

/**
 * Adds tasks of any queues with what they depend on, in the caller's transaction; `at` is when they are added, epoch
 * milliseconds. An unknown dependency is refused.
 */
export async function addNodes(
  context: EngineContext,
  tx: Db,
  nodes: readonly Node[],
  at: number,
  after: After,
): Promise<Grown> {
  const isNew = new Set(nodes.map(({ id }) => id));
  const outside = [...new Set(nodes.flatMap(({ dependsOn }) => dependsOn))].filter((id) => !isNew.has(id));
  const known = await markAwaited(tx, outside.map(keyOf));
  if (known.unknown !== null) throw new Refusal("not_found", { noun: "task", id: known.unknown });
  after(() => {
    for (const queueId of known.passedBy) context.wakeups.wake(queueId);
  });
  const awaited = new Set(nodes.flatMap(({ dependsOn }) => dependsOn));
  const rows = nodes.map((node) => nodeRow(node, known, awaited.has(node.id) || node.workflow !== null));
  const added = new Array<Added>(nodes.length);
  // In the order of the queues' numbers, so that two callers do not wait for each other's queues and keys in a circle.
  const inOrder = [...nodes.entries()].sort(([, a], [, b]) => a.queue.id - b.queue.id);
  for (const group of groupBy(inOrder, ([, { queue }]) => queue.id).values()) {
    const { queue } = group[0]![1];
    const some = group.map(([place]) => rows[place]!.row);
    const told = await addCatalogued(tx, queue, some, at);
    for (const [index, [place]] of group.entries()) added[place] = told[index]!;
    // A task made for an earlier time lies before those that were claimed last.
    if (some.some(({ unmet }) => unmet === 0))
      after(() => context.wakeups.wake(queue.id, { stirred: some.some(({ runAt }) => runAt !== null) }));
  }
  const fresh = rows.filter((_, place) => !added[place]!.duplicate);
  const edges = fresh.flatMap(edgesOf);
  if (edges.length > 0) await tx.query(addDependencies(edges));
  return { added, doomed: fresh.filter(({ doomed }) => doomed).map(({ row }) => keyOf(row.id)) };
}

/** A node as the statement takes it, with those it waits for; doomed: one of them has failed already, and it minds. */
interface NodeRow {
  readonly row: TaskRow;
  readonly open: readonly string[];
  readonly doomed: boolean;
}

function nodeRow(node: Node, { ended }: Awaited, awaited: boolean): NodeRow {
  const open = node.dependsOn.filter((id) => !ended.has(id));
  const failed = node.dependsOn.some((id) => ended.has(id) && ended.get(id) !== "completed");
  const row = taskRow(node.id, node);
  const doomed = failed && row.onDependencyFailure !== "run";
  return {
    open,
    doomed,
    row: {
      ...row,
      dependsOn: node.dependsOn.length > 0 ? node.dependsOn : null,
      // One that is doomed must not become ready before it is ended.
      unmet: doomed ? Math.max(open.length, 1) : open.length,
      awaited,
      workflow: node.workflow,
    },
  };
}

const edgesOf = ({ row, open }: NodeRow): Edge[] => open.map((id) => ({ task: keyOf(row.id), on: keyOf(id) }));

/** Ends new tasks that a dependency has failed already, with all that depends on them. Answers all of them as they are now. */
export async function endFailed(
  context: EngineContext,
  tx: Db,
  { added, doomed }: Grown,
  after: After,
): Promise<readonly Added[]> {
  if (doomed.length === 0) return added;
  const first = await endDoomed(tx, doomed);
  const settled = await settle(tx, first);
  after(() => tellSettled(context, settled));
  const states = new Map<string, State>(settled.freed.map((id) => [id, "pending"]));
  for (const { id, outcome } of [...first, ...settled.ended]) states.set(id, outcome);
  return added.map((one) => ({ ...one, state: states.get(one.id) ?? one.state }));
}
