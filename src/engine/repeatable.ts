import { createHash } from "node:crypto";
import type { Database, Db } from "../db/pool.ts";
import { Refusal } from "../domain/refusals.ts";
import { getRequest, noteAnswer, takeRequest } from "../domain/request/queries.ts";
import type { After } from "./context.ts";

/** Names a call that may be repeated. */
export interface RequestKey {
  readonly projectId: number;
  readonly requestId: string | undefined;
  readonly method: string;
  /** The call's parameters, requestId aside or not: the same for a repeat. */
  readonly params: unknown;
}

export type Work<T> = (db: Db, after: After) => Promise<T>;

/**
 * Does a call's work once, however often the call comes. Without a requestId the work runs as it is. With one, work and
 * answer commit in one transaction, and a repeat, even one that comes while the first is under way, gets that answer.
 * A call that is refused leaves nothing behind: its repeat is tried anew.
 */
export async function repeatable<T>(database: Database, key: RequestKey, work: Work<T>): Promise<T> {
  const effects: (() => void)[] = [];
  const after: After = (effect) => effects.push(effect);
  const answer =
    key.requestId === undefined
      ? await database.run((db) => {
          effects.length = 0;
          return work(db, after);
        })
      : await remembered(database, { ...key, requestId: key.requestId }, (db) => {
          effects.length = 0;
          return work(db, after);
        });
  for (const effect of effects) effect();
  return answer;
}

async function remembered<T>(
  database: Database,
  key: RequestKey & { readonly requestId: string },
  work: (db: Db) => Promise<T>,
): Promise<T> {
  const hash = hashOf(key.params);
  return await database.transaction(async (tx) => {
    if (!(await tx.maybeOne(takeRequest(key.projectId, key.requestId, key.method, hash)))) {
      const first = await tx.one(getRequest(key.projectId, key.requestId));
      if (first.method !== key.method || !hash.equals(first.params_hash))
        throw new Refusal("conflict", { field: "requestId" });
      return first.answer as T;
    }
    const answer = await work(tx);
    await tx.query(noteAnswer(key.projectId, key.requestId, JSON.stringify(answer)));
    return answer;
  });
}

/** What was answered to this requestId before; undefined when it is new. */
export async function answered<T>(
  database: Database,
  key: RequestKey & { readonly requestId: string },
): Promise<T | undefined> {
  const first = await database.run((db) => db.maybeOne(getRequest(key.projectId, key.requestId)));
  if (!first) return undefined;
  if (first.method !== key.method || !hashOf(key.params).equals(first.params_hash))
    throw new Refusal("conflict", { field: "requestId" });
  return first.answer as T;
}

function hashOf(params: unknown): Buffer {
  return createHash("sha256")
    .update(JSON.stringify(sorted(params)) ?? "")
    .digest();
}

/** The same value with its keys in order: a repeat may spell its parameters in another order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value)
    .filter(([key, member]) => key !== "requestId" && member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => [key, sorted(member)]);
}
