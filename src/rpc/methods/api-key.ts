import { z } from "zod";
import { SCOPES } from "../../domain/access/scopes.ts";
import { ApiKey, KeyId, KeyName, QueuePattern } from "../access-shapes.ts";
import { method } from "../method.ts";
import { Cursor, DelaySeconds, inProject, Limit, repeatable, TimeOut } from "../shapes.ts";

const KeyText = z
  .string()
  .nullable()
  .describe("The key itself. Shown once: null in the answer to a repeat with the same requestId.");
const made = { id: KeyId, key: KeyText, expiresAt: TimeOut.nullable() };

export const create = method({
  name: "apiKey.create",
  summary: "Makes a key by which a program calls, and shows it once.",
  params: z.strictObject({
    ...repeatable,
    name: KeyName,
    scopes: z.array(z.enum(SCOPES)).min(1).max(SCOPES.length),
    queues: z
      .array(QueuePattern)
      .min(1)
      .max(100)
      .optional()
      .describe("Globs of the queues it may know of, with * and ?; default: all."),
    expiresInSeconds: DelaySeconds.min(1).optional().describe("Default: never."),
    everywhere: z
      .boolean()
      .optional()
      .describe(
        "Of the whole service, not of one project; default: only with scope admin, and where no project is named.",
      ),
  }),
  result: z.strictObject(made),
  changing: true,
  scope: "admin",
  everywhere: ({ everywhere }) => everywhere === true,
  refusals: ["not_found"],
  run: (engine, params, call) => engine.createKey(params, call),
});

export const list = method({
  name: "apiKey.list",
  summary:
    "The keys of a project, or where none is named those that the caller may manage, in the order they were made.",
  params: z.strictObject({ ...inProject, limit: Limit(1000, 100), cursor: Cursor.optional() }),
  result: z.strictObject({ keys: z.array(ApiKey), nextCursor: z.string().nullable() }),
  changing: false,
  scope: "admin",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.listKeys(params, call),
});

export const revoke = method({
  name: "apiKey.revoke",
  summary: "Ends a key for good: within 5 seconds it opens nothing on any instance.",
  params: z.strictObject({ ...repeatable, id: KeyId }),
  result: z.strictObject({ id: KeyId, revokedAt: TimeOut }),
  changing: true,
  scope: "admin",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.revokeKey(params, call),
});

export const rotate = method({
  name: "apiKey.rotate",
  summary: "Makes a key that may do what another may, and ends that one after a while.",
  params: z.strictObject({
    ...repeatable,
    id: KeyId,
    overlapSeconds: DelaySeconds.default(0).describe("How long the old key goes on."),
  }),
  result: z.strictObject({ ...made, previous: z.strictObject({ id: KeyId, expiresAt: TimeOut }) }),
  changing: true,
  scope: "admin",
  refusals: ["not_found", "wrong_state"],
  run: (engine, params, call) => engine.rotateKey(params, call),
});
