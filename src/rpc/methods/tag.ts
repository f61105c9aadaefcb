import { z } from "zod";
import { method } from "../method.ts";
import { Colour, Cursor, inProject, Limit, repeatable, Tag, TagOut } from "../shapes.ts";

/** What a tag begins with; shorter than a tag, or empty for all. */
const Prefix = z.string().max(50, "must not be longer than 50 characters");

export const create = method({
  name: "tag.create",
  summary: "Creates a tag; a task's unknown tags are created by themselves.",
  params: z.strictObject({ ...repeatable, name: Tag, colour: Colour.optional() }),
  result: TagOut,
  changing: true,
  scope: "catalogue:write",
  refusals: ["not_found", "conflict"],
  run: (engine, params, call) => engine.createTag(params, call),
});

export const list = method({
  name: "tag.list",
  summary: "The project's tags, by name or the most used first.",
  params: z.strictObject({
    ...inProject,
    prefix: Prefix.optional(),
    sort: z.enum(["name", "-used"]).default("name"),
    limit: Limit(1000, 100),
    cursor: Cursor.optional(),
  }),
  result: z.strictObject({ tags: z.array(TagOut), nextCursor: z.string().nullable() }),
  changing: false,
  heavy: true,
  scope: "task:read",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.listTags(params, call),
});

export const rename = method({
  name: "tag.rename",
  summary: "Gives a tag another name, on all its tasks.",
  params: z.strictObject({ ...repeatable, name: Tag, newName: Tag }),
  result: TagOut,
  changing: true,
  scope: "catalogue:write",
  refusals: ["not_found", "conflict"],
  run: (engine, params, call) => engine.renameTag(params, call),
});

export const remove = method({
  name: "tag.delete",
  summary: "Deletes a tag and takes it off its tasks.",
  params: z.strictObject({ ...repeatable, name: Tag }),
  result: z.strictObject({ name: z.string() }),
  changing: true,
  scope: "catalogue:write",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.deleteTag(params, call),
});

export const suggest = method({
  name: "tag.suggest",
  summary: "Tags that begin so, the most used first.",
  params: z.strictObject({ ...inProject, prefix: Prefix, limit: Limit(50, 10) }),
  result: z.strictObject({ tags: z.array(z.string()) }),
  changing: false,
  scope: "task:read",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.suggestTags(params, call),
});
