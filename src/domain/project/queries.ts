import { z } from "zod";
import { sql } from "../../db/sql.ts";

/** A project's number by its name. Index: project_name_key. */
export const projectByName = (name: string) => sql.type(z.strictObject({ id: z.int() }))`
  select id from project where name = ${name}`;
