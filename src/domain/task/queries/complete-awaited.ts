/**
 * Completing tasks whose end must be told: to tasks that wait for them, and to their workflows. One statement from a task to
 * the next, handed to a claim that waits for it.
 */
import { z } from "zod";
import { floats, ints, jsons, sql, texts, uuids } from "../../../db/sql.ts";
import type { Lease } from "../receipt.ts";
import { firstPlaces, limitOf, type Share } from "./claim.ts";
import { settling } from "./dependencies.ts";
import { listed, unlisted } from "./finish.ts";
import { toldWorkflows } from "./workflow-ends.ts";

/** Claims of one kind that wait for tasks of the queue. */
export interface Waiting {
  /** In the order of their turns. */
  readonly shares: readonly Share[];
  /** Null takes any task. */
  readonly names: readonly string[] | null;
}

const CompletedRow = z.strictObject({
  what: z.literal("completed"),
  id: z.uuid(),
  queue_id: z.int(),
  lease_seq: z.int(),
  worker: z.string().nullable(),
  unlisted: z.boolean(),
  share: z.null(),
  place: z.null(),
});
const FreedRow = CompletedRow.extend({
  what: z.literal("freed"),
  lease_seq: z.null(),
  worker: z.null(),
  unlisted: z.null(),
});
const HandedRow = FreedRow.extend({ what: z.literal("handed"), lease_seq: z.int(), share: z.int(), place: z.int() });

/**
 * Completes claimed tasks of one queue, with all that hangs on it: their workflows are told, and tasks that waited for them
 * become ready with their last dependency, in whatever queue. Those of this queue that are due go to `waiting` claims, if the
 * queue is not paused. Answers the tasks that were completed, that became ready (`freed`), and that were claimed (`handed`:
 * to which share, counted from 1, and its place among all).
 *
 * Who comes to wait for a task changes its lease's row first (markAwaited). So a lease that is still as this statement's
 * snapshot saw it has no waiting task but those that the snapshot sees too, and ends here; one that has changed is left
 * alone, and the call must come again.
 * Indexes: the primary keys.
 */
export const completeAwaitedTasks = (
  queueId: number,
  items: readonly (Lease & { readonly result?: unknown })[],
  waiting: Waiting,
) => sql.prepared("complete_awaited_tasks", z.discriminatedUnion("what", [CompletedRow, FreedRow, HandedRow]))`
  with input as materialized (
    select * from unnest(
      ${uuids(items.map((i) => i.id))}, ${ints(items.map((i) => i.leaseSeq))}, ${jsons(items.map((i) => i.result))}::jsonb[]
    ) as i(id, seq, result) order by i.id
  ), seen as materialized (
    select i.id, ${queueId}::int as queue_id, i.seq, i.result, l.version from input i cross join lateral (
      select l.xmin::text as version from task_lease l where l.id = i.id and l.queue_id = ${queueId} and l.lease_seq = i.seq offset 0
    ) l
  ), held as (
    delete from task_lease l using seen s
    where l.id = any(array[s.id]) and l.queue_id = s.queue_id and l.lease_seq = s.seq and l.xmin::text = s.version
    returning l.id, l.queue_id, l.attempts, l.lease_seq, l.worker, l.claimed_at, l.progress, s.result
  ), done as (
    update task t set outcome = 'completed', finished = now(), updated = now(), attempts = h.attempts, lease_seq = h.lease_seq,
      result = h.result, progress = h.progress, last_worker = h.worker, last_claimed = h.claimed_at
    from held h
    where t.id = any(array[h.id]) and t.queue_id = h.queue_id
    returning t.id, t.queue_id, t.lease_seq, t.outcome, t.finished, t.catalogued, t.workflow_id, h.worker
  ), ${listed}, ${toldWorkflows}, counted as (
    insert into queue_delta (queue_id, completed) select ${queueId}, count(*) from done having count(*) > 0
  ), ended as (
    select d.id, d.queue_id, true as completed from done d
  ), ${settling}, home as materialized (
    select q.lease_seconds from queue q where q.id = ${queueId} and not q.paused
  ), picked as materialized (
    select f.*, home.lease_seconds, row_number() over ()::int as place from home cross join (
      select f.* from free f
      where f.queue_id = ${queueId} and f.run_at <= now()
        and (${waiting.names === null} or f.name = any(${texts(waiting.names ?? [])}))
      order by f.priority, f.run_at, f.id limit ${limitOf(waiting)}
    ) f
  ), handed as materialized (
    select p.*, width_bucket(p.place, ${ints(waiting.shares.length > 0 ? firstPlaces(waiting) : [1])}) as share from picked p
  ), lease as (
    insert into task_lease (id, queue_id, attempts, lease_seq, claimed_at, expires_at, has_dependents, worker)
    select h.id, h.queue_id, 1, h.lease_seq + 1, now(),
      now() + make_interval(secs =>
        coalesce((${floats(waiting.shares.map(({ leaseSeconds }) => leaseSeconds))})[h.share], h.lease_seconds)),
      h.has_dependents, (${texts(waiting.shares.map(({ worker }) => worker))})[h.share]
    from handed h
  ), ready as (
    insert into task_ready (queue_id, priority, run_at, id, attempts, lease_seq, has_dependents, name)
    select f.queue_id, f.priority, f.run_at, f.id, 0, f.lease_seq, f.has_dependents, f.name from free f
    where f.id not in (select h.id from handed h)
  )
  select 'completed' as what, d.id, d.queue_id, d.lease_seq, d.worker, ${unlisted}, null::int as share, null::int as place from done d
  union all
  select 'freed', f.id, f.queue_id, null, null, null, null, null from free f where f.id not in (select h.id from handed h)
  union all
  select 'handed', h.id, h.queue_id, h.lease_seq + 1, null, null, h.share, h.place from handed h`;
