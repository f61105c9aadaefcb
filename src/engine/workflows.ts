import { violatedConstraint } from "../db/failure.ts";
import type { Db } from "../db/pool.ts";
import { InvalidParams, Refusal } from "../domain/refusals.ts";
import { runningOrder } from "../domain/workflow/graph.ts";
import * as queries from "../domain/workflow/queries.ts";
import { type WorkflowView, workflowView } from "../domain/workflow/views.ts";
import type { Node } from "./add-tasks.ts";
import { addNodes, endFailed } from "./add-tasks.ts";
import type { After, EngineContext } from "./context.ts";
import { formatCursor, parseCursor } from "./cursor.ts";
import type { Call, Engine, NewWorkflowTask, OfWorkflow } from "./engine.ts";
import { owned } from "./members.ts";
import { type Placed, placeAndAdd } from "./new-tasks.ts";
import { orAnswered, type RequestKey, repeatable } from "./repeatable.ts";
import { visible } from "./visible.ts";
import { cancelWorkflow } from "./workflow-cancel.ts";
import { lock, notFound } from "./workflow-lock.ts";
import { retryWorkflow } from "./workflow-retry.ts";

/** A page holds workflows of about so many tasks in all; one larger workflow is a page of its own. */
const PAGE_TASKS = 10_000;

/** A task of a workflow as the methods take it: without dependencies of its own, which are keys here. */
type Keyed = Omit<NewWorkflowTask, "dependsOn"> & { readonly after: readonly string[] };

const keyed = ({ dependsOn = [], ...task }: NewWorkflowTask): Keyed => ({ ...task, after: [...new Set(dependsOn)] });

interface Adding {
  readonly id: string;
  readonly placed: readonly Placed<Keyed>[];
  /** Places in an order in which the tasks can run, so that ids rise along the dependencies. */
  readonly order: readonly number[];
  /** Tasks that the workflow has already, by key. */
  readonly known: ReadonlyMap<string, string>;
  readonly at: number;
}

/** Adds tasks to a workflow that is there and locked. Answers their ids by key, in the order in which they were given. */
async function addTasks(context: EngineContext, tx: Db, adding: Adding, after: After): Promise<[string, string][]> {
  const { id, placed, order, known, at } = adding;
  const ids = new Map(known);
  for (const place of order) ids.set(placed[place]!.task.key, context.newId(placed[place]!.queue.id, at));
  const nodes: Node[] = order.map((place) => {
    const one = placed[place]!;
    const { key, after } = one.task;
    return {
      ...one,
      id: ids.get(key)!,
      dependsOn: after.map((other) => ids.get(other)!),
      workflow: { id, key, after },
    };
  });
  const grown = await addNodes(context, tx, nodes, at, after);
  // A task that exists already cannot be had: another workflow, or nobody, waits for it.
  if (grown.added.some(({ duplicate }) => duplicate)) throw new Refusal("conflict", { field: "dedupeKey" });
  await endFailed(context, tx, grown, after);
  return placed.map(({ task: { key } }) => [key, ids.get(key)!]);
}

function orderOf(tasks: readonly NewWorkflowTask[], known: ReadonlySet<string> = new Set()): readonly number[] {
  const found = runningOrder(tasks, known);
  if ("issues" in found) throw new InvalidParams(found.issues);
  return found.order;
}

async function create(context: EngineContext, params: Parameters<Engine["createWorkflow"]>[0], call: Call) {
  const { name, tasks } = params;
  const projectId = await context.directory.projectOf(params, call);
  const request = { projectId, requestId: params.requestId, method: "workflow.create", params };
  const order = orderOf(tasks);
  const made = await orAnswered(context.hot, request, () =>
    placeAndAdd(context, request, call, owned(tasks, call).map(keyed), (placed) =>
      repeatable(context.hot, request, (db, after) =>
        db.transaction(async (tx) => {
          const at = context.now();
          const id = context.newId(projectId, at);
          await tx.query(queries.insertWorkflow(id, projectId, name ?? null, tasks.length, at));
          return { id, tasks: await addTasks(context, tx, { id, placed, order, known: new Map(), at }, after) };
        }),
      ),
    ),
  ).catch((error) => {
    // The project went within the second in which it was remembered.
    if (violatedConstraint(error) === "workflow_project_id_fkey")
      throw new Refusal("not_found", { noun: "project", id: params.project ?? call.principal.project });
    throw error;
  });
  return { id: made.id, tasks: Object.fromEntries(made.tasks) };
}

