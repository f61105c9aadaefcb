/**
 * The catalogue's side of a task: what people find it by. Only tasks that use it have rows here; the statements that move
 * tasks between states keep the copies in task_catalogue true: the hot ones themselves (see `listed` in finish.ts), the others
 * by catalogueTasks in their transaction.
 */
import { z } from "zod";
import { sql, texts, uuids } from "../../../db/sql.ts";
import type { TaskKey } from "./dependencies.ts";

/**
 * Puts tasks of one queue into the catalogue, or brings what it says of them up to date. Tasks that are not catalogued are
 * left out. Indexes: task's and task_catalogue's primary keys.
 */
export const catalogueTasks = (queueId: number, ids: readonly string[]) => sql.prepared(
  "catalogue_tasks",
  z.strictObject({ id: z.uuid() }),
)`
  insert into task_catalogue as c (id, queue_id, project_id, owner_id, name, priority, outcome, finished, due_at, hidden, words)
  select t.id, ${queueId}, q.project_id, t.owner_id, t.name, t.priority, t.outcome, t.finished, t.due_at, t.deleted_at is not null,
         task_words(t.name, t.description)
  from queue q cross join unnest(${uuids(ids)}) as i(id) cross join lateral (
    select t.id, t.owner_id, t.name, t.priority, t.outcome, t.finished, t.due_at, t.deleted_at, t.description from task t
    where t.id = i.id and t.queue_id = ${queueId} and t.catalogued offset 0
  ) t
  where q.id = ${queueId}
  on conflict (id, queue_id) do update set owner_id = excluded.owner_id, name = excluded.name, priority = excluded.priority,
    outcome = excluded.outcome, finished = excluded.finished, due_at = excluded.due_at,
    hidden = excluded.hidden, words = excluded.words
  returning c.id`;

/** Takes tasks that are gone out of the catalogue, and their labels with them. Index: task_catalogue's primary key. */
export const uncatalogueTasks = (queueId: number, ids: readonly string[]) => sql.prepared(
  "uncatalogue_tasks",
  z.strictObject({ id: z.uuid() }),
)`
  delete from task_catalogue c where c.queue_id = ${queueId} and c.id = any(${uuids(ids)}) returning c.id`;

/** Something that a task is labelled with: a tag by its key, a category by its name. */
export interface Label {
  readonly id: string;
  readonly label: string;
}

/**
 * Tags tasks of one queue, in the order given. Answers what it wrote: fewer than were given when a tag is gone.
 * Indexes: tag_key, task_tag's primary key.
 */
export const addTags = (projectId: number, queueId: number, labels: readonly Label[]) => sql.prepared(
  "add_tags",
  z.strictObject({ tag_id: z.int() }),
)`
  insert into task_tag as x (task_id, queue_id, tag_id, position)
  select i.id, ${queueId}, g.id, i.position
  from unnest(${uuids(labels.map(({ id }) => id))}, ${texts(labels.map(({ label }) => label))}) with ordinality as i(id, key, position)
  cross join lateral (
    select g.id from tag g where g.project_id = ${projectId} and g.key = i.key offset 0
  ) g
  returning x.tag_id`;

/**
 * Puts tasks of one queue into categories. Answers what it wrote: fewer than were given when a category is gone.
 * Indexes: category_name_key, task_category's primary key.
 */
export const addCategories = (projectId: number, queueId: number, labels: readonly Label[]) => sql.prepared(
  "add_categories",
  z.strictObject({ category_id: z.int() }),
)`
  insert into task_category as x (task_id, queue_id, category_id)
  select i.id, ${queueId}, c.id
  from unnest(${uuids(labels.map(({ id }) => id))}, ${texts(labels.map(({ label }) => label))}) as i(id, name)
  cross join lateral (
    select c.id from category c where c.project_id = ${projectId} and c.name = i.name offset 0
  ) c
  returning x.category_id`;

/** Takes a task's tags off. Index: task_tag's primary key. */
export const dropTags = ({ id, queueId }: TaskKey) => sql.typeAlias("void")`
  delete from task_tag where task_id = ${sql.uuid(id)} and queue_id = ${queueId}`;

/** Takes a task out of its categories. Index: task_category's primary key. */
export const dropCategories = ({ id, queueId }: TaskKey) => sql.typeAlias("void")`
  delete from task_category where task_id = ${sql.uuid(id)} and queue_id = ${queueId}`;

/** Counts a deleted task no more among those of its tags and categories, or again. Indexes: their primary keys. */
export const hideLabels = ({ id, queueId }: TaskKey, hide: boolean) => sql.typeAlias("void")`
  with tags as (
    update task_tag set hidden = ${hide} where task_id = ${sql.uuid(id)} and queue_id = ${queueId}
  )
  update task_category set hidden = ${hide} where task_id = ${sql.uuid(id)} and queue_id = ${queueId}`;

/** Folds what was appended into the tags' counts, in the order of their numbers; tags that are gone take theirs along. */
export const foldTags = () => sql.type(z.strictObject({ tags: z.number() }))`
  with taken as (
    delete from tag_delta d where d.ctid = any(array(select o.ctid from tag_delta o limit 50000 for update skip locked))
    returning d.tag_id, d.used
  ), sums as materialized (
    select t.tag_id, sum(t.used) as used from taken t group by t.tag_id
  ), homes as materialized (
    select g.id from tag g where g.id in (select s.tag_id from sums s) order by g.id for no key update
  ), done as (
    update tag g set used = g.used + s.used from sums s where g.id = s.tag_id and g.id in (select h.id from homes h) returning g.id
  )
  select count(*) as tags from done`;

/** The same for categories. */
export const foldCategories = () => sql.type(z.strictObject({ categories: z.number() }))`
  with taken as (
    delete from category_delta d where d.ctid = any(array(select o.ctid from category_delta o limit 50000 for update skip locked))
    returning d.category_id, d.tasks
  ), sums as materialized (
    select t.category_id, sum(t.tasks) as tasks from taken t group by t.category_id
  ), homes as materialized (
    select c.id from category c where c.id in (select s.category_id from sums s) order by c.id for no key update
  ), done as (
    update category c set tasks = c.tasks + s.tasks from sums s where c.id = s.category_id and c.id in (select h.id from homes h)
    returning c.id
  )
  select count(*) as categories from done`;
