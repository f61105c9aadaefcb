import { z } from "zod";
import { floats, ints, sql, texts } from "../../db/sql.ts";
import { time } from "../task/views.ts";

export interface WorkerView {
  id: string;
  queues: string[];
  lastSeen: string;
  claimed: number;
  completed: number;
  failed: number;
}

const WorkerRow = z.strictObject({
  id: z.string(),
  queues: z.array(z.string()),
  last_seen: z.number(),
  seen_text: z.string(),
  claimed: z.number(),
  completed: z.number(),
  failed: z.number(),
});
export type WorkerRow = z.output<typeof WorkerRow>;

/** What one instance saw of a worker since it last said so. */
export interface WorkerDelta {
  readonly projectId: number;
  readonly id: string;
  readonly queues: readonly string[];
  readonly claimed: number;
  readonly completed: number;
  readonly failed: number;
  /** Seconds since it was last seen. */
  readonly ago: number;
}

const columns = sql.fragment`id, queues, last_seen, last_seen::text as seen_text, claimed, completed, failed`;

/**
 * Adds what was seen of workers, in the order of their names so that two instances cannot wait for each other in a circle.
 * A project that is gone is left out. Index: worker's primary key.
 */
export const addWorkers = (deltas: readonly WorkerDelta[]) => sql.typeAlias("void")`
  insert into worker as w (project_id, id, queues, last_seen, claimed, completed, failed)
  select i.project_id, i.id, array(select jsonb_array_elements_text(i.queues)), now() - make_interval(secs => i.ago),
         i.claimed, i.completed, i.failed
  from unnest(${ints(deltas.map((d) => d.projectId))}, ${texts(deltas.map((d) => d.id))},
              ${texts(deltas.map((d) => JSON.stringify(d.queues)))}::jsonb[], ${floats(deltas.map((d) => d.ago))},
              ${ints(deltas.map((d) => d.claimed))}, ${ints(deltas.map((d) => d.completed))}, ${ints(deltas.map((d) => d.failed))})
    as i(project_id, id, queues, ago, claimed, completed, failed)
  join project p on p.id = i.project_id
  order by i.project_id, i.id
  on conflict (project_id, id) do update set
    last_seen = greatest(w.last_seen, excluded.last_seen),
    claimed = w.claimed + excluded.claimed, completed = w.completed + excluded.completed, failed = w.failed + excluded.failed,
    queues = case when w.queues @> excluded.queues then w.queues
      else array(select distinct q from unnest(w.queues || excluded.queues) q order by q) end`;

/** One worker. Index: worker's primary key. */
export const getWorker = (projectId: number, id: string) => sql.type(WorkerRow)`
  select ${columns} from worker where project_id = ${projectId} and id = ${id}`;

/** A page of workers, the last seen first. Index: worker_last_seen_idx. */
export const listWorkers = (projectId: number, place: { key: string; id: string } | null, limit: number) => sql.type(
  WorkerRow,
)`
  select ${columns} from worker
  where project_id = ${projectId} and ${
    place
      ? sql.fragment`(last_seen < ${place.key}::timestamptz or (last_seen = ${place.key}::timestamptz and id > ${place.id}))`
      : sql.fragment`true`
  }
  order by last_seen desc, id limit ${limit}`;

export const workerView = (row: WorkerRow): WorkerView => ({
  id: row.id,
  queues: row.queues,
  lastSeen: time(row.last_seen),
  claimed: row.claimed,
  completed: row.completed,
  failed: row.failed,
});