async function add(context: EngineContext, params: Parameters<Engine["addToWorkflow"]>[0], call: Call) {
  const { id, tasks } = params;
  const projectId = await context.directory.projectOf(params, call);
  const request = { projectId, requestId: params.requestId, method: "workflow.add", params };
  const named = [...new Set(tasks.flatMap(({ key, dependsOn = [] }) => [key, ...dependsOn]))];
  const added = await orAnswered(context.hot, request, async () => {
    // Before queues and tags are made for its tasks.
    if (!(await context.hot.run((db) => db.maybeOne(queries.getWorkflow(projectId, id))))) throw notFound(id);
    await refuseHidden(context, projectId, id, call);
    return await placeAndAdd(context, request, call, owned(tasks, call).map(keyed), (placed) =>
      repeatable(context.hot, request, (db, after) =>
        db.transaction(async (tx) => {
          const { outcome } = await lock(tx, projectId, id);
          if (outcome !== null) throw new Refusal("wrong_state", { state: outcome });
          const known = new Map((await tx.any(queries.membersByKey(id, named))).map((row) => [row.key, row.id]));
          const order = orderOf(tasks, new Set(known.keys()));
          await tx.query(queries.addToUnfinished(id, tasks.length));
          return await addTasks(context, tx, { id, placed, order, known, at: context.now() }, after);
        }),
      ),
    );
  });
  return { id, tasks: Object.fromEntries(added) };
}

/** Those of these workflows that are the project's, and that the caller may know of: of all their tasks' queues. */
async function get(
  context: EngineContext,
  projectId: number,
  ids: readonly string[],
  { principal: { queues } }: Call,
): Promise<WorkflowView[]> {
  const rows = await context.cold.run((db) => db.any(queries.workflowsWithTasks(projectId, ids)));
  const views = rows.map(workflowView);
  return queues === null ? views : views.filter(({ tasks }) => tasks.every(({ queue }) => queues.allows(queue)));
}

/** Refuses a workflow with tasks in queues that the caller may not know of, as one that does not exist. */
async function refuseHidden(context: EngineContext, projectId: number, id: string, { principal }: Call): Promise<void> {
  const { queues } = principal;
  if (queues === null) return;
  const rows = await context.cold.run((db) => db.any(queries.queuesOfWorkflow(projectId, id)));
  if (!rows.every(({ name }) => queues.allows(name))) throw notFound(id);
}

type Listed = queries.WorkflowPlace & { readonly tasks: number; readonly queues: readonly string[] };

async function list(context: EngineContext, params: Parameters<Engine["listWorkflows"]>[0], call: Call) {
  const { states = null, cursor, limit } = params;
  const projectId = await context.directory.projectOf(params, call);
  const before = cursor === undefined ? null : placeOf(cursor);
  const { queues } = call.principal;
  const rows = await visible<Listed>(
    limit + 1,
    queues && ((row) => row.queues.every((name) => queues.allows(name))),
    (last, most) =>
      context.cold.run((db) => db.any(queries.listWorkflows(projectId, states, last ?? before, most, queues !== null))),
  );
  const page: Listed[] = [];
  for (const row of rows.slice(0, limit)) {
    if (page.length > 0 && page.reduce((sum, { tasks }) => sum + tasks, row.tasks) > PAGE_TASKS) break;
    page.push(row);
  }
  const workflows = await get(
    context,
    projectId,
    page.map(({ id }) => id),
    call,
  );
  return {
    // Read after the page was: one that has changed its state meanwhile is none of those asked for.
    workflows: states === null ? workflows : workflows.filter(({ state }) => states.includes(state)),
    nextCursor: rows.length > page.length ? formatCursor([String(page.at(-1)!.added), page.at(-1)!.id]) : null,
  };
}

function placeOf(cursor: string): queries.WorkflowPlace {
  const [added, id] = parseCursor(cursor, 2) as [string, string];
  if (!/^\d{1,14}$/.test(added) || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id))
    throw new InvalidParams([{ path: "cursor", message: "is not a cursor that a list gave" }]);
  return { added: Number(added), id };
}

/** The engine's part that makes and shows workflows. */
export function workflows(context: EngineContext) {
  /** One change of a whole workflow, in a transaction. */
  const change =
    <T>(method: string, act: (tx: Db, projectId: number, id: string, after: After) => Promise<T>) =>
    async (params: OfWorkflow, call: Call) => {
      const projectId = await context.directory.projectOf(params, call);
      const request: RequestKey = { projectId, requestId: params.requestId, method, params };
      await refuseHidden(context, projectId, params.id, call);
      return await repeatable(context.hot, request, (db, after) =>
        db.transaction((tx) => act(tx, projectId, params.id, after)),
      );
    };
  return {
    createWorkflow: (params: Parameters<Engine["createWorkflow"]>[0], call: Call) => create(context, params, call),
    addToWorkflow: (params: Parameters<Engine["addToWorkflow"]>[0], call: Call) => add(context, params, call),
    async getWorkflow(params: Parameters<Engine["getWorkflow"]>[0], call: Call) {
      const projectId = await context.directory.projectOf(params, call);
      const [found] = await get(context, projectId, [params.id], call);
      if (!found) throw notFound(params.id);
      return found;
    },
    listWorkflows: (params: Parameters<Engine["listWorkflows"]>[0], call: Call) => list(context, params, call),
    cancelWorkflow: change("workflow.cancel", (tx, projectId, id, after) =>
      cancelWorkflow(context, tx, projectId, id, after),
    ),
    retryWorkflow: change("workflow.retry", (tx, projectId, id, after) =>
      retryWorkflow(context, tx, projectId, id, after),
    ),
  };
}
