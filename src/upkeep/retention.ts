import { forgetSessions, forgetVerifications } from "../domain/people/queries.ts";
import { forgetRequests } from "../domain/request/queries.ts";
import type { State } from "../domain/task/lifecycle.ts";
import { groupBy, purge } from "../domain/task/repository.ts";
import { dropOldKeys, expiredTasks, longDeleted, orphans } from "../domain/upkeep/queries.ts";
import { forgetWorkflows } from "../domain/workflow/queries.ts";
import type { EngineContext } from "../engine/context.ts";
import { tellSettled } from "../engine/settled.ts";
import type { Job } from "./loop.ts";

const BATCH = 1_000;
/** A deleted task can be restored for so long, unless its queue's retention ends before. */
const DELETED_KEPT_SECONDS = 30 * 86_400;
const BEFORE_ALL = "00000000-0000-0000-0000-000000000000";
/** A walk over the tasks that are old enough starts this often; within a walk batches follow one another. */
const WALK_EVERY_MS = 60_000;

/** Removes finished tasks when their queue's policy says so. */
export function retentionJob(context: EngineContext): Job {
  let after = BEFORE_ALL;
  return {
    name: "retention",
    everyMs: WALK_EVERY_MS,
    async run() {
      const walked = await context.hot.run((db) => db.any(expiredTasks(after, BATCH)));
      await remove(
        context,
        walked.filter((row) => row.over),
      );
      after = walked.length < BATCH ? BEFORE_ALL : walked.at(-1)!.id;
      return after !== BEFORE_ALL;
    },
  };
}

/** Removes the tasks of queues that are gone. */
export function orphansJob(context: EngineContext): Job {
  return {
    name: "orphans",
    everyMs: 600_000,
    async run() {
      const rows = await context.cold.run((db) => db.any(orphans(BATCH)));
      await remove(context, rows);
      return rows.length === BATCH;
    },
  };
}

/** Removes tasks that were deleted long ago: nobody brings them back any more. */
export function deletedJob(context: EngineContext): Job {
  return {
    name: "deleted tasks",
    everyMs: 600_000,
    async run() {
      const rows = await context.cold.run((db) => db.any(longDeleted(DELETED_KEPT_SECONDS, BATCH)));
      await remove(context, rows);
      return rows.length === BATCH;
    },
  };
}

/** Forgets workflows whose tasks are all gone. */
export function workflowsJob(context: EngineContext): Job {
  let after = BEFORE_ALL;
  return {
    name: "workflows",
    everyMs: WALK_EVERY_MS,
    async run() {
      const came = await context.cold.run((db) => db.maybeOne(forgetWorkflows(after, BATCH)));
      after = came?.walked === BATCH ? came.last : BEFORE_ALL;
      return after !== BEFORE_ALL;
    },
  };
}

async function remove(
  context: EngineContext,
  rows: readonly { id: string; queue_id: number; state: string | null }[],
): Promise<void> {
  for (const group of groupBy(rows, (row) => `${row.queue_id} ${row.state}`).values()) {
    const { queue_id, state } = group[0]!;
    const ids = group.map((row) => row.id);
    const { settled } = await context.hot.transaction((tx) => purge(tx, queue_id, ids, state as State | null));
    for (const id of ids) context.waiters.ended(queue_id, id);
    tellSettled(context, settled);
  }
}

/** Forgets requestIds after their 24 hours, dedupe keys that hold no more, and sessions that ran out. */
export function forgettingJobs(context: EngineContext): Job[] {
  return [
    {
      name: "forget requests",
      everyMs: 60_000,
      run: async () => (await context.hot.run((db) => db.any(forgetRequests(BATCH)))).length === BATCH,
    },
    {
      name: "forget dedupe keys",
      everyMs: 60_000,
      run: async () => (await context.hot.run((db) => db.any(dropOldKeys(BATCH)))).length === BATCH,
    },
    {
      name: "forget sessions",
      everyMs: 60_000,
      run: async () => (await context.cold.run((db) => db.any(forgetSessions(BATCH)))).length === BATCH,
    },
    {
      name: "forget verifications",
      everyMs: 60_000,
      run: async () => (await context.cold.run((db) => db.any(forgetVerifications(BATCH)))).length === BATCH,
    },
  ];
}
