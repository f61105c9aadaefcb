import { onDatabase } from "../stage.ts";

/** So many of each, whatever the number of tasks: 20 owners, 200 tags, 50 categories, 20 names, 4 queues. */
export const OWNERS = 20;
export const TAGS = 200;
export const CATEGORIES = 50;
const CHUNK = 50_000;

/** Words of the descriptions: each task has five of 400, and one in 5,000 tasks has a rare one. */
const WORDS = 400;
const RARE_EVERY = 5_000;

/**
 * Puts catalogued tasks into a database as the service would have left them, over six days: nine in ten completed, some
 * failed, cancelled, pending or deleted. Everything about a task follows from its number, so two databases differ in size alone.
 */
export async function addCatalogued(databaseUrl: string, total: number): Promise<void> {
  const run = (text: string, values: readonly unknown[] = []) => onDatabase(databaseUrl, text, values);
  await run(
    "insert into queue (project_id, name) select p.id, 'c' || n from project p, generate_series(0, 3) n where p.name = 'default'",
  );
  await run(`insert into tag (project_id, name, key) select p.id, w, w from project p,
    generate_series(0, ${TAGS - 1}) n cross join lateral (select chr(97 + n % 26) || 'tag' || n as w) t where p.name = 'default'`);
  await run(
    `insert into category (project_id, name) select p.id, 'category ' || n from project p, generate_series(0, ${CATEGORIES - 1}) n where p.name = 'default'`,
  );
  await run(
    "update category c set parent_id = (select o.id from category o where o.name = 'category ' || (substr(c.name, 10)::int / 10)) where substr(c.name, 10)::int >= 5",
  );
  for (let from = 0; from < total; from += CHUNK) await addSome(run, from, Math.min(total, from + CHUNK), total);
  await run(`insert into queue_total (queue_id, completed, failed, cancelled)
    select queue_id, count(*) filter (where outcome = 'completed'), count(*) filter (where outcome = 'failed'),
      count(*) filter (where outcome = 'cancelled') from task where deleted_at is null group by queue_id`);
}

type RunStatement = (text: string, values?: readonly unknown[]) => Promise<void>;

async function addSome(run: RunStatement, from: number, to: number, total: number): Promise<void> {
  await run(
    `with made as materialized (
       select n, q.id as queue_id, to_timestamp(ms / 1000.0) as at, o.outcome, n % 97 = 5 and o.outcome is not null as deleted,
         (lpad(to_hex(ms), 12, '0') || '7' || lpad(to_hex(n & 4095), 3, '0') || '8' || lpad(to_hex(n), 7, '0')
            || lpad(to_hex(q.id), 8, '0'))::uuid as id,
         'name ' || n * 31 % 20 as name, (n * 7 % 10)::smallint as priority, 'owner ' || n % ${OWNERS} as owner_id,
         array_to_string(array(select 'word' || (n * (k * 2 + 1) * 2654435761 >> 7) % ${WORDS} from generate_series(1, 5) k), ' ')
           || case when n % ${RARE_EVERY} = 17 then ' zebra' else '' end as description,
         case when n % 2 = 0 then to_timestamp(ms / 1000.0) + make_interval(hours => (n % 500)::int) end as due_at
       from generate_series($1::bigint, $2::bigint - 1) n
       cross join lateral (select (extract(epoch from now()) * 1000)::bigint - 518400000 + n * 518400000 / $3::bigint as ms) m
       cross join lateral (select case when n % 100 < 90 then 'completed' when n % 100 < 93 then 'failed'
                                       when n % 100 < 95 then 'cancelled' end::task_outcome as outcome) o
       join queue q on q.name = 'c' || n % 4
     ), facts as (
       insert into task (id, queue_id, priority, attempts, max_attempts, lease_seq, outcome, run_at, added, updated, finished,
         due_at, name, owner_id, description, catalogued, payload, errors, deleted_at)
       select id, queue_id, priority, 1, 5, 1, outcome, at, at, at, case when outcome is not null then at end, due_at, name,
         owner_id, description, true, jsonb_build_object('kind', 'kind ' || n % 20, 'account', n % 5000, 'n', n),
         case when outcome = 'failed' then '[{"attempt":1,"at":"2026-01-01T00:00:00Z","message":"no"}]'::jsonb end,
         case when deleted then at end
       from made
     ), listed as (
       insert into task_catalogue (id, queue_id, project_id, owner_id, name, priority, outcome, finished, due_at, words)
       select m.id, m.queue_id, q.project_id, owner_id, m.name, priority, outcome, case when outcome is not null then at end, due_at,
         task_words(m.name, m.description) from made m join queue q on q.id = m.queue_id
     ), ready as (
       insert into task_ready (queue_id, priority, run_at, id, attempts, lease_seq, name)
       select queue_id, priority, at, id, 1, 1, name from made where outcome is null
     ), tagged as (
       insert into task_tag (task_id, queue_id, tag_id, position, hidden)
       select m.id, m.queue_id, g.id, k, m.deleted from made m cross join generate_series(0, 1) k
       join tag g on g.name = chr(97 + (m.n * (1 + k * 6) % ${TAGS} % 26)::int) || 'tag' || m.n * (1 + k * 6) % ${TAGS}
       where k = 0 or m.n * 7 % ${TAGS} <> m.n % ${TAGS}
     )
     insert into task_category (task_id, queue_id, category_id, hidden)
     select m.id, m.queue_id, c.id, m.deleted from made m join category c on c.name = 'category ' || m.n * 3 % ${CATEGORIES}`,
    [from, to, total],
  );
}
