import { violatedConstraint } from "../db/failure.ts";
import type { Db } from "../db/pool.ts";
import * as queries from "../domain/queue/queries.ts";
import { queueView, statsView } from "../domain/queue/views.ts";
import { Refusal } from "../domain/refusals.ts";
import { STATES, type State } from "../domain/task/lifecycle.ts";
import { idsInState, retryTasks } from "../domain/task/queries/change.ts";
import { purge, recatalogue, retakeKey } from "../domain/task/repository.ts";
import type { EngineContext } from "./context.ts";
import { formatCursor, parseCursor } from "./cursor.ts";
import type { Call, Engine, InProject, OfQueue, Page } from "./engine.ts";
import { answered, repeatable } from "./repeatable.ts";
import { tellSettled } from "./settled.ts";
import { visible } from "./visible.ts";

/** Tasks moved or removed by one transaction of a bulk operation: long enough to be quick, short enough to wait for. */
const BULK = 1_000;

/**
 * Purging a task ends those that wait for it, or makes them ready. The states that they could come to by that are purged
 * before, and those made ready are spared, so that a call takes the tasks that were in its states when it came.
 */
const PURGE_ORDER: readonly State[] = ["completed", "failed", "cancelled", "waiting", "pending", "claimed"];

/** Changes a queue's row and answers it as it is then. */
async function changeQueue(
  context: EngineContext,
  method: string,
  params: OfQueue,
  call: Call,
  work: (db: Db, projectId: number) => Promise<{ id: number } | null>,
) {
  const projectId = await context.directory.projectOf(params, call);
  const view = await repeatable(context.cold, { projectId, requestId: params.requestId, method, params }, (outer) =>
    outer.transaction(async (db) => {
      const row = await work(db, projectId);
      if (!row) throw new Refusal("not_found", { noun: "queue", id: params.name });
      return queueView(await db.one(queries.queueById(projectId, row.id)));
    }),
  ).catch((error) => {
    // The project went within the second in which it was remembered.
    if (violatedConstraint(error) === "queue_project_id_fkey")
      throw new Refusal("not_found", { noun: "project", id: params.project ?? call.principal.project });
    throw error;
  });
  context.directory.forget(projectId, params.name);
  return view;
}

/** Runs a bulk operation in transactions of its own; with a requestId its answer is noted at the end. */
async function inBulk<T>(
  context: EngineContext,
  method: string,
  params: OfQueue,
  call: Call,
  work: (queue: queries.QueueRow) => Promise<T>,
): Promise<T> {
  const projectId = await context.directory.projectOf(params, call);
  const key = { projectId, requestId: params.requestId, method, params };
  if (params.requestId !== undefined) {
    const first = await answered<T>(context.cold, { ...key, requestId: params.requestId });
    if (first !== undefined) return first;
  }
  const answer = await work(await context.directory.queue(projectId, params.name));
  // Repeating such an operation moves what is left of it, so its parts need not be one transaction with the note.
  return await repeatable(context.cold, key, async () => answer);
}

/** Removes a queue's tasks of one state, but those in `spared`, and adds to `spared` what became ready by that. */
async function purgeState(context: EngineContext, queueId: number, state: State, spared: Set<string>): Promise<number> {
  let purged = 0;
  let after: string | null = null;
  for (;;) {
    const rows: readonly { id: string }[] = await context.cold.run((db) =>
      db.any(idsInState(queueId, state, after, BULK, { deleted: true })),
    );
    if (rows.length === 0) return purged;
    after = rows.at(-1)!.id;
    const ids = rows.map((row) => row.id).filter((id) => !spared.has(id));
    const { count, settled } = await context.hot.transaction((tx) => purge(tx, queueId, ids, state));
    purged += count;
    for (const id of settled.freed) spared.add(id);
    for (const id of ids) context.waiters.ended(queueId, id);
    tellSettled(context, settled);
  }
}

/** Removes all tasks of a queue whose row is gone. */
export async function purgeQueue(context: EngineContext, queueId: number): Promise<void> {
  for (const state of STATES) await purgeState(context, queueId, state, new Set());
}

async function redrive(
  context: EngineContext,
  queue: queries.QueueRow,
  params: Parameters<Engine["redriveQueue"]>[0],
): Promise<number> {
  const every = params.ratePerSecond === undefined ? 0 : 1 / params.ratePerSecond;
  const limit = params.limit ?? Number.POSITIVE_INFINITY;
  let moved = 0;
  let after: string | null = null;
  while (moved < limit) {
    const most = Math.min(BULK, limit - moved);
    const rows: readonly { id: string }[] = await context.cold.run((db) =>
      db.any(idsInState(queue.id, params.state, after, most, { names: params.names, deleted: false })),
    );
    if (rows.length === 0) break;
    after = rows.at(-1)!.id;
    const start = moved * every;
    moved += await context.hot.transaction((tx) =>
      reviveAll(
        tx,
        queue.id,
        rows.map((row) => row.id),
        start,
        every,
      ),
    );
    context.wakeups.wake(queue.id);
  }
  return moved;
}

