import { z } from "zod";
import { sql } from "../../db/sql.ts";
import { ROLES } from "../access/scopes.ts";

export const MemberRow = z.strictObject({
  user_id: z.string(),
  email: z.string(),
  name: z.string(),
  role: z.enum(ROLES),
  added: z.number(),
});
export type MemberRow = z.output<typeof MemberRow>;

const columns = sql.fragment`m.user_id, u.email, u.name, m.role, m.added`;

/** Makes somebody a member, or gives a member another role; no row where there is no such person. Index: both primary keys. */
export const putMember = (projectId: number, userId: string, role: string) => sql.type(MemberRow)`
  with m as (
    insert into project_member as m (project_id, user_id, role)
    select ${projectId}, u.id, ${role} from "user" u where u.id = ${userId} for key share
    on conflict (project_id, user_id) do update set role = excluded.role
    returning m.*)
  select ${columns} from m join "user" u on u.id = m.user_id`;

/** Ends a membership; no row where there is none. Index: project_member's primary key. */
export const dropMember = (projectId: number, userId: string) => sql.type(z.strictObject({ user_id: z.string() }))`
  delete from project_member m where m.project_id = ${projectId} and m.user_id = ${userId} returning m.user_id`;

/** A page of a project's members by their ids. Index: project_member's primary key. */
export const listMembers = (projectId: number, after: string, limit: number) => sql.type(MemberRow)`
  select ${columns} from project_member m join "user" u on u.id = m.user_id
  where m.project_id = ${projectId} and m.user_id > ${after} order by m.user_id limit ${limit}`;

/** Whether somebody is a member of a project. Index: project_member's primary key. */
export const isMember = (projectId: number, userId: string) => sql.type(z.strictObject({ found: z.boolean() }))`
  select exists (select 1 from project_member m where m.project_id = ${projectId} and m.user_id = ${userId}) as found`;

/** The projects that somebody is a member of. Index: project_member_user_idx. */
export const membershipsOf = (userId: string) => sql.type(
  z.strictObject({ project_id: z.int(), project: z.string(), role: z.enum(ROLES) }),
)`
  select m.project_id, p.name as project, m.role from project_member m join project p on p.id = m.project_id
  where m.user_id = ${userId} order by p.name`;
