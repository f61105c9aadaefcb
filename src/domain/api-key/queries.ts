import { z } from "zod";
import { bytes, sql, texts } from "../../db/sql.ts";
import { SCOPES } from "../access/scopes.ts";

export const KeyRow = z.strictObject({
  id: z.uuid(),
  project_id: z.int().nullable(),
  project: z.string().nullable(),
  name: z.string(),
  shown: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  queues: z.array(z.string()).nullable(),
  added: z.number(),
  expires_at: z.number().nullable(),
  revoked_at: z.number().nullable(),
});
export type KeyRow = z.output<typeof KeyRow>;

const columns = sql.fragment`
  k.id, k.project_id, p.name as project, k.name, k.shown, k.scopes, k.queues, k.added, k.expires_at, k.revoked_at`;

/** A key as it may be used now, by its hash. */
export const LiveKeyRow = z.strictObject({
  key_hash: z.instanceof(Buffer),
  id: z.uuid(),
  project_id: z.int().nullable(),
  project: z.string().nullable(),
  scopes: z.array(z.enum(SCOPES)),
  queues: z.array(z.string()).nullable(),
});
export type LiveKeyRow = z.output<typeof LiveKeyRow>;

/** Those of the keys with these hashes that open something now. Indexes: api_key_hash_key, project's primary key. */
export const liveKeys = (hashes: readonly Buffer[]) => sql.prepared("live_keys", LiveKeyRow)`
  select k.key_hash, k.id, k.project_id, p.name as project, k.scopes, k.queues
  from unnest(${bytes(hashes)}) as h(hash)
  cross join lateral (
    select * from api_key k
    where k.key_hash = h.hash and k.revoked_at is null and coalesce(k.expires_at > now(), true) offset 0
  ) k
  left join lateral (select p.name from project p where p.id = k.project_id offset 0) p on true`;

/** Whether somebody could come in by a key that may do all everywhere. Reads the table, which is small, at start only. */
export const hasAdminKey = () => sql.type(z.strictObject({ found: z.boolean() }))`
  select exists (
    select 1 from api_key k where k.project_id is null and 'admin' = any(k.scopes) and k.revoked_at is null
      and coalesce(k.expires_at > now(), true)) as found`;

export interface NewKey {
  readonly id: string;
  readonly projectId: number | null;
  readonly name: string;
  readonly hash: Buffer;
  readonly shown: string;
  readonly scopes: readonly string[];
  readonly queues: readonly string[] | null;
  /** Null: for ever. */
  readonly expiresInSeconds: number | null;
}

/** Adds a key. Index: api_key's primary key. */
export const insertKey = (key: NewKey) => sql.type(KeyRow)`
  with k as (
    insert into api_key (id, project_id, name, key_hash, shown, scopes, queues, lifetime_seconds, expires_at)
    values (${sql.uuid(key.id)}, ${key.projectId}, ${key.name}, ${sql.binary(key.hash)}, ${key.shown},
            ${texts(key.scopes)}, ${key.queues === null ? null : texts(key.queues)}, ${key.expiresInSeconds}::float8,
            now() + make_interval(secs => ${key.expiresInSeconds}::float8))
    returning *)
  select ${columns} from k left join project p on p.id = k.project_id`;

/** A project's keys; null: those of any project and of none. */
export type KeysOf = number | null;
const keysOf = (projectId: KeysOf) =>
  projectId === null ? sql.fragment`true` : sql.fragment`k.project_id = ${projectId}`;

/** A page of keys in the order in which they were made. Index: api_key_project_idx, or the primary key. */
export const listKeys = (of: KeysOf, after: string | null, limit: number) => sql.type(KeyRow)`
  select ${columns} from api_key k left join project p on p.id = k.project_id
  where ${keysOf(of)} and ${after === null ? sql.fragment`true` : sql.fragment`k.id > ${sql.uuid(after)}`}
  order by k.id limit ${limit}`;

/** A key that is to be changed, locked; no row for one of another project. Index: api_key's primary key. */
export const lockKey = (of: KeysOf, id: string) => sql.type(
  z.strictObject({
    ...KeyRow.shape,
    live: z.boolean(),
    lifetime_seconds: z.number().nullable(),
  }),
)`
  select ${columns}, k.revoked_at is null and coalesce(k.expires_at > now(), true) as live,
         k.lifetime_seconds
  from (select * from api_key k where ${keysOf(of)} and k.id = ${sql.uuid(id)} for update) k
  left join project p on p.id = k.project_id`;

/** Takes a key out of use; one that is revoked stays as it is. Index: api_key's primary key. */
export const revokeKey = (of: KeysOf, id: string) => sql.type(z.strictObject({ revoked_at: z.number() }))`
  update api_key k set revoked_at = coalesce(k.revoked_at, now()) where ${keysOf(of)} and k.id = ${sql.uuid(id)}
  returning k.revoked_at`;

/** Lets a key end so many seconds from now, unless it ends before. Index: api_key's primary key. */
export const endKey = (of: KeysOf, id: string, seconds: number) => sql.type(z.strictObject({ expires_at: z.number() }))`
  update api_key k set expires_at = least(k.expires_at, now() + make_interval(secs => ${seconds}))
  where ${keysOf(of)} and k.id = ${sql.uuid(id)} returning k.expires_at`;

/** Forgets keys that have opened nothing for so many seconds. Reads the table, which is small, once in a while. */
export const forgetKeys = (seconds: number) => sql.type(z.strictObject({ id: z.uuid() }))`
  delete from api_key k where least(k.revoked_at, k.expires_at) < now() - make_interval(secs => ${seconds}) returning k.id`;
