import { z } from "zod";
import { sql } from "../../db/sql.ts";

/** How long a repeated requestId is answered as the first one was. */
export const REMEMBERED_SECONDS = 86_400;

/**
 * Takes a requestId for this transaction. Waits while another transaction holds it; answers no row when one had it first.
 * One older than the memory is taken over. Index: request's primary key.
 */
export const takeRequest = (projectId: number, requestId: string, method: string, paramsHash: Buffer) => sql.prepared(
  "take_request",
  z.strictObject({ request_id: z.string() }),
)`
  insert into request as r (project_id, request_id, method, params_hash)
  values (${projectId}, ${requestId}, ${method}, ${sql.binary(paramsHash)})
  on conflict (project_id, request_id) do update
    set method = excluded.method, params_hash = excluded.params_hash, answer = null, added = now()
    where r.added < now() - make_interval(secs => ${REMEMBERED_SECONDS})
  returning r.request_id`;

/** What a requestId was first used for, and what was answered. Index: request's primary key. */
export const getRequest = (projectId: number, requestId: string) => sql.prepared(
  "get_request",
  z.strictObject({ method: z.string(), params_hash: z.instanceof(Buffer), answer: z.unknown() }),
)`
  select method, params_hash, answer from request where project_id = ${projectId} and request_id = ${requestId}`;

/** Notes the answer, in the transaction of its effect. Index: request's primary key. */
export const noteAnswer = (projectId: number, requestId: string, answer: string) => sql.prepared(
  "note_answer",
  z.strictObject({}),
)`
  update request set answer = ${answer}::jsonb where project_id = ${projectId} and request_id = ${requestId}`;

/** Forgets requests that are too old to be repeated. Index: request_added_idx. */
export const forgetRequests = (limit: number) => sql.type(z.strictObject({ request_id: z.string() }))`
  delete from request r using (
    select o.project_id, o.request_id from request o where o.added < now() - make_interval(secs => ${REMEMBERED_SECONDS})
    order by o.added limit ${limit} for update skip locked) old
  where r.project_id = old.project_id and r.request_id = old.request_id
  returning r.request_id`;
