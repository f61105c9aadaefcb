import { z } from "zod";
import { bytes, ints, sql, texts } from "../../db/sql.ts";

/** How long a repeated requestId is answered as the first one was. */
export const REMEMBERED_SECONDS = 86_400;

/** A requestId and what it was used for. */
export interface RequestRow {
  readonly projectId: number;
  readonly requestId: string;
  readonly method: string;
  readonly paramsHash: Buffer;
}

const projects = (rows: readonly { readonly projectId: number }[]) => ints(rows.map((row) => row.projectId));
const requests = (rows: readonly { readonly requestId: string }[]) => texts(rows.map((row) => row.requestId));

/**
 * Takes requestIds for this transaction, in their order, so that two batches cannot wait for each other in a circle. Waits
 * while another transaction holds one; leaves out those that another had first. One older than the memory is taken over.
 * Index: request's primary key.
 */
export const takeRequests = (rows: readonly RequestRow[]) => sql.prepared(
  "take_requests",
  z.strictObject({ project_id: z.int(), request_id: z.string() }),
)`
  insert into request as r (project_id, request_id, method, params_hash)
  select i.project_id, i.request_id, i.method, i.params_hash
  from unnest(${projects(rows)}, ${requests(rows)}, ${texts(rows.map((row) => row.method))}, ${bytes(rows.map((row) => row.paramsHash))})
    as i(project_id, request_id, method, params_hash)
  order by i.project_id, i.request_id
  on conflict (project_id, request_id) do update
    set method = excluded.method, params_hash = excluded.params_hash, answer = null, added = now()
    where r.added < now() - make_interval(secs => ${REMEMBERED_SECONDS})
  returning r.project_id, r.request_id`;

/** What requestIds were first used for, and what was answered. Index: request's primary key. */
export const getRequests = (keys: readonly Pick<RequestRow, "projectId" | "requestId">[]) => sql.prepared(
  "get_requests",
  z.strictObject({
    project_id: z.int(),
    request_id: z.string(),
    method: z.string(),
    params_hash: z.instanceof(Buffer),
    answer: z.unknown(),
  }),
)`
  select r.project_id, r.request_id, r.method, r.params_hash, r.answer
  from unnest(${projects(keys)}, ${requests(keys)}) as i(project_id, request_id) cross join lateral (
    select r.project_id, r.request_id, r.method, r.params_hash, r.answer from request r
    where r.project_id = i.project_id and r.request_id = i.request_id offset 0
  ) r`;

/** Notes answers, as JSON text, in the transaction of their effect. Index: request's primary key. */
export const noteAnswers = (
  answers: readonly (Pick<RequestRow, "projectId" | "requestId"> & { readonly answer: string })[],
) =>
  sql.prepared("note_answers", z.strictObject({}))`
  update request r set answer = i.answer::jsonb
  from unnest(${projects(answers)}, ${requests(answers)}, ${texts(answers.map(({ answer }) => answer))})
    as i(project_id, request_id, answer)
  where r.project_id = any(array[i.project_id]) and r.request_id = i.request_id`;

/** Gives requestIds back that this transaction took for calls it then refused. Index: request's primary key. */
export const leaveRequests = (keys: readonly Pick<RequestRow, "projectId" | "requestId">[]) => sql.prepared(
  "leave_requests",
  z.strictObject({}),
)`
  delete from request r using unnest(${projects(keys)}, ${requests(keys)}) as i(project_id, request_id)
  where r.project_id = any(array[i.project_id]) and r.request_id = i.request_id`;

/** Forgets requests that are too old to be repeated. Index: request_added_idx. */
export const forgetRequests = (limit: number) => sql.type(z.strictObject({ request_id: z.string() }))`
  delete from request r using (
    select o.project_id, o.request_id from request o where o.added < now() - make_interval(secs => ${REMEMBERED_SECONDS})
    order by o.added limit ${limit} for update skip locked) old
  where r.project_id = old.project_id and r.request_id = old.request_id
  returning r.request_id`;
