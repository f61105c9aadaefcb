import { DEFAULT_PROJECT, type Grant, type Principal } from "../domain/access/principal.ts";
import { scopesOf } from "../domain/access/scopes.ts";
import * as queries from "../domain/member/queries.ts";
import { memberView } from "../domain/member/views.ts";
import { InvalidParams, Refusal } from "../domain/refusals.ts";
import type { EngineContext } from "./context.ts";
import { formatCursor, parseCursor } from "./cursor.ts";
import type { Call, Engine, NewTask } from "./engine.ts";
import { repeatable } from "./repeatable.ts";

/** The engine's part that says which people may act in a project. */
export function members(context: EngineContext) {
  const keyOf = (projectId: number, method: string, params: { readonly requestId?: string | undefined }) => ({
    projectId,
    requestId: params.requestId,
    method,
    params,
  });
  return {
    async addMember(params: Parameters<Engine["addMember"]>[0], call: Call) {
      const { name, userId, role } = params;
      const projectId = await context.directory.projectOf({ project: name }, call);
      const view = await repeatable(context.cold, keyOf(projectId, "project.addMember", params), async (db) => {
        const row = await db.maybeOne(queries.putMember(projectId, userId, role));
        if (!row) throw new Refusal("not_found", { noun: "user", id: userId });
        return memberView(row);
      });
      context.credentials.forget();
      return view;
    },
    async removeMember(params: Parameters<Engine["removeMember"]>[0], call: Call) {
      const { name, userId } = params;
      const projectId = await context.directory.projectOf({ project: name }, call);
      const answer = await repeatable(context.cold, keyOf(projectId, "project.removeMember", params), async (db) => {
        if (!(await db.maybeOne(queries.dropMember(projectId, userId))))
          throw new Refusal("not_found", { noun: "member", id: userId });
        return { name, userId };
      });
      context.credentials.forget();
      return answer;
    },
    async listMembers({ name, cursor, limit }: Parameters<Engine["listMembers"]>[0], call: Call) {
      const projectId = await context.directory.projectOf({ project: name }, call);
      const after = cursor === undefined ? "" : parseCursor(cursor, 1)[0]!;
      const rows = await context.cold.run((db) => db.any(queries.listMembers(projectId, after, limit + 1)));
      const page = rows.slice(0, limit);
      const nextCursor = rows.length > limit ? formatCursor([page.at(-1)!.user_id]) : null;
      return { members: page.map(memberView), nextCursor };
    },
  };
}

/** What a person may do now. Calls that name no project act in the only one they are in, or else in the default one. */
export async function principalOfPerson(context: EngineContext, userId: string): Promise<Principal> {
  const rows = await context.access.run((db) => db.any(queries.membershipsOf(userId)));
  const grants = new Map<string, Grant>(
    rows.map(({ project, project_id, role }) => [project, { projectId: project_id, scopes: scopesOf(role) }]),
  );
  const project = rows.length === 1 ? rows[0]!.project : DEFAULT_PROJECT;
  return { id: `person ${userId}`, userId, project, everywhere: null, grants, queues: null };
}

/** New tasks as the caller's own: those of a person are that person's. `pathOf` says where a task's parameters stand. */
export function owned<T extends NewTask>(
  tasks: readonly T[],
  { principal: { userId } }: Call,
  pathOf: (at: number) => string = (at) => `tasks[${at}].`,
): readonly T[] {
  if (userId === null) return tasks;
  const foreign = tasks.flatMap(({ ownerId = userId }, at) => (ownerId === userId ? [] : [at]));
  if (foreign.length > 0)
    throw new InvalidParams(
      foreign.map((at) => ({ path: `${pathOf(at)}ownerId`, message: "is the person who calls, and need not be said" })),
    );
  return tasks.map((task) => ({ ...task, ownerId: userId }));
}

/** Refuses an owner given by a person who is no member of the project; to programs it is free text. */
export async function refuseStrangeOwner(
  context: EngineContext,
  projectId: number,
  ownerId: string | null | undefined,
  { principal }: Call,
): Promise<void> {
  if (ownerId == null || principal.userId === null || ownerId === principal.userId) return;
  const { found } = await context.cold.run((db) => db.one(queries.isMember(projectId, ownerId)));
  if (!found) throw new InvalidParams([{ path: "ownerId", message: "must be the id of a member of the project" }]);
}
