import type { FragmentSqlToken } from "slonik";
import { z } from "zod";
import { ints, sql, texts, uuids } from "../../db/sql.ts";
import type { TaskKey } from "../task/queries/dependencies.ts";
import type { WorkflowState } from "./views.ts";

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

/**
 * A page of a project's workflows, the newest first, with how many tasks each has. `states` are those of this moment: a
 * workflow with something that has not been folded yet is found by that, the others by their rows.
 * Indexes: those of workflow, one for each state; workflow_task_key.
 */
export const listWorkflows = (
  projectId: number,
  states: readonly WorkflowState[] | null,
  before: WorkflowPlace | null,
  limit: number,
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
  return sql.type(z.strictObject({ id: z.uuid(), added: z.number(), tasks: z.int() }))`
    with unfolded as materialized (select distinct d.workflow_id as id from workflow_delta d)
    select w.id, w.added, (select count(*)::int from workflow_task m where m.workflow_id = w.id) as tasks
    from (${sql.join(states === null ? parts : [...parts, fresh], sql.fragment` union all `)}) w
    order by w.added desc, w.id desc limit ${limit}`;
};

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
