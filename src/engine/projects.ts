import { violatedConstraint } from "../db/failure.ts";
import type { Db } from "../db/pool.ts";
import * as queries from "../domain/project/queries.ts";
import { projectView } from "../domain/project/views.ts";
import { Refusal } from "../domain/refusals.ts";
import { lockSchedules } from "../domain/schedule/queries.ts";
import type { EngineContext } from "./context.ts";
import { formatCursor, parseCursor } from "./cursor.ts";
import type { Call, Engine, Page } from "./engine.ts";
import { purgeQueue } from "./queues.ts";
import { repeatable } from "./repeatable.ts";

/** The project that is always there: calls act in it that name none. */
const DEFAULT = "default";

const notFound = (name: string) => new Refusal("not_found", { noun: "project", id: name });

/**
 * A project by its name, and the caller's own where they are not from everywhere: what is remembered of their grants has a
 * name in it that may be another project's by now.
 */
async function found(db: Db, name: string, { principal }: Call): Promise<queries.ProjectRow> {
  const row = await db.maybeOne(queries.projectByName(name));
  const isTheirs = principal.everywhere !== null || principal.grants.get(name)?.projectId === row?.id;
  if (!row || !isTheirs) throw notFound(name);
  return row;
}

/**
 * The engine's part that manages projects. Their calls are noted under the caller's project, requestIds included: that is the
 * one they are about where the caller is not from everywhere, for a person may be in several.
 */
export function projects(context: EngineContext) {
  const keyOf = async (
    method: string,
    params: { readonly name: string; readonly requestId?: string | undefined },
    call: Call,
  ) => ({
    projectId: await context.directory.projectOf(
      call.principal.everywhere === null ? { project: params.name } : {},
      call,
    ),
    requestId: params.requestId,
    method,
    params,
  });
  return {
    async createProject(params: Parameters<Engine["createProject"]>[0], call: Call) {
      const key = await keyOf("project.create", params, call);
      return await repeatable(context.cold, key, async (db) => {
        const row = await db.maybeOne(queries.insertProject(params.name, params.description ?? null));
        if (!row) throw new Refusal("conflict", { field: "name" });
        return projectView(row);
      });
    },
    async getProject({ name }: { readonly name: string }, call: Call) {
      await context.directory.projectOf({ project: name }, call);
      return projectView(await context.cold.run((db) => found(db, name, call)));
    },
    async listProjects({ cursor, limit }: Page, { principal }: Call) {
      const after = cursor === undefined ? "" : parseCursor(cursor, 1)[0]!;
      const own = principal.everywhere === null ? [...principal.grants.values()].map((grant) => grant.projectId) : null;
      const rows = await context.cold.run((db) => db.any(queries.listProjects(own, after, limit + 1)));
      const page = rows.slice(0, limit);
      return {
        projects: page.map(projectView),
        nextCursor: rows.length > limit ? formatCursor([page.at(-1)!.name]) : null,
      };
    },
    updateProject: (params: Parameters<Engine["updateProject"]>[0], call: Call) => update(context, keyOf, params, call),
    deleteProject: (params: Parameters<Engine["deleteProject"]>[0], call: Call) => remove(context, keyOf, params, call),
  };
}

type KeyOf = (
  method: string,
  params: { readonly name: string; readonly requestId?: string | undefined },
  call: Call,
) => Promise<Parameters<typeof repeatable>[1]>;

async function update(
  context: EngineContext,
  keyOf: KeyOf,
  params: Parameters<Engine["updateProject"]>[0],
  call: Call,
) {
  const { name, newName } = params;
  // Calls that name no project would act in none.
  if (name === DEFAULT && newName !== undefined && newName !== DEFAULT)
    throw new Refusal("conflict", { field: "name" });
  const view = await repeatable(context.cold, await keyOf("project.update", params, call), async (outer) =>
    outer.transaction(async (db) => {
      const { id } = await found(db, name, call);
      const updated = await db.maybeOne(queries.updateProject(id, params));
      if (!updated) throw notFound(name);
      return projectView(updated);
    }),
  ).catch((error) => {
    if (violatedConstraint(error) === "project_name_key") throw new Refusal("conflict", { field: "newName" });
    throw error;
  });
  context.directory.forgetProject(name);
  return view;
}

async function remove(
  context: EngineContext,
  keyOf: KeyOf,
  params: Parameters<Engine["deleteProject"]>[0],
  call: Call,
) {
  const { name, force } = params;
  if (name === DEFAULT) throw new Refusal("conflict", { field: "name" });
  let queues: readonly { id: number }[] = [];
  const answer = await repeatable(context.cold, await keyOf("project.delete", params, call), async (outer) =>
    outer.transaction(async (db) => {
      const { id } = await found(db, name, call);
      if (!(await db.maybeOne(queries.lockProject(id)))) throw notFound(name);
      // Those who fire schedules hold them while they lock queues, so they are locked first here too.
      await db.any(lockSchedules(id));
      queues = await db.any(queries.lockQueues(id));
      if (!force && (await db.one(queries.hasUnfinished(id))).found) throw new Refusal("conflict", { field: "tasks" });
      await db.any(queries.deleteProject(id));
      return { name };
    }),
  );
  context.directory.forgetProject(name);
  // From here on no call finds them; their tasks are removed after, and by upkeep should this instance die.
  for (const { id } of queues) await purgeQueue(context, id);
  return answer;
}
