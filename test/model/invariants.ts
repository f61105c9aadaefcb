/** What must hold of the tables whatever was called, asked in SQL that owes nothing to the service's own. */
import type pg from "pg";
import type { Model } from "./state.ts";

const RULES: Record<string, string> = {
  "a task is in exactly one place": `
    select t.id::text from mine t where
      (select count(*) from task_ready r where r.id = t.id) + (select count(*) from task_lease l where l.id = t.id)
      + (select count(*) from task_waiting w where w.id = t.id) + (t.outcome is not null)::int <> 1`,
  "what is in a narrow table is a task of that queue": `
    select n.id::text from (select id, queue_id from task_ready union all select id, queue_id from task_lease
      union all select id, queue_id from task_waiting) n
    where not exists (select 1 from task t where t.id = n.id and t.queue_id = n.queue_id)`,
  "finished is set exactly in final states": `
    select t.id::text from mine t where (t.finished is not null) <> (t.outcome is not null)`,
  "attempts never pass the maximum": `
    select t.id::text from mine t left join task_lease l on l.id = t.id left join task_ready r on r.id = t.id
    where greatest(t.attempts, l.attempts, r.attempts) > t.max_attempts`,
  "a pending task has an attempt left": `
    select t.id::text from mine t join task_ready r on r.id = t.id where r.attempts >= t.max_attempts`,
  "the lease sequence goes on and never back": `
    select t.id::text from mine t left join task_lease l on l.id = t.id left join task_ready r on r.id = t.id
    where l.lease_seq <= t.lease_seq or r.lease_seq < t.lease_seq`,
  "a ready task is where its facts say": `
    select t.id::text from mine t join task_ready r on r.id = t.id
    where (r.priority, r.run_at, r.name) is distinct from (t.priority, t.run_at, t.name)`,
  "a waiting task counts its dependencies": `
    select t.id::text from mine t join task_waiting w on w.id = t.id
    where w.unmet <> (select count(*) from task_dependency d where d.task_id = t.id)`,
  "a waiting task waits for unfinished ones, which know it": `
    select t.id::text from mine t join task_waiting w on w.id = t.id join task_dependency d on d.task_id = t.id
    left join (select id, has_dependents from task_ready union all select id, has_dependents from task_lease
               union all select id, has_dependents from task_waiting) p on p.id = d.on_id
    where p.has_dependents is not true`,
  "one unfinished task a key": `
    select min(t.id::text) from mine t where t.dedupe_key is not null and t.outcome is null
    group by t.queue_id, t.dedupe_key having count(*) > 1`,
  "an unfinished task holds its key": `
    select t.id::text from mine t where t.dedupe_key is not null and t.outcome is null and not exists (
      select 1 from task_dedupe d where d.queue_id = t.queue_id and d.key = t.dedupe_key and d.task_id = t.id)`,
  "counters are what there is to count": `
    select q.name from queue q
    left join queue_total f on f.queue_id = q.id
    where q.name = any($1) and exists (
      select 1 from (values ('completed', f.completed), ('failed', f.failed), ('cancelled', f.cancelled)) s(outcome, folded)
      where coalesce(s.folded, 0) + (
        select coalesce(sum(case s.outcome when 'completed' then d.completed when 'failed' then d.failed else d.cancelled end), 0)
        from queue_delta d where d.queue_id = q.id)
      <> (select count(*) from mine t where t.queue_id = q.id and t.outcome::text = s.outcome and t.deleted_at is null))`,
};

const MINE = "mine as (select t.* from task t join queue q on q.id = t.queue_id where q.name = any($1))";

/** The rules that do not hold for the tasks of a model's queues, each with an example. */
export async function brokenInvariants(client: pg.Client, model: Model): Promise<string[]> {
  const rules = Object.entries(RULES);
  const one = rules.map(
    ([, sql], at) => `(select ${at} as rule, min(broken) as id from (${sql}) b(broken) having count(*) > 0)`,
  );
  const { rows } = await client.query<{ rule: number; id: string }>({
    name: "invariants",
    text: `with ${MINE} ${one.join(" union all ")}`,
    values: [[...model.queues.keys()]],
  });
  return rows.map(({ rule, id }) => `${rules[rule]![0]}: not so for ${id}`);
}
