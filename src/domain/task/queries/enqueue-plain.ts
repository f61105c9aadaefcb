/**
 * Adding tasks that have nothing but a name, a payload and a priority: most do. Four statements, by whether requestIds are
 * noted and whether tasks go straight to claims that wait.
 */
import { z } from "zod";
import { booleans, bytes, floats, ints, jsonList, sql, texts, uuids } from "../../../db/sql.ts";
import type { RequestRow } from "../../request/queries.ts";
import { addedAt, isCatalogued, type TaskRow } from "./enqueue.ts";

/** What a plain task has: all else is as nobody has said it. */
export type PlainRow = Pick<TaskRow, "id" | "name" | "payload" | "priority">;

/** Whether enqueuePlainTasks can add it: with nothing but a name, a payload and a priority. */
export function isPlain(row: TaskRow): boolean {
  return (
    row.dedupeKey === null &&
    row.runAt === null &&
    row.delaySeconds === 0 &&
    row.maxAttempts === null &&
    row.dependsOn === null &&
    !row.awaited &&
    row.workflow === null &&
    !isCatalogued(row)
  );
}

/**
 * Adds plain tasks to one queue, as enqueueTasks does: no row when the queue is gone. Most tasks are plain, and for them
 * the other statement spends half of its time on what they have not: eleven more lists, and dedupe keys that nobody gave.
 */
export const enqueuePlainTasks = (queueId: number, rows: readonly PlainRow[], at: number) => sql.prepared(
  "enqueue_plain_tasks",
  z.strictObject({ keyed: z.array(z.uuid()) }),
)`
  with home as materialized (
    select q.max_attempts from queue q where q.id = ${queueId} for key share
  ), facts as (
    insert into task (id, queue_id, priority, max_attempts, run_at, added, updated, name, payload)
    select i.id, ${queueId}, i.priority, home.max_attempts, now(), ${addedAt(at)}, now(), i.name, i.payload
    from home cross join rows from (
      unnest(${uuids(rows.map((r) => r.id))}, ${texts(rows.map((r) => r.name))}, ${ints(rows.map((r) => r.priority))}),
      jsonb_array_elements(${jsonList(rows.map((r) => r.payload))}::jsonb)
    ) as i(id, name, priority, payload)
  ), ready as (
    insert into task_ready (queue_id, priority, run_at, id, attempts, lease_seq, name)
    select ${queueId}, i.priority, now(), i.id, 0, 0, i.name
    from home cross join unnest(
      ${uuids(rows.map((r) => r.id))}, ${texts(rows.map((r) => r.name))}, ${ints(rows.map((r) => r.priority))}
    ) as i(id, name, priority)
  ), counted as (
    insert into queue_delta (queue_id, enqueued) select ${queueId}, ${rows.length} from home
  )
  select array[]::uuid[] as keyed from home`;

/** A plain task of a call with a requestId, or of one without: null. */
export interface PlainRequestRow extends PlainRow {
  readonly requestId: string | null;
}

/** A requestId, what it was used for, and what will have been answered. */
export interface AnsweredRequest extends RequestRow {
  /** JSON text. */
  readonly answer: string;
}

const newRequests = (requests: readonly AnsweredRequest[], rememberedSeconds: number) => sql.fragment`
    insert into request as r (project_id, request_id, method, params_hash, answer)
    select i.project_id, i.request_id, i.method, i.params_hash, i.answer
    from home cross join rows from (
      unnest(
        ${ints(requests.map((r) => r.projectId))}, ${texts(requests.map((r) => r.requestId))},
        ${texts(requests.map((r) => r.method))}, ${bytes(requests.map((r) => r.paramsHash))}
      ),
      jsonb_array_elements(${jsonList(requests.map((r) => r.answer))}::jsonb)
    ) as i(project_id, request_id, method, params_hash, answer)
    order by i.project_id, i.request_id
    on conflict (project_id, request_id) do update
      set method = excluded.method, params_hash = excluded.params_hash, answer = excluded.answer, added = now()
      where r.added < now() - make_interval(secs => ${rememberedSeconds})
    returning r.request_id`;

/**
 * Adds plain tasks to one queue, those of calls with requestIds only if nobody had the id before, and notes what they are
 * answered: that is known before, so calls that can be repeated cost one statement like the others. Answers which ids were
 * new; no row when the queue is gone. Waits while another transaction holds one of the ids.
 *
 * The ids are taken in their order, so that two batches cannot wait for each other in a circle; one older than the memory
 * is taken over. Indexes: request's primary key.
 */
