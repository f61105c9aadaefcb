import { violatedConstraint } from "../db/failure.ts";
import type { Db } from "../db/pool.ts";
import { InvalidParams, Refusal } from "../domain/refusals.ts";
import * as queries from "../domain/tag/queries.ts";
import { type TagView, tagKey } from "../domain/tag/tag.ts";
import type { EngineContext } from "./context.ts";
import { formatCursor, parseCursor } from "./cursor.ts";
import type { Call, Engine, InProject, Named } from "./engine.ts";
import { repeatable } from "./repeatable.ts";

const tagView = ({ name, colour, used }: queries.TagRow): TagView => ({ name, colour, used });
const notFound = (name: string) => new Refusal("not_found", { noun: "tag", id: name });

/** The engine's part that manages tags. */
export function tags(context: EngineContext) {
  const projectOf = ({ project }: InProject, call: Call) => context.directory.projectOf({ project }, call);
  const change = async <T>(
    method: string,
    params: Named,
    call: Call,
    work: (db: Db, projectId: number) => Promise<T>,
  ): Promise<T> => {
    const projectId = await projectOf(params, call);
    const key = { projectId, requestId: params.requestId, method, params };
    try {
      return await repeatable(context.cold, key, (outer) => outer.transaction((db) => work(db, projectId)));
    } catch (error) {
      const constraint = violatedConstraint(error);
      if (constraint === "tag_key") throw new Refusal("conflict", { field: "newName" });
      // The project went within the second in which it was remembered.
      if (constraint === "tag_project_id_fkey")
        throw new Refusal("not_found", { noun: "project", id: params.project ?? call.principal.project });
      throw error;
    }
  };
  return {
    createTag: (params: Parameters<Engine["createTag"]>[0], call: Call) =>
      change("tag.create", params, call, async (db, projectId) => {
        const tag = { key: tagKey(params.name), name: params.name, colour: params.colour ?? null };
        if ((await db.any(queries.insertTags(projectId, [tag]))).length === 0)
          throw new Refusal("conflict", { field: "name" });
        return tagView(await db.one(queries.tagByKey(projectId, tag.key)));
      }),
    async listTags(params: Parameters<Engine["listTags"]>[0], call: Call) {
      const projectId = await projectOf(params, call);
      const { sort, limit, cursor } = params;
      const prefix = tagKey(params.prefix ?? "");
      const place = cursor === undefined ? null : placeOf(cursor, sort);
      const rows = await context.cold.run((db) =>
        db.any(
          sort === "name"
            ? queries.tagsByName(projectId, prefix, place?.key ?? null, limit + 1)
            : queries.tagsByUse(projectId, prefix, place, limit + 1),
        ),
      );
      const page = rows.slice(0, limit);
      const last = page.at(-1);
      const nextCursor = rows.length > limit && last ? formatCursor([sort, String(last.used), last.key]) : null;
      return { tags: page.map(tagView), nextCursor };
    },
    renameTag: (params: Parameters<Engine["renameTag"]>[0], call: Call) =>
      change("tag.rename", params, call, async (db, projectId) => {
        const found = await db.maybeOne(queries.tagByKey(projectId, tagKey(params.name)));
        if (!found) throw notFound(params.name);
        const [renamed] = await db.any(queries.renameTag(found.id, tagKey(params.newName), params.newName));
        if (!renamed) throw notFound(params.name);
        return tagView(await db.one(queries.tagByKey(projectId, tagKey(params.newName))));
      }),
    deleteTag: (params: Named, call: Call) =>
      change("tag.delete", params, call, async (db, projectId) => {
        const deleted = await db.maybeOne(queries.deleteTag(projectId, tagKey(params.name)));
        if (!deleted) throw notFound(params.name);
        return deleted;
      }),
    async suggestTags(params: Parameters<Engine["suggestTags"]>[0], call: Call) {
      const projectId = await projectOf(params, call);
      const rows = await context.cold.run((db) =>
        db.any(queries.tagsByUse(projectId, tagKey(params.prefix), null, params.limit)),
      );
      return { tags: rows.map(({ name }) => name) };
    },
  };
}

function placeOf(cursor: string, sort: string): { used: number; key: string } {
  const [of, used, key] = parseCursor(cursor, 3);
  if (of !== sort || !/^-?\d{1,15}$/.test(used!))
    throw new InvalidParams([{ path: "cursor", message: "is not a cursor of this list and sort" }]);
  return { used: Number(used), key: key! };
}
