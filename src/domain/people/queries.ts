/** What the service itself does with the tables that better-auth keeps; everything else there is that library's. */
import { z } from "zod";
import { sql } from "../../db/sql.ts";

/** Keeps a secret where there is none yet. Index: auth_secret's primary key. */
export const keepSecret = (secret: string) => sql.typeAlias("void")`
  insert into auth_secret (secret) values (${secret}) on conflict do nothing`;

/** The secret that is kept. Reads the one row there is. */
export const keptSecret = () => sql.type(z.strictObject({ secret: z.string() }))`
  select secret from auth_secret`;

/** Forgets sessions that have run out. Index: session_expires_idx. */
export const forgetSessions = (limit: number) => sql.type(z.strictObject({ id: z.string() }))`
  delete from session s where s.id = any(array(
    select o.id from session o where o."expiresAt" < now() order by o."expiresAt" limit ${limit} for update skip locked))
  returning s.id`;

/** Forgets what nobody can prove any more. Index: verification_expires_idx. */
export const forgetVerifications = (limit: number) => sql.type(z.strictObject({ id: z.string() }))`
  delete from verification v where v.id = any(array(
    select o.id from verification o where o."expiresAt" < now() order by o."expiresAt" limit ${limit} for update skip locked))
  returning v.id`;