export const enqueuePlainTasksOnce = (
  queueId: number,
  rows: readonly PlainRequestRow[],
  at: number,
  requests: readonly AnsweredRequest[],
  rememberedSeconds: number,
) => sql.prepared("enqueue_plain_tasks_once", z.strictObject({ taken: z.array(z.string()) }))`
  with home as materialized (
    select q.max_attempts from queue q where q.id = ${queueId} for key share
  ), taken as (
    ${newRequests(requests, rememberedSeconds)}
  ), accepted as materialized (
    select i.* from home cross join rows from (
      unnest(
        ${uuids(rows.map((r) => r.id))}, ${texts(rows.map((r) => r.name))}, ${ints(rows.map((r) => r.priority))},
        ${texts(rows.map((r) => r.requestId))}
      ),
      jsonb_array_elements(${jsonList(rows.map((r) => r.payload))}::jsonb)
    ) as i(id, name, priority, request_id, payload)
    where i.request_id is null or i.request_id in (select k.request_id from taken k)
  ), facts as (
    insert into task (id, queue_id, priority, max_attempts, run_at, added, updated, name, payload)
    select a.id, ${queueId}, a.priority, home.max_attempts, now(), ${addedAt(at)}, now(), a.name, a.payload
    from home cross join accepted a
  ), ready as (
    insert into task_ready (queue_id, priority, run_at, id, attempts, lease_seq, name)
    select ${queueId}, a.priority, now(), a.id, 0, 0, a.name from accepted a
  ), counted as (
    insert into queue_delta (queue_id, enqueued)
    select ${queueId}, count(*) from accepted having count(*) > 0
  )
  select array(select k.request_id from taken k) as taken from home`;

/** A plain task that goes straight to a claim that waits for it. */
export interface HandedRow extends PlainRequestRow {
  /** False: the task becomes ready, as others do. */
  readonly handed: boolean;
  /** Null for the queue's own. */
  readonly leaseSeconds: number | null;
  readonly worker: string | null;
}

const HandedAnswer = z.strictObject({
  taken: z.array(z.string()),
  paused: z.boolean(),
  lease_seconds: z.number(),
  max_attempts: z.int(),
  claimed_at: z.number(),
});

// The two statements below differ in whether requestIds are noted, which a batch without them should not pay for: it is what
// stands between a producer and a worker that waits.
const handedHome = (queueId: number) => sql.fragment`
  home as materialized (
    select q.max_attempts, q.lease_seconds, q.paused from queue q where q.id = ${queueId} for key share
  )`;

const handedInput = (rows: readonly HandedRow[]) => sql.fragment`
    select i.id, i.name, i.priority, i.payload, i.lease, i.worker, i.handed and not home.paused as handed
    from home cross join rows from (
      unnest(
        ${uuids(rows.map((r) => r.id))}, ${texts(rows.map((r) => r.name))}, ${ints(rows.map((r) => r.priority))},
        ${texts(rows.map((r) => r.requestId))}, ${booleans(rows.map((r) => r.handed))},
        ${floats(rows.map((r) => r.leaseSeconds))}, ${texts(rows.map((r) => r.worker))}
      ),
      jsonb_array_elements(${jsonList(rows.map((r) => r.payload))}::jsonb)
    ) as i(id, name, priority, request_id, handed, lease, worker, payload)`;

const addAccepted = (queueId: number, at: number) => sql.fragment`
  facts as (
    insert into task (id, queue_id, priority, max_attempts, run_at, added, updated, name, payload)
    select a.id, ${queueId}, a.priority, home.max_attempts, now(), ${addedAt(at)}, now(), a.name, a.payload
    from home cross join accepted a
  ), lease as (
    insert into task_lease (id, queue_id, attempts, lease_seq, claimed_at, expires_at, has_dependents, worker)
    select a.id, ${queueId}, 1, 1, now(), now() + make_interval(secs => coalesce(a.lease, home.lease_seconds)), false, a.worker
    from home cross join accepted a where a.handed
  ), ready as (
    insert into task_ready (queue_id, priority, run_at, id, attempts, lease_seq, name)
    select ${queueId}, a.priority, now(), a.id, 0, 0, a.name from accepted a where not a.handed
  ), counted as (
    insert into queue_delta (queue_id, enqueued)
    select ${queueId}, count(*) from accepted having count(*) > 0
  )`;

/**
 * Adds plain tasks as enqueuePlainTasks does, some of them claimed from the start: one statement and one commit from a
 * producer to a worker that waits. In a paused queue all become ready. Answers whether it is, and what the claimers must
 * know; no row when the queue is gone.
 */
export const enqueueHandedTasks = (queueId: number, rows: readonly HandedRow[], at: number) => sql.prepared(
  "enqueue_handed_tasks",
  HandedAnswer,
)`
  with ${handedHome(queueId)}, accepted as materialized (${handedInput(rows)}
  ), ${addAccepted(queueId, at)}
  select array[]::text[] as taken, home.paused, home.lease_seconds, home.max_attempts, now() as claimed_at from home`;

/** The same for calls some of which have requestIds, as enqueuePlainTasksOnce. Indexes: request's primary key. */
export const enqueueHandedTasksOnce = (
  queueId: number,
  rows: readonly HandedRow[],
  at: number,
  requests: readonly AnsweredRequest[],
  rememberedSeconds: number,
) => sql.prepared("enqueue_handed_tasks_once", HandedAnswer)`
  with ${handedHome(queueId)}, taken as (
    ${newRequests(requests, rememberedSeconds)}
  ), accepted as materialized (${handedInput(rows)}
    where i.request_id is null or i.request_id in (select k.request_id from taken k)
  ), ${addAccepted(queueId, at)}
  select array(select k.request_id from taken k) as taken, home.paused, home.lease_seconds, home.max_attempts, now() as claimed_at
  from home`;
