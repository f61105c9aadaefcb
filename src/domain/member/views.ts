import type { Role } from "../access/scopes.ts";
import { time } from "../task/views.ts";
import type { MemberRow } from "./queries.ts";

export interface MemberView {
  userId: string;
  email: string;
  name: string;
  role: Role;
  added: string;
}

export const memberView = (row: MemberRow): MemberView => ({
  userId: row.user_id,
  email: row.email,
  name: row.name,
  role: row.role,
  added: time(row.added),
});