/** Makes tasks pending again but those whose dedupe key another unfinished task holds by now. */
async function reviveAll(tx: Db, queueId: number, ids: readonly string[], delaySeconds: number, every: number) {
  const keyed = await tx.any(queries.keysOfTasks(queueId, ids));
  const held = new Set<string>();
  const retaken = new Set<string>();
  for (const { id, dedupe_key } of keyed) {
    // Of several finished tasks with one key the first gets it: it counts as unfinished only once it is revived below.
    if (retaken.has(dedupe_key) || !(await retakeKey(tx, queueId, dedupe_key, id))) held.add(id);
    else retaken.add(dedupe_key);
  }
  const free = ids.filter((id) => !held.has(id));
  const rows = await tx.any(retryTasks(queueId, free, { delaySeconds, every, restoring: false }));
  await recatalogue(tx, queueId, rows);
  return rows.length;
}

async function deleteQueue(context: EngineContext, params: Parameters<Engine["deleteQueue"]>[0], call: Call) {
  return await inBulk(context, "queue.delete", params, call, async (queue) => {
    const deleted = await context.cold.transaction(async (tx) => {
      if (!(await tx.maybeOne(queries.lockQueue(queue.id)))) return false;
      const { found } = await tx.one(queries.hasUnfinished(queue.id));
      if (found && !params.force) throw new Refusal("conflict", { field: "tasks" });
      // From here on no call finds the queue; its tasks are removed after, and by upkeep should this instance die.
      await tx.any(queries.deleteQueue(queue.id));
      return true;
    });
    context.directory.forget(queue.project_id, queue.name);
    if (!deleted) throw new Refusal("not_found", { noun: "queue", id: params.name });
    await purgeQueue(context, queue.id);
    return { name: params.name };
  });
}

/** The engine's part that manages queues. */
export function queues(context: EngineContext) {
  return {
    createQueue: (params: Parameters<Engine["createQueue"]>[0], call: Call) =>
      changeQueue(context, "queue.create", params, call, async (db, projectId) => {
        const created = await db.maybeOne(queries.insertQueue(projectId, params.name));
        if (!created) throw new Refusal("conflict", { field: "name" });
        return await db.maybeOne(queries.setPolicy(created.id, params));
      }),
    updateQueue: (params: Parameters<Engine["updateQueue"]>[0], call: Call) =>
      changeQueue(context, "queue.update", params, call, async (db, projectId) => {
        const queue = await db.maybeOne(queries.queueByName(projectId, params.name));
        return queue && (await db.maybeOne(queries.setPolicy(queue.id, params)));
      }),
    async setPaused(params: OfQueue & { readonly paused: boolean }, call: Call) {
      const method = params.paused ? "queue.pause" : "queue.resume";
      const view = await changeQueue(context, method, params, call, async (db, projectId) => {
        const queue = await db.maybeOne(queries.queueByName(projectId, params.name));
        return queue && (await db.maybeOne(queries.setPaused(queue.id, params.paused)));
      });
      if (!params.paused) context.wakeups.wake(view.id);
      return view;
    },
    async getQueue(params: InProject & { readonly name: string }, call: Call) {
      const projectId = await context.directory.projectOf(params, call);
      const row = await context.cold.run((db) => db.maybeOne(queries.queueByName(projectId, params.name)));
      if (!row) throw new Refusal("not_found", { noun: "queue", id: params.name });
      return queueView(row);
    },
    async listQueues(params: Page, call: Call) {
      const projectId = await context.directory.projectOf(params, call);
      const after = params.cursor === undefined ? "" : parseCursor(params.cursor, 1)[0]!;
      const { queues } = call.principal;
      const rows = await visible<queries.QueueRow>(
        params.limit + 1,
        queues && (({ name }) => queues.allows(name)),
        (last, limit) => context.cold.run((db) => db.any(queries.listQueues(projectId, last?.name ?? after, limit))),
      );
      const page = rows.slice(0, params.limit);
      const nextCursor = rows.length > params.limit ? formatCursor([page.at(-1)!.name]) : null;
      return { queues: page.map(queueView), nextCursor };
    },
    deleteQueue: (params: Parameters<Engine["deleteQueue"]>[0], call: Call) => deleteQueue(context, params, call),
    purgeQueue: (params: OfQueue & { readonly states: readonly State[] }, call: Call) =>
      inBulk(context, "queue.purge", params, call, async (queue) => {
        const spared = new Set<string>();
        let purged = 0;
        for (const state of PURGE_ORDER)
          if (params.states.includes(state)) purged += await purgeState(context, queue.id, state, spared);
        return { purged };
      }),
    redriveQueue: (params: Parameters<Engine["redriveQueue"]>[0], call: Call) =>
      inBulk(context, "queue.redrive", params, call, async (queue) => ({
        moved: await redrive(context, queue, params),
      })),
    async queueStats(params: InProject & { readonly name?: string | undefined }, call: Call) {
      const projectId = await context.directory.projectOf(params, call);
      const rows = await context.cold.run((db) => db.any(queries.queueStats(projectId, params.name ?? null)));
      const { queues } = call.principal;
      if (params.name === undefined)
        return { queues: rows.filter(({ queue }) => queues?.allows(queue) !== false).map(statsView) };
      if (!rows[0]) throw new Refusal("not_found", { noun: "queue", id: params.name });
      return statsView(rows[0]);
    },
  };
}
