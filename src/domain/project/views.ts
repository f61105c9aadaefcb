/** Rows as api.md shows them. */
import { time } from "../task/views.ts";
import type { ProjectRow } from "./queries.ts";

export interface ProjectView {
  id: number;
  name: string;
  description: string | null;
  added: string;
  updated: string;
}

export const projectView = (row: ProjectRow): ProjectView => ({
  id: row.id,
  name: row.name,
  description: row.description,
  added: time(row.added),
  updated: time(row.updated),
});
