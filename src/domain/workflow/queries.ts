import { z } from "zod";
import { ints, sql, texts, uuids } from "../../db/sql.ts";
import type { TaskKey } from "../task/queries/dependencies.ts";

const Outcome = z.enum(["completed", "failed", "cancelled"]);

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

/** One of a workflow's tasks. */
export interface Member extends TaskKey {
  readonly key: string;
  /** The keys of those it depends on, in the order of the task's. */
  readonly after: readonly string[];
  readonly onFailure: string;
}

/** Says which tasks are a workflow's. */
export const insertMembers = (workflowId: string, members: readonly Member[]) => sql.typeAlias("void")`
  insert into workflow_task (id, queue_id, workflow_id, key, after, on_failure)
  select i.id, i.queue_id, ${sql.uuid(workflowId)}, i.key,
    case when i.after <> '[]' then array(select jsonb_array_elements_text(i.after)) end, i.on_failure
  from unnest(
    ${uuids(members.map((m) => m.id))}, ${ints(members.map((m) => m.queueId))}, ${texts(members.map((m) => m.key))},
    ${texts(members.map((m) => JSON.stringify(m.after)))}::jsonb[], ${texts(members.map((m) => m.onFailure))}
  ) as i(id, queue_id, key, after, on_failure)`;

/** Locks a project's workflow against others that would change its tasks as a whole. Index: workflow's primary key. */
export const lockWorkflow = (projectId: number, id: string) => sql.type(z.strictObject({ id: z.uuid() }))`
  select w.id from workflow w where w.id = ${sql.uuid(id)} and w.project_id = ${projectId} for no key update`;

/** A project's workflow as it is now. Indexes: workflow's primary key, workflow_delta_idx. */
export const getWorkflow = (projectId: number, id: string) => sql.type(WorkflowRow)`
  select ${current} from workflow w ${unfolded} where w.id = ${sql.uuid(id)} and w.project_id = ${projectId}`;

export const MemberRow = z.strictObject({
  workflow_id: z.uuid(),
  key: z.string(),
  id: z.uuid(),
  queue: z.string(),
  state: z.string(),
  after: z.array(z.string()).nullable(),
});
export type MemberRow = z.output<typeof MemberRow>;

/**
 * Workflows of a project with their tasks, each task in the order of ids, which is one in which they can run. One statement,
 * so that the states of the tasks are of the same moment as the workflow's. A workflow without tasks has one row of nulls.
 * Indexes: the primary keys, workflow_task_key.
 */
export const workflowsWithTasks = (projectId: number, ids: readonly string[]) => sql.type(
  z.strictObject({
    ...WorkflowRow.shape,
    tasks: z.array(MemberRow.omit({ workflow_id: true })).nullable(),
  }),
)`
  select ${current}, m.tasks
  from workflow w ${unfolded} cross join lateral (
    select jsonb_agg(jsonb_build_object('key', m.key, 'id', m.id, 'queue', q.name, 'state', v.state, 'after', m.after) order by m.id) as tasks
    from workflow_task m
    join lateral (select v.state from task_with_state v where v.id = m.id and v.queue_id = m.queue_id offset 0) v on true
    join lateral (select q.name from queue q where q.id = m.queue_id offset 0) q on true
    where m.workflow_id = w.id
  ) m
  where w.project_id = ${projectId} and w.id = any(${uuids(ids)}) order by w.added desc, w.id desc`;

/** Where a list goes on: after this one. `added` in epoch milliseconds. */
export interface WorkflowPlace {
  readonly added: number;
  readonly id: string;
}

/** A page of a project's workflows, the newest first, with how many tasks each has. Indexes: those of workflow. */
export const listWorkflows = (
  projectId: number,
  states: readonly string[] | null,
  before: WorkflowPlace | null,
  limit: number,
) => sql.type(z.strictObject({ id: z.uuid(), added: z.number(), tasks: z.int() }))`
  select w.id, w.added, (select count(*)::int from workflow_task m where m.workflow_id = w.id) as tasks
  from workflow w
  where w.project_id = ${projectId}
    and ${before === null ? sql.fragment`true` : sql.fragment`(w.added, w.id) < (${new Date(before.added).toISOString()}::timestamptz, ${sql.uuid(before.id)})`}
    and ${states === null ? sql.fragment`true` : sql.fragment`coalesce(w.outcome::text, 'running') = any(${texts(states)})`}
  order by w.added desc, w.id desc limit ${limit}`;

/** The keys of a workflow's tasks that are among these. Index: workflow_task_key. */
export const membersByKey = (workflowId: string, keys: readonly string[]) => sql.type(
  z.strictObject({ key: z.string(), id: z.uuid() }),
)`
  select m.key, m.id from workflow_task m where m.workflow_id = ${sql.uuid(workflowId)} and m.key = any(${texts(keys)})`;

