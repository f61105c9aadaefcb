import type { FragmentSqlToken } from "slonik";
import { z } from "zod";
import { sql, texts, uuids } from "../../db/sql.ts";
import type { WorkflowState } from "./views.ts";

const Outcome = z.enum(["completed", "failed", "cancelled"]);

/** The queues of a workflow's tasks. Indexes: workflow's primary key, task_workflow_idx, queue's primary key. */
export const queuesOfWorkflow = (projectId: number, id: string) => sql.type(z.strictObject({ name: z.string() }))`
  select q.name from (
    select distinct t.queue_id from task t
    where t.workflow_id = (select w.id from workflow w where w.project_id = ${projectId} and w.id = ${sql.uuid(id)})
  ) t join queue q on q.id = t.queue_id`;

export const WorkflowRow = z.strictObject({
  id: z.uuid(),
  name: z.string().nullable(),
  outcome: Outcome.nullable(),
  added: z.number(),
  finished: z.number().nullable(),
});
export type WorkflowRow = z.output<typeof WorkflowRow>;

/** How a workflow whose tasks have all ended has ended. */
const outcomeOf = sql.fragment`
  case when w.stopped then 'cancelled' when w.failed + d.failed > 0 then 'failed'
       when w.cancelled + d.cancelled > 0 then 'cancelled' else 'completed' end::task_outcome`;

// A workflow as it is now: its row and what has not been folded into it yet. Both are of one snapshot, that of the tasks'.
const current = sql.fragment`
  w.id, w.name, w.added,
  case when w.unfinished - d.ended <= 0 then ${outcomeOf} end::text as outcome,
  case when w.unfinished - d.ended <= 0 then greatest(w.finished, d.at) end as finished`;
const unfolded = sql.fragment`
  cross join lateral (
    select coalesce(sum(d.ended), 0) as ended, coalesce(sum(d.failed), 0) as failed, coalesce(sum(d.cancelled), 0) as cancelled,
      max(d.at) as at
    from workflow_delta d where d.workflow_id = w.id
  ) d`;

/** Adds a workflow of so many tasks, at a time in epoch milliseconds. */
export const insertWorkflow = (id: string, projectId: number, name: string | null, tasks: number, at: number) =>
  sql.typeAlias("void")`
  insert into workflow (id, project_id, name, unfinished, added)
  values (${sql.uuid(id)}, ${projectId}, ${name}, ${tasks}, ${new Date(at).toISOString()}::timestamptz)`;

/**
 * The tasks of a workflow, fenced: the planner would otherwise walk all tasks in whatever order is asked for, and pick these.
 * Tasks are younger than their workflow, by the same clock but for some milliseconds, so older partitions are not looked at.
 */
const membersOf = (id: string, more = sql.fragment``) => sql.fragment`
  select t.id, t.queue_id, t.workflow_key as key, t.outcome, t.deleted_at is not null as deleted,
    t.dedupe_key, t.depends_on, t.on_dependency_failure as on_failure
  from task t where t.workflow_id = ${sql.uuid(id)} and t.id >= ${sql.uuid(anHourBefore(id))} ${more} offset 0`;

