import { z } from "zod";
import { sql, texts } from "../../db/sql.ts";

export const TagRow = z.strictObject({
  id: z.int(),
  name: z.string(),
  key: z.string(),
  colour: z.string().nullable(),
  used: z.number(),
});
export type TagRow = z.output<typeof TagRow>;

// Counts not folded yet are added up once for all: tag_delta is emptied every second.
const counted = sql.fragment`
  tag g left join (select d.tag_id, sum(d.used) as used from tag_delta d group by d.tag_id) d on d.tag_id = g.id`;
const used = sql.fragment`(g.used + coalesce(d.used, 0))`;
const columns = sql.fragment`g.id, g.name, g.key, g.colour, ${used} as used`;

/** The first text after all that begin with `prefix`, in the byte order of the key's collation. */
const pastAll = (prefix: string) => `${prefix}\u{10ffff}`;

/** One tag by its key. Index: tag_key. */
export const tagByKey = (projectId: number, key: string) => sql.type(TagRow)`
  select ${columns} from ${counted} where g.project_id = ${projectId} and g.key = ${key}`;

/** Which of these keys are tags of the project. Index: tag_key. */
export const knownKeys = (projectId: number, keys: readonly string[]) => sql.type(z.strictObject({ key: z.string() }))`
  select g.key from tag g where g.project_id = ${projectId} and g.key = any(${texts(keys)})`;

/**
 * Creates those tags that are not there, in the order of their keys, so that two calls cannot wait for each other in a
 * circle. Index: tag_key.
 */
export const insertTags = (
  projectId: number,
  tags: readonly { readonly key: string; readonly name: string; readonly colour: string | null }[],
) => sql.type(z.strictObject({ id: z.int() }))`
  insert into tag as g (project_id, key, name, colour)
  select ${projectId}, i.key, i.name, i.colour
  from unnest(${texts(tags.map(({ key }) => key))}, ${texts(tags.map(({ name }) => name))}, ${texts(tags.map(({ colour }) => colour))})
    as i(key, name, colour)
  order by i.key collate "C"
  on conflict (project_id, key) do nothing returning g.id`;

/** A page of tags by name, those that begin with `prefix`. Index: tag_key. */
export const tagsByName = (projectId: number, prefix: string, after: string | null, limit: number) => sql.type(TagRow)`
  select ${columns} from ${counted}
  where g.project_id = ${projectId} and g.key >= ${prefix} and g.key < ${pastAll(prefix)}
    and ${after === null ? sql.fragment`true` : sql.fragment`g.key > ${after}`}
  order by g.key limit ${limit}`;

/** A page of tags, the most used first. Reads all that begin with `prefix`. Index: tag_key. */
export const tagsByUse = (
  projectId: number,
  prefix: string,
  after: { readonly used: number; readonly key: string } | null,
  limit: number,
) => sql.type(TagRow)`
  select ${columns} from ${counted}
  where g.project_id = ${projectId} and g.key >= ${prefix} and g.key < ${pastAll(prefix)}
    and ${
      after === null
        ? sql.fragment`true`
        : sql.fragment`(${used} < ${after.used} or (${used} = ${after.used} and g.key > ${after.key}))`
    }
  order by ${used} desc, g.key limit ${limit}`;

/** Gives a tag another name. Index: tag's primary key. */
export const renameTag = (id: number, key: string, name: string) => sql.type(z.strictObject({ id: z.int() }))`
  update tag g set key = ${key}, name = ${name} where g.id = ${id} returning g.id`;

/** Removes a tag and takes it off its tasks. Index: tag_key. */
export const deleteTag = (projectId: number, key: string) => sql.type(z.strictObject({ name: z.string() }))`
  delete from tag g where g.project_id = ${projectId} and g.key = ${key} returning g.name`;

/** Numbers of tags by their keys, the least used first, as far as counts are folded. Index: tag_key. */
export const tagUse = (projectId: number, keys: readonly string[]) => sql.type(z.strictObject({ id: z.int() }))`
  select g.id from tag g where g.project_id = ${projectId} and g.key = any(${texts(keys)}) order by g.used, g.id`;
