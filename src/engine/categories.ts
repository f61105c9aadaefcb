import { violatedConstraint } from "../db/failure.ts";
import type { Db } from "../db/pool.ts";
import * as queries from "../domain/category/queries.ts";
import { categoryTrees, categoryView } from "../domain/category/views.ts";
import { Refusal } from "../domain/refusals.ts";
import type { EngineContext } from "./context.ts";
import { formatCursor, parseCursor } from "./cursor.ts";
import type { Call, Engine, InProject, Named, Page } from "./engine.ts";
import { repeatable } from "./repeatable.ts";

const notFound = (name: string) => new Refusal("not_found", { noun: "category", id: name });

/** What the database alone can tell: the constraint that a change violates, and the field that is at fault. */
const FIELDS: Record<string, string> = { category_no_cycle: "parent", category_name_key: "newName" };

async function found(db: Db, projectId: number, name: string) {
  const row = await db.maybeOne(queries.categoryByName(projectId, name));
  if (!row) throw notFound(name);
  return row;
}

/** The engine's part that manages categories. */
export function categories(context: EngineContext) {
  const projectOf = ({ project }: InProject, call: Call) => context.directory.projectOf({ project }, call);
  const change = async <T>(
    method: string,
    params: Named & { readonly parent?: string | null | undefined },
    call: Call,
    work: (db: Db, projectId: number) => Promise<T>,
  ): Promise<T> => {
    const projectId = await projectOf(params, call);
    const key = { projectId, requestId: params.requestId, method, params };
    try {
      return await repeatable(context.cold, key, (outer) => outer.transaction((db) => work(db, projectId)));
    } catch (error) {
      const constraint = violatedConstraint(error) ?? "";
      const field = FIELDS[constraint];
      if (field !== undefined) throw new Refusal("conflict", { field });
      // The parent went between finding it and using it. A deletion that lifted children to it begins anew.
      if (constraint === "category_parent_fkey") {
        if (params.parent) throw notFound(params.parent);
        return await change(method, params, call, work);
      }
      // The project went within the second in which it was remembered.
      if (constraint === "category_project_id_fkey")
        throw new Refusal("not_found", { noun: "project", id: params.project ?? call.principal.project });
      throw error;
    }
  };
  return {
    createCategory: (params: Parameters<Engine["createCategory"]>[0], call: Call) =>
      change("category.create", params, call, async (db, projectId) => {
        const { parent = null, ...rest } = params;
        const parentId = parent === null ? null : (await found(db, projectId, parent)).id;
        const created = await db.maybeOne(queries.insertCategory(projectId, { ...rest, parentId }));
        if (!created) throw new Refusal("conflict", { field: "name" });
        return categoryView(await db.one(queries.categoryById(created.id)));
      }),
    async getCategory(params: InProject & { readonly name: string }, call: Call) {
      const projectId = await projectOf(params, call);
      return categoryView(await context.cold.run((db) => found(db, projectId, params.name)));
    },
    async listCategories(params: Page, call: Call) {
      const projectId = await projectOf(params, call);
      const after = params.cursor === undefined ? "" : parseCursor(params.cursor, 1)[0]!;
      const rows = await context.cold.run((db) => db.any(queries.listCategories(projectId, after, params.limit + 1)));
      const page = rows.slice(0, params.limit);
      return {
        categories: page.map(categoryView),
        nextCursor: rows.length > params.limit ? formatCursor([page.at(-1)!.name]) : null,
      };
    },
    updateCategory: (params: Parameters<Engine["updateCategory"]>[0], call: Call) =>
      change("category.update", params, call, async (db, projectId) => {
        const { id } = await found(db, projectId, params.name);
        const { parent, ...rest } = params;
        const parentId = typeof parent === "string" ? (await found(db, projectId, parent)).id : parent;
        const [updated] = await db.any(queries.updateCategory(id, { ...rest, parentId }));
        if (!updated) throw notFound(params.name);
        return categoryView(await db.one(queries.categoryById(id)));
      }),
    deleteCategory: (params: Parameters<Engine["deleteCategory"]>[0], call: Call) =>
      change("category.delete", params, call, async (db, projectId) => {
        await db.any(queries.lockTree(projectId));
        const { id } = await found(db, projectId, params.name);
        if (params.children === "lift") await db.any(queries.liftChildren(projectId, id));
        const gone = params.children === "lift" ? [{ id }] : await db.any(queries.subtree(projectId, params.name));
        await db.any(queries.deleteCategories(gone.map((one) => one.id)));
        return { name: params.name };
      }),
    async categoryTree(params: InProject & { readonly root?: string | undefined }, call: Call) {
      const projectId = await projectOf(params, call);
      const root = params.root ?? null;
      const rows = await context.cold.run((db) => db.any(queries.treeOf(projectId, root)));
      if (root !== null && rows.length === 0) throw notFound(root);
      return categoryTrees(rows);
    },
  };
}
