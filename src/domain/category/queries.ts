import { z } from "zod";
import { ints, sql, texts } from "../../db/sql.ts";

export const CategoryRow = z.strictObject({
  id: z.int(),
  name: z.string(),
  parent: z.string().nullable(),
  colour: z.string(),
  description: z.string().nullable(),
  tasks: z.number(),
  added: z.number(),
  updated: z.number(),
});
export type CategoryRow = z.output<typeof CategoryRow>;

const columns = sql.fragment`
  c.id, c.name, p.name as parent, c.colour, c.description, c.tasks + coalesce(d.tasks, 0) as tasks, c.added, c.updated`;

const from = sql.fragment`
  category c left join category p on p.id = c.parent_id
  left join (select d.category_id, sum(d.tasks) as tasks from category_delta d group by d.category_id) d on d.category_id = c.id`;

/** One category by name. Index: category_name_key. */
export const categoryByName = (projectId: number, name: string) => sql.type(CategoryRow)`
  select ${columns} from ${from} where c.project_id = ${projectId} and c.name = ${name}`;

/** One category by number. Index: category's primary key. */
export const categoryById = (id: number) => sql.type(CategoryRow)`
  select ${columns} from ${from} where c.id = ${id}`;

/** A page of categories by name. Index: category_name_key. */
export const listCategories = (projectId: number, after: string, limit: number) => sql.type(CategoryRow)`
  select ${columns} from ${from} where c.project_id = ${projectId} and c.name > ${after} order by c.name limit ${limit}`;

/** Which of these names are categories of the project. Index: category_name_key. */
export const knownNames = (projectId: number, names: readonly string[]) => sql.type(
  z.strictObject({ name: z.string() }),
)`
  select c.name from category c where c.project_id = ${projectId} and c.name = any(${texts(names)})`;

/** The numbers of a category and of all below it; none for an unknown one. Indexes: category_name_key, category_parent_idx. */
export const subtree = (projectId: number, name: string) => sql.type(z.strictObject({ id: z.int() }))`
  with recursive below as (
    select c.id from category c where c.project_id = ${projectId} and c.name = ${name}
    union
    select c.id from below b join category c on c.project_id = ${projectId} and c.parent_id = b.id
  )
  select b.id from below b`;

/** Those of a category and of all below it, or of all of the project; by name. Indexes: as subtree. */
export const treeOf = (projectId: number, root: string | null) => sql.type(CategoryRow)`
  with recursive below as (
    select c.id from category c where c.project_id = ${projectId}
      and ${root === null ? sql.fragment`c.parent_id is null` : sql.fragment`c.name = ${root}`}
    union
    select c.id from below b join category c on c.project_id = ${projectId} and c.parent_id = b.id
  )
  select ${columns} from ${from} where c.id in (select b.id from below b) order by c.name`;

export interface NewCategory {
  readonly name: string;
  readonly parentId: number | null;
  readonly colour?: string | undefined;
  readonly description?: string | null | undefined;
}

/** Creates a category; answers no row when the name is taken. Index: category_name_key. */
export const insertCategory = (projectId: number, c: NewCategory) => sql.type(z.strictObject({ id: z.int() }))`
  insert into category as c (project_id, name, parent_id, colour, description)
  values (${projectId}, ${c.name}, ${c.parentId}, coalesce(${c.colour ?? null}, '#3B82F6'), ${c.description ?? null})
  on conflict (project_id, name) do nothing returning c.id`;

export interface CategoryPatch {
  readonly newName?: string | undefined;
  /** Undefined leaves it where it is, null makes it a root. */
  readonly parentId?: number | null | undefined;
  readonly colour?: string | undefined;
  readonly description?: string | null | undefined;
}

/** Changes a category. Raises category_no_cycle, or category_name_key. Index: category's primary key. */
export const updateCategory = (id: number, p: CategoryPatch) => {
  const set = (column: string, value: string | number | null | undefined) =>
    value !== undefined && sql.fragment`${sql.identifier([column])} = ${value}`;
  const parts = [
    set("name", p.newName),
    set("parent_id", p.parentId),
    set("colour", p.colour),
    set("description", p.description),
  ].filter((part) => part !== false);
  return sql.type(z.strictObject({ id: z.int() }))`
    update category c set ${sql.join(parts.length > 0 ? parts : [sql.fragment`name = c.name`], sql.fragment`, `)}
    where c.id = ${id} returning c.id`;
};

/** Makes changes of a project's tree wait for one another until the transaction ends. Index: project's primary key. */
export const lockTree = (projectId: number) => sql.type(z.strictObject({ id: z.int() }))`
  select p.id from project p where p.id = ${projectId} for no key update`;

/** Puts a category's children where it stands itself. Index: category_parent_idx. */
export const liftChildren = (projectId: number, id: number) => sql.type(z.strictObject({ id: z.int() }))`
  update category c set parent_id = (select o.parent_id from category o where o.id = ${id})
  where c.project_id = ${projectId} and c.parent_id = ${id} returning c.id`;

/** Removes categories and takes them off their tasks. Index: category's primary key. */
export const deleteCategories = (ids: readonly number[]) => sql.type(z.strictObject({ id: z.int() }))`
  delete from category c where c.id = any(${ints(ids)}) returning c.id`;
