import { z } from "zod";
import { ints, sql } from "../../db/sql.ts";

export const ProjectRow = z.strictObject({
  id: z.int(),
  name: z.string(),
  description: z.string().nullable(),
  added: z.number(),
  updated: z.number(),
});
export type ProjectRow = z.output<typeof ProjectRow>;

const columns = sql.fragment`p.id, p.name, p.description, p.added, p.updated`;

/** One project by name. Index: project_name_key. */
export const projectByName = (name: string) => sql.type(ProjectRow)`
  select ${columns} from project p where p.name = ${name}`;

/** A page of projects by name: of these, or of all where `only` is null. Indexes: project_name_key, the primary key. */
export const listProjects = (only: readonly number[] | null, after: string, limit: number) => sql.type(ProjectRow)`
  select ${columns} from project p
  where p.name > ${after} and ${only === null ? sql.fragment`true` : sql.fragment`p.id = any(${ints(only)})`}
  order by p.name limit ${limit}`;

/** Creates a project; answers no row when the name is taken. Index: project_name_key. */
export const insertProject = (name: string, description: string | null) => sql.type(ProjectRow)`
  insert into project as p (name, description) values (${name}, ${description})
  on conflict (name) do nothing returning ${columns}`;

/** Renames or describes a project; undefined leaves what is there. Index: project's primary key. */
export const updateProject = (
  id: number,
  patch: { readonly newName?: string | undefined; readonly description?: string | null | undefined },
) => sql.type(ProjectRow)`
  update project p set name = coalesce(${patch.newName ?? null}, p.name),
    description = case when ${patch.description !== undefined} then ${patch.description ?? null}::text else p.description end
  where p.id = ${id} returning ${columns}`;

/**
 * Locks a project's row before anything that goes with it; no row when it is gone. Whoever changes a workflow as a whole has
 * locked the project for key share before, so neither waits for the other in a circle. Index: project's primary key.
 */
export const lockProject = (id: number) => sql.type(z.strictObject({ id: z.int() }))`
  select p.id from project p where p.id = ${id} for update`;

/** Locks a project's queues against new tasks until the transaction ends, in the order of their numbers. Index: queue_name_key. */
export const lockQueues = (id: number) => sql.type(z.strictObject({ id: z.int() }))`
  select q.id from queue q where q.project_id = ${id} order by q.id for update`;

/** Whether a project has a task in a narrow table. Indexes: queue_name_key and those of the narrow tables. */
export const hasUnfinished = (id: number) => sql.type(z.strictObject({ found: z.boolean() }))`
  select exists (
    select 1 from queue q where q.project_id = ${id}
      and (exists (select 1 from task_ready r where r.queue_id = q.id)
        or exists (select 1 from task_lease l where l.queue_id = q.id)
        or exists (select 1 from task_waiting w where w.queue_id = q.id))) as found`;

/** Removes a project's row; its queues, tags, categories and workers go with it. Index: project's primary key. */
export const deleteProject = (id: number) => sql.type(z.strictObject({ id: z.int() }))`
  delete from project where id = ${id} returning id`;
