import { z } from "zod";
import { ROLES } from "../../domain/access/scopes.ts";
import { Member, UserId } from "../access-shapes.ts";
import { method } from "../method.ts";
import { Cursor, Description, Limit, Project, ProjectName, RequestId } from "../shapes.ts";

// A project is named by `name` alone: it is in none.
const named = { requestId: RequestId.optional(), name: ProjectName };

export const create = method({
  name: "project.create",
  summary: "Creates a project: the tenant that queues, tags, categories and schedules belong to.",
  params: z.strictObject({ ...named, description: Description.nullable().optional() }),
  result: Project,
  changing: true,
  scope: "admin",
  everywhere: () => true,
  refusals: ["conflict"],
  run: (engine, params, call) => engine.createProject(params, call),
});

export const get = method({
  name: "project.get",
  summary: "One project.",
  params: z.strictObject({ name: ProjectName }),
  result: Project,
  changing: false,
  scope: null,
  projectIn: "name",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.getProject(params, call),
});

export const list = method({
  name: "project.list",
  summary: "The projects by name.",
  params: z.strictObject({ limit: Limit(1000, 100), cursor: Cursor.optional() }),
  result: z.strictObject({ projects: z.array(Project), nextCursor: z.string().nullable() }),
  changing: false,
  scope: null,
  refusals: [],
  run: (engine, params, call) => engine.listProjects(params, call),
});

export const update = method({
  name: "project.update",
  summary: "Renames or describes a project; the default one keeps its name.",
  params: z.strictObject({
    ...named,
    newName: ProjectName.optional(),
    description: Description.nullable().optional(),
  }),
  result: Project,
  changing: true,
  scope: "admin",
  projectIn: "name",
  // Another name may be taken, and whether it is tells of others' projects.
  everywhere: ({ newName }) => newName !== undefined,
  refusals: ["not_found", "conflict"],
  run: (engine, params, call) => engine.updateProject(params, call),
});

export const remove = method({
  name: "project.delete",
  summary: "Deletes a project with all that is in it; one with unfinished tasks only by force, the default one never.",
  params: z.strictObject({ ...named, force: z.boolean().default(false) }),
  result: z.strictObject({ name: ProjectName }),
  changing: true,
  heavy: true,
  scope: "admin",
  projectIn: "name",
  refusals: ["not_found", "conflict"],
  run: (engine, params, call) => engine.deleteProject(params, call),
});

export const addMember = method({
  name: "project.addMember",
  summary: "Lets a person act in a project, or gives a member another role.",
  params: z.strictObject({ ...named, userId: UserId, role: z.enum(ROLES) }),
  result: Member,
  changing: true,
  scope: "admin",
  projectIn: "name",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.addMember(params, call),
});

export const removeMember = method({
  name: "project.removeMember",
  summary: "Ends a person's part in a project.",
  params: z.strictObject({ ...named, userId: UserId }),
  result: z.strictObject({ name: ProjectName, userId: UserId }),
  changing: true,
  scope: "admin",
  projectIn: "name",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.removeMember(params, call),
});

export const members = method({
  name: "project.members",
  summary: "The people who may act in a project.",
  params: z.strictObject({ name: ProjectName, limit: Limit(1000, 100), cursor: Cursor.optional() }),
  result: z.strictObject({ members: z.array(Member), nextCursor: z.string().nullable() }),
  changing: false,
  scope: "admin",
  projectIn: "name",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.listMembers(params, call),
});
