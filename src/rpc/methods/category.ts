import { z } from "zod";
import { method } from "../method.ts";
import {
  Category,
  CategoryName,
  CategoryTree,
  Colour,
  Cursor,
  Description,
  inProject,
  Limit,
  repeatable,
} from "../shapes.ts";

const named = { ...repeatable, name: CategoryName };
const described = {
  parent: CategoryName.nullable().optional().describe("Null for a root."),
  colour: Colour.optional(),
  description: Description.nullable().optional(),
};

export const create = method({
  name: "category.create",
  summary: "Creates a category, below another one or as a root.",
  params: z.strictObject({ ...named, ...described }),
  result: Category,
  changing: true,
  scope: "catalogue:write",
  refusals: ["not_found", "conflict"],
  run: (engine, params, call) => engine.createCategory(params, call),
});

export const get = method({
  name: "category.get",
  summary: "One category.",
  params: z.strictObject({ ...inProject, name: CategoryName }),
  result: Category,
  changing: false,
  scope: "task:read",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.getCategory(params, call),
});

export const list = method({
  name: "category.list",
  summary: "The project's categories by name.",
  params: z.strictObject({ ...inProject, limit: Limit(1000, 100), cursor: Cursor.optional() }),
  result: z.strictObject({ categories: z.array(Category), nextCursor: z.string().nullable() }),
  changing: false,
  heavy: true,
  scope: "task:read",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.listCategories(params, call),
});

export const update = method({
  name: "category.update",
  summary: "Renames, moves or describes a category; a move below itself is a conflict.",
  params: z.strictObject({ ...named, newName: CategoryName.optional(), ...described }),
  result: Category,
  changing: true,
  scope: "catalogue:write",
  refusals: ["not_found", "conflict"],
  run: (engine, params, call) => engine.updateCategory(params, call),
});

export const remove = method({
  name: "category.delete",
  summary: "Deletes a category and takes it off its tasks; its children go up to its place, or are deleted too.",
  params: z.strictObject({ ...named, children: z.enum(["lift", "delete"]).default("lift") }),
  result: z.strictObject({ name: CategoryName }),
  changing: true,
  scope: "catalogue:write",
  refusals: ["not_found"],
  run: (engine, params, call) => engine.deleteCategory(params, call),
});

export const tree = method({
  name: "category.tree",
  summary: "The project's categories as trees, or the tree of one.",
  params: z.strictObject({ ...inProject, root: CategoryName.optional() }),
  result: z.strictObject({ categories: z.array(CategoryTree) }),
  changing: false,
  heavy: true,
  scope: "task:read",
  refusals: ["not_found"],
  async run(engine, params, call) {
    return { categories: await engine.categoryTree(params, call) };
  },
});
