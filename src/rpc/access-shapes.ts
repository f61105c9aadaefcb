/** The shapes of api.md's "Access" as Zod schemas. */
import { z } from "zod";
import { ROLES, SCOPES } from "../domain/access/scopes.ts";
import { filledText, idOf, TimeOut } from "./shapes.ts";

export const UserId = filledText(255);
export const Member = z
  .strictObject({ userId: UserId, email: z.string(), name: z.string(), role: z.enum(ROLES), added: TimeOut })
  .meta({ id: "Member" });

export const KeyId = idOf("key");
export const KeyName = filledText(80);
export const QueuePattern = z
  .string()
  .regex(/^[A-Za-z0-9_*?-]{1,80}$/, "must be 1 to 80 characters of A-Z a-z 0-9 _ - and the wildcards * and ?");

export const ApiKey = z
  .strictObject({
    id: KeyId,
    project: z.string().nullable().describe("Null: the whole service."),
    name: z.string(),
    start: z.string().describe("How the key begins."),
    scopes: z.array(z.enum(SCOPES)),
    queues: z.array(z.string()).nullable().describe("Null: all."),
    added: TimeOut,
    expiresAt: TimeOut.nullable(),
    revokedAt: TimeOut.nullable(),
  })
  .meta({ id: "ApiKey" });
