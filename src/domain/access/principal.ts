import type { QueuePatterns } from "./queue-patterns.ts";
import { SCOPES, type Scopes } from "./scopes.ts";

/** What somebody may do in one project. */
export interface Grant {
  /** Counts, not the name: a name may come to mean another project while an answer about a key is remembered. */
  readonly projectId: number;
  readonly scopes: Scopes;
}

/** Who calls, and what they may do: all that is ever decided about a call is decided by this. */
export interface Principal {
  /** One name for all calls of the same credential or person, for limits: no secret, and never shown to others. */
  readonly id: string;
  /** The person, if one calls. */
  readonly userId: string | null;
  /** The project of calls that name none. */
  readonly project: string;
  /** What they may do in every project, those to come included; null for whom only `grants` counts. */
  readonly everywhere: Scopes | null;
  /** By the project's name. */
  readonly grants: ReadonlyMap<string, Grant>;
  /** The queues they may know of; null: all. */
  readonly queues: QueuePatterns | null;
}

/** The project that is always there. */
export const DEFAULT_PROJECT = "default";

const NOWHERE: ReadonlyMap<string, Grant> = new Map();

/** Somebody who may act in every project. */
export function everywhere(id: string, scopes: Scopes, queues: QueuePatterns | null = null): Principal {
  return { id, userId: null, project: DEFAULT_PROJECT, everywhere: scopes, grants: NOWHERE, queues };
}

/** Who calls a service that asks for no credentials. */
export const ANYONE = everywhere("anyone", new Set(SCOPES));
