import { randomInt } from "node:crypto";
import { violatedConstraint } from "../db/failure.ts";
import type { Db } from "../db/pool.ts";
import { newKey } from "../domain/api-key/key.ts";
import * as queries from "../domain/api-key/queries.ts";
import { keyView } from "../domain/api-key/views.ts";
import { InvalidParams, Refusal } from "../domain/refusals.ts";
import { time, timeOrNull } from "../domain/task/views.ts";
import type { EngineContext } from "./context.ts";
import { formatCursor, parseCursor } from "./cursor.ts";
import type { Call, Engine, InProject, KeyMade, Page, Repeatable } from "./engine.ts";
import { repeatable } from "./repeatable.ts";

const notFound = (id: string) => new Refusal("not_found", { noun: "key", id });

/** The engine's part that manages the keys of programs. */
export function keys(context: EngineContext) {
  return {
    createKey: (params: Parameters<Engine["createKey"]>[0], call: Call) => create(context, params, call),
    listKeys: (params: Page, call: Call) => list(context, params, call),
    async revokeKey(params: Repeatable & { readonly id: string }, call: Call) {
      const of = await keysOf(context, params, call);
      return await changing(context, "apiKey.revoke", params, call, async (db) => {
        const row = await db.maybeOne(queries.revokeKey(of, params.id));
        if (!row) throw notFound(params.id);
        return { id: params.id, revokedAt: time(row.revoked_at) };
      });
    },
    rotateKey: (params: Parameters<Engine["rotateKey"]>[0], call: Call) => rotate(context, params, call),
  };
}

/** Whose keys a call is about: a project's, or all of them where somebody from everywhere names none. */
async function keysOf(context: EngineContext, params: InProject, call: Call): Promise<queries.KeysOf> {
  if (params.project === undefined && call.principal.everywhere !== null) return null;
  return await context.directory.projectOf(params, call);
}

async function changing<T>(
  context: EngineContext,
  method: string,
  params: Repeatable,
  call: Call,
  work: (db: Db) => Promise<T>,
): Promise<T> {
  const projectId = await context.directory.projectOf(params, call);
  const key = { projectId, requestId: params.requestId, method, params };
  const answer = await repeatable(context.cold, key, (db) => db.transaction(work)).catch((error) => {
    // The project went within the seconds in which it was remembered.
    if (violatedConstraint(error) === "api_key_project_id_fkey")
      throw new Refusal("not_found", { noun: "project", id: params.project ?? call.principal.project });
    throw error;
  });
  // A new key ends nothing.
  if (method !== "apiKey.create") context.credentials.forget();
  return answer;
}

const idOfKey = (context: EngineContext) => context.newId(randomInt(2 ** 31));

/**
 * Makes a key of the caller's project, or of everywhere where that is said. Somebody from everywhere who names no project also
 * makes a key of everywhere by giving it all scopes.
 */
async function create(context: EngineContext, params: Parameters<Engine["createKey"]>[0], call: Call) {
  const { name, queues, expiresInSeconds } = params;
  const scopes = [...new Set(params.scopes)];
  // It could give itself another key without them.
  if (scopes.includes("admin") && queues !== undefined)
    throw new InvalidParams([{ path: "queues", message: "cannot narrow the scope admin" }]);
  if (params.everywhere && params.project !== undefined)
    throw new InvalidParams([{ path: "everywhere", message: "does not go with a project" }]);
  const {
    everywhere = params.project === undefined && scopes.includes("admin") && call.principal.everywhere !== null,
  } = params;
  const projectId = everywhere ? null : await context.directory.projectOf(params, call);
  return await withKey((made) =>
    changing(context, "apiKey.create", params, call, async (db) => {
      const row = await db.one(
        queries.insertKey({
          id: idOfKey(context),
          projectId,
          name,
          ...made(),
          scopes,
          queues: queues ?? null,
          expiresInSeconds: expiresInSeconds ?? null,
        }),
      );
      return { id: row.id, expiresAt: timeOrNull(row.expires_at) };
    }),
  );
}

/** Makes a key in an old one's place, which goes on for a while: programs change over one after the other. */
async function rotate(context: EngineContext, params: Parameters<Engine["rotateKey"]>[0], call: Call) {
  const of = await keysOf(context, params, call);
  return await withKey((made) =>
    changing(context, "apiKey.rotate", params, call, async (db) => {
      const old = await db.maybeOne(queries.lockKey(of, params.id));
      if (!old) throw notFound(params.id);
      if (!old.live) throw new Refusal("wrong_state", { state: old.revoked_at === null ? "expired" : "revoked" });
      const ended = await db.one(queries.endKey(of, old.id, params.overlapSeconds));
      const row = await db.one(
        queries.insertKey({
          id: idOfKey(context),
          projectId: old.project_id,
          name: old.name,
          ...made(),
          scopes: old.scopes,
          queues: old.queues,
          // It lives as long as the old one was made to live.
          expiresInSeconds: old.lifetime_seconds,
        }),
      );
      return {
        id: row.id,
        expiresAt: timeOrNull(row.expires_at),
        previous: { id: old.id, expiresAt: time(ended.expires_at) },
      };
    }),
  );
}

/**
 * Adds the key to the answer of the call that made it. What is noted for a repeat must not hold it: it would lie in the
 * database as it is.
 */
async function withKey<T extends Omit<KeyMade, "key">>(
  act: (made: () => { hash: Buffer; shown: string }) => Promise<T>,
): Promise<T & KeyMade> {
  let key: string | null = null;
  const answer = await act(() => {
    const { key: text, ...kept } = newKey();
    key = text;
    return kept;
  });
  return { ...answer, key };
}

async function list(context: EngineContext, params: Page, call: Call) {
  const { limit, cursor } = params;
  const of = await keysOf(context, params, call);
  const after = cursor === undefined ? null : parseCursor(cursor, 1)[0]!;
  if (after !== null && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(after))
    throw new InvalidParams([{ path: "cursor", message: "is not a cursor of this list" }]);
  const rows = await context.cold.run((db) => db.any(queries.listKeys(of, after, limit + 1)));
  const page = rows.slice(0, limit);
  return { keys: page.map(keyView), nextCursor: rows.length > limit ? formatCursor([page.at(-1)!.id]) : null };
}