/** The smallest id of an hour before another was made. */
function anHourBefore(id: string): string {
  const ms = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) - 3_600_000;
  const time = Math.max(0, ms).toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`;
}

/**
 * Locks a project's workflow against others that would change its tasks as a whole, and before it the project against its
 * deletion, which takes both. Indexes: the primary keys of project and workflow.
 */
export const lockWorkflow = (projectId: number, id: string) => sql.type(z.strictObject({ id: z.uuid() }))`
  with home as materialized (
    select p.id from project p where p.id = ${projectId} for key share
  )
  select w.id from home cross join lateral (
    select w.id from workflow w where w.id = ${sql.uuid(id)} and w.project_id = home.id for no key update
  ) w`;

/** A project's workflow as it is now. Indexes: workflow's primary key, workflow_delta_idx. */
export const getWorkflow = (projectId: number, id: string) => sql.type(WorkflowRow)`
  select ${current} from workflow w ${unfolded} where w.id = ${sql.uuid(id)} and w.project_id = ${projectId}`;

const MemberRow = z.strictObject({
  key: z.string(),
  id: z.uuid(),
  queue: z.string(),
  state: z.string(),
  after: z.array(z.string()).nullable(),
});

/**
 * Workflows of a project with their tasks, each task in the order of ids, which is one in which they can run. One statement,
 * so that the states of the tasks are of the same moment as the workflow's; null for no tasks.
 * Indexes: the primary keys, task_workflow_idx.
 */
export const workflowsWithTasks = (projectId: number, ids: readonly string[]) => sql.type(
  z.strictObject({ ...WorkflowRow.shape, tasks: z.array(MemberRow).nullable() }),
)`
  select ${current}, m.tasks
  from workflow w ${unfolded} cross join lateral (
    select jsonb_agg(jsonb_build_object('key', t.workflow_key, 'id', t.id, 'queue', q.name, 'state', v.state,
      'after', t.depends_on_keys) order by t.id) as tasks
    from task t
    join lateral (select v.state from task_with_state v where v.id = t.id and v.queue_id = t.queue_id offset 0) v on true
    join lateral (select q.name from queue q where q.id = t.queue_id offset 0) q on true
    where t.workflow_id = w.id
  ) m
  where w.project_id = ${projectId} and w.id = any(${uuids(ids)}) order by w.added desc, w.id desc`;

/** Where a list goes on: after this one. `added` in epoch milliseconds. */
export interface WorkflowPlace {
  readonly added: number;
  readonly id: string;
}

/**
 * A page of a project's workflows, the newest first, with how many tasks each has, and of which queues where `withQueues`.
 * `states` are those of this moment: a workflow with something that has not been folded yet is found by that, the others by
 * their rows.
 * Indexes: those of workflow, one for each state; task_workflow_idx.
 */
export const listWorkflows = (
  projectId: number,
  states: readonly WorkflowState[] | null,
  before: WorkflowPlace | null,
  limit: number,
  withQueues: boolean,
) => {
  const further =
    before === null
      ? sql.fragment`true`
      : sql.fragment`(w.added, w.id) < (${new Date(before.added).toISOString()}::timestamptz, ${sql.uuid(before.id)})`;
  const page = (from: FragmentSqlToken, where: FragmentSqlToken) => sql.fragment`
    (select w.id, w.added from ${from} where w.project_id = ${projectId} and ${further} and ${where}
     order by w.added desc, w.id desc limit ${limit})`;
  const inState = (state: WorkflowState) =>
    page(
      sql.fragment`workflow w`,
      sql.fragment`${state === "running" ? sql.fragment`w.outcome is null` : sql.fragment`w.outcome = ${state}::task_outcome`}
        and w.id not in (select u.id from unfolded u)`,
    );
  const fresh = page(
    sql.fragment`unfolded u join workflow w on w.id = u.id ${unfolded}`,
    sql.fragment`coalesce(case when w.unfinished - d.ended <= 0 then ${outcomeOf} end::text, 'running') = any(${texts(states ?? [])})`,
  );
  const parts =
    states === null ? [page(sql.fragment`workflow w`, sql.fragment`true`)] : [...new Set(states)].map(inState);
  const queues = sql.fragment`array(
      select q.name from (select distinct t.queue_id from task t where t.workflow_id = w.id) t join queue q on q.id = t.queue_id)`;
  return sql.type(z.strictObject({ id: z.uuid(), added: z.number(), tasks: z.int(), queues: z.array(z.string()) }))`
    with unfolded as materialized (select distinct d.workflow_id as id from workflow_delta d)
    select w.id, w.added, (select count(*)::int from task t where t.workflow_id = w.id) as tasks,
      ${withQueues ? queues : sql.fragment`array[]::text[]`} as queues
    from (${sql.join(states === null ? parts : [...parts, fresh], sql.fragment` union all `)}) w
    order by w.added desc, w.id desc limit ${limit}`;
};

/** The keys of a workflow's tasks that are among these. Index: task_workflow_idx. */
export const membersByKey = (workflowId: string, keys: readonly string[]) => sql.type(
  z.strictObject({ key: z.string(), id: z.uuid() }),
)`
  select m.key, m.id from (${membersOf(workflowId, sql.fragment`and t.workflow_key = any(${texts(keys)})`)}) m`;

/** More tasks for a workflow that is locked. Index: its primary key. */
export const addToUnfinished = (id: string, tasks: number) => sql.typeAlias("void")`
  update workflow w set unfinished = w.unfinished + ${tasks} where w.id = ${sql.uuid(id)}`;

/** Says that a workflow is cancelled as a whole, or not any more. Index: its primary key. */
export const setStopped = (id: string, stopped: boolean) => sql.typeAlias("void")`
  update workflow w set stopped = ${stopped} where w.id = ${sql.uuid(id)}`;

/** Tasks of a workflow that have not ended, those first that depend on others. Index: task_workflow_idx. */
export const unfinishedMembers = (id: string, limit: number) => sql.type(
  z.strictObject({ id: z.uuid(), queue_id: z.int() }),
)`
  select m.id, m.queue_id from (${membersOf(id, sql.fragment`and t.outcome is null`)}) m order by m.id desc limit ${limit}`;

/** Keeps the tasks of a workflow that did not complete as they are. Indexes: task_workflow_idx, task's primary key. */
export const lockFailed = (id: string) => sql.type(z.strictObject({ id: z.uuid() }))`
  select t.id from (select m.* from (${membersOf(id)}) m order by m.id) m cross join lateral (
    select t.id from task t
    where t.id = m.id and t.queue_id = m.queue_id and t.outcome in ('failed', 'cancelled') and t.deleted_at is null for update
  ) t`;

export const MemberToRetry = z.strictObject({
  id: z.uuid(),
  queue_id: z.int(),
  outcome: Outcome.nullable(),
  deleted: z.boolean(),
  dedupe_key: z.string().nullable(),
  depends_on: z.array(z.uuid()).nullable(),
  on_failure: z.string(),
});
export type MemberToRetry = z.output<typeof MemberToRetry>;

/** All that workflow.retry must know of a workflow's tasks, in the order of ids. Index: task_workflow_idx. */
export const membersToRetry = (id: string) => sql.type(MemberToRetry)`
  select m.id, m.queue_id, m.outcome::text as outcome, m.deleted, m.dedupe_key, m.depends_on, m.on_failure
  from (${membersOf(id)}) m order by m.id`;

const Folded = z.strictObject({ id: z.uuid(), outcome: Outcome.nullable() });

// What was appended for the workflows of `homes`, which are locked: whoever folds takes first the workflow and then its
// rows, so that none waits for another in a circle. Those that are left with nothing to do have ended then.
const fold = sql.fragment`
  taken as (
    delete from workflow_delta d using homes h where d.workflow_id = any(array[h.id]) returning d.*
  ), sums as materialized (
    select t.workflow_id, sum(t.ended) as ended, sum(t.failed) as failed, sum(t.cancelled) as cancelled, max(t.at) as at
    from taken t group by t.workflow_id
  )
  update workflow w set unfinished = w.unfinished - d.ended, failed = w.failed + d.failed, cancelled = w.cancelled + d.cancelled,
    outcome = case when w.unfinished - d.ended <= 0 then ${outcomeOf} end,
    finished = case when w.unfinished - d.ended <= 0 then greatest(w.finished, d.at) end
  from sums d where w.id = any(array[d.workflow_id])
  returning w.id, w.outcome::text as outcome`;

/** Folds what was appended into a workflow that the caller has locked. Indexes: workflow_delta_idx, workflow's primary key. */
export const foldWorkflow = (id: string) => sql.type(Folded)`
  with homes as materialized (select ${sql.uuid(id)} as id), ${fold}`;

/**
 * Folds what was appended, of about the first `limit` rows, into those workflows that nobody is just changing; the others
 * are folded by whoever has them, or next time. Answers those that have ended, or run again. What was appended for
 * workflows that are gone goes. Indexes: workflow_delta_idx, workflow's primary key.
 */
export const foldWorkflows = (limit: number) => sql.type(Folded)`
  with picked as materialized (
    select distinct o.workflow_id from (select d.workflow_id from workflow_delta d limit ${limit}) o
  ), homes as materialized (
    select w.id from picked p cross join lateral (
      select w.id from workflow w where w.id = p.workflow_id for no key update skip locked
    ) w
  ), lost as (
    delete from workflow_delta d using picked p
    where d.workflow_id = any(array[p.workflow_id]) and not exists (select 1 from workflow w where w.id = d.workflow_id)
  ), ${fold}`;

/**
 * Forgets workflows that have ended and have no task left, from a place on, in the order of ids. Answers how far it came;
 * no row at the end. Indexes: workflow's primary key, task_workflow_idx.
 */
export const forgetWorkflows = (after: string, limit: number) => sql.type(
  z.strictObject({ last: z.uuid(), walked: z.int() }),
)`
  with walked as materialized (
    select w.id, w.outcome from workflow w where w.id > ${sql.uuid(after)} order by w.id limit ${limit}
  ), gone as (
    delete from workflow w using walked k
    where w.id = k.id and w.outcome is not null and not exists (select 1 from task t where t.workflow_id = w.id)
  )
  select k.id as last, (count(*) over ())::int as walked from walked k order by k.id desc limit 1`;