/** More tasks for a workflow that is locked. Index: its primary key. */
export const addToUnfinished = (id: string, tasks: number) => sql.typeAlias("void")`
  update workflow w set unfinished = w.unfinished + ${tasks} where w.id = ${sql.uuid(id)}`;

/** Says that a workflow is cancelled as a whole, or not any more. Index: its primary key. */
export const setStopped = (id: string, stopped: boolean) => sql.typeAlias("void")`
  update workflow w set stopped = ${stopped} where w.id = ${sql.uuid(id)}`;

// Fenced: the planner would otherwise walk all workflows' tasks in the order asked for, and pick this one's.
const membersOf = (id: string) => sql.fragment`
  select m.id, m.queue_id, m.on_failure from workflow_task m where m.workflow_id = ${sql.uuid(id)} offset 0`;

/**
 * Tasks of a workflow that have not ended, those first that depend on others. Indexes: workflow_task_key, task's primary key.
 */
export const unfinishedMembers = (id: string, limit: number) => sql.type(
  z.strictObject({ id: z.uuid(), queue_id: z.int() }),
)`
  select m.id, m.queue_id from (${membersOf(id)}) m cross join lateral (
    select 1 from task t where t.id = m.id and t.queue_id = m.queue_id and t.outcome is null offset 0
  ) t
  order by m.id desc limit ${limit}`;

/** Keeps the tasks of a workflow that did not complete as they are. Index: as unfinishedMembers. */
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

/** All that workflow.retry must know of a workflow's tasks, in the order of ids. Indexes: as unfinishedMembers. */
export const membersToRetry = (id: string) => sql.type(MemberToRetry)`
  select m.id, m.queue_id, t.outcome::text as outcome, t.deleted, t.dedupe_key, t.depends_on, m.on_failure
  from (${membersOf(id)}) m cross join lateral (
    select t.outcome, t.deleted_at is not null as deleted, t.dedupe_key, t.depends_on
    from task t where t.id = m.id and t.queue_id = m.queue_id offset 0
  ) t
  order by m.id`;

/**
 * Folds what was appended into the workflows; those that are left with nothing to do have ended then. `id` names one, which
 * the caller has locked. Otherwise up to `limit` rows, waiting for nobody. Answers those that have ended, or run again.
 * Locks the workflows in the order of ids. Index: workflow's primary key.
 */
export const foldWorkflows = (limit: number, id: string | null = null) => sql.type(
  z.strictObject({ id: z.uuid(), outcome: Outcome.nullable() }),
)`
  with taken as (
    delete from workflow_delta d where d.ctid = any(array(
      select o.ctid from workflow_delta o where ${id === null ? sql.fragment`true` : sql.fragment`o.workflow_id = ${sql.uuid(id)}`}
      limit ${limit} for update ${id === null ? sql.fragment`skip locked` : sql.fragment``}))
    returning d.*
  ), sums as materialized (
    select t.workflow_id, sum(t.ended) as ended, sum(t.failed) as failed, sum(t.cancelled) as cancelled, max(t.at) as at
    from taken t group by t.workflow_id order by t.workflow_id
  ), homes as materialized (
    select s.* from sums s cross join lateral (
      select w.id from workflow w where w.id = s.workflow_id for no key update
    ) w
  )
  update workflow w set unfinished = w.unfinished - d.ended, failed = w.failed + d.failed, cancelled = w.cancelled + d.cancelled,
    outcome = case when w.unfinished - d.ended <= 0 then ${outcomeOf} end,
    finished = case when w.unfinished - d.ended <= 0 then greatest(w.finished, d.at) end
  from homes d where w.id = any(array[d.workflow_id])
  returning w.id, w.outcome::text as outcome`;

/**
 * Forgets workflows that have ended and have no task left, from a place on, in the order of ids. Answers how far it came;
 * no row at the end. Index: workflow's primary key, workflow_task_key.
 */
export const forgetWorkflows = (after: string, limit: number) => sql.type(
  z.strictObject({ last: z.uuid(), walked: z.int() }),
)`
  with walked as materialized (
    select w.id, w.outcome from workflow w where w.id > ${sql.uuid(after)} order by w.id limit ${limit}
  ), gone as (
    delete from workflow w using walked k
    where w.id = k.id and w.outcome is not null and not exists (select 1 from workflow_task m where m.workflow_id = w.id)
  )
  select k.id as last, (count(*) over ())::int as walked from walked k order by k.id desc limit 1`;
