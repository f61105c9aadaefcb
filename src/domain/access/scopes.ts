/** What a credential may do. No scope implies another, but `admin`, which may do all. Source: api.md, "Access". */
export const SCOPES = [
  "task:enqueue",
  "task:work",
  "task:read",
  "task:write",
  "queue:read",
  "queue:write",
  "catalogue:write",
  "schedule:write",
  "admin",
] as const;
export type Scope = (typeof SCOPES)[number];
export type Scopes = ReadonlySet<Scope>;

/** A person's part in a project. */
export const ROLES = ["viewer", "member", "admin"] as const;
export type Role = (typeof ROLES)[number];

const VIEWER: readonly Scope[] = ["task:read", "queue:read"];
const MEMBER: readonly Scope[] = [...VIEWER, "task:enqueue", "task:work", "task:write"];
const SCOPES_OF_ROLE: Readonly<Record<Role, Scopes>> = {
  viewer: new Set(VIEWER),
  member: new Set(MEMBER),
  admin: new Set(SCOPES),
};

export const scopesOf = (role: Role): Scopes => SCOPES_OF_ROLE[role];

/** Whether one of the wanted scopes is held. */
export const holds = (held: Scopes, wanted: readonly Scope[]): boolean =>
  held.has("admin") || wanted.some((scope) => held.has(scope));
