/** Rows as api.md shows them. */
import { time } from "../task/views.ts";
import type { CategoryRow } from "./queries.ts";

export interface CategoryView {
  id: number;
  name: string;
  parent: string | null;
  colour: string;
  description: string | null;
  tasks: number;
  added: string;
  updated: string;
}
export interface CategoryTree extends CategoryView {
  children: CategoryTree[];
}

export const categoryView = (row: CategoryRow): CategoryView => ({
  id: row.id,
  name: row.name,
  parent: row.parent,
  colour: row.colour,
  description: row.description,
  tasks: row.tasks,
  added: time(row.added),
  updated: time(row.updated),
});

/** Rows as trees, in the order given: those whose parent is not among them are the roots. */
export function categoryTrees(rows: readonly CategoryRow[]): CategoryTree[] {
  const byName = new Map(rows.map((row) => [row.name, { ...categoryView(row), children: [] as CategoryTree[] }]));
  const roots: CategoryTree[] = [];
  for (const tree of byName.values()) (byName.get(tree.parent ?? "")?.children ?? roots).push(tree);
  return roots;
}
