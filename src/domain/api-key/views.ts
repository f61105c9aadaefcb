import type { Scope } from "../access/scopes.ts";
import { time, timeOrNull } from "../task/views.ts";
import type { KeyRow } from "./queries.ts";

export interface KeyView {
  readonly id: string;
  readonly project: string | null;
  readonly name: string;
  /** How the key begins. */
  readonly start: string;
  readonly scopes: Scope[];
  readonly queues: string[] | null;
  readonly added: string;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
}

export function keyView(row: KeyRow): KeyView {
  return {
    id: row.id,
    project: row.project,
    name: row.name,
    start: row.shown,
    scopes: row.scopes,
    queues: row.queues,
    added: time(row.added),
    expiresAt: timeOrNull(row.expires_at),
    revokedAt: timeOrNull(row.revoked_at),
  };
}
