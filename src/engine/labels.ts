import { violatedConstraint } from "../db/failure.ts";
import type { Db } from "../db/pool.ts";
import * as categories from "../domain/category/queries.ts";
import { Refusal } from "../domain/refusals.ts";
import * as tags from "../domain/tag/queries.ts";
import { distinctTags, tagKey } from "../domain/tag/tag.ts";
import * as catalogue from "../domain/task/queries/catalogue.ts";
import type { EngineContext } from "./context.ts";

/** A tag or category went away between finding it and using it: the call is tried again. */
class LabelGone extends Error {}

/** True for the error of a label that went in that moment, by our look or by the foreign key's. */
export const isLabelGone = (error: unknown): boolean =>
  error instanceof LabelGone || /^task_(tag_tag|category_category)_id_fkey$/.test(violatedConstraint(error) ?? "");

/** What tasks are to be labelled with: tags by their names, categories by theirs. */
export interface Labelled {
  readonly tags?: readonly string[] | null | undefined;
  readonly categories?: readonly string[] | null | undefined;
}

/**
 * Makes sure that the tags of tasks exist, creating those that are new, and refuses categories that do not. Done before the
 * tasks' own transaction, as a queue is created by its first task: their labels are then written by number alone.
 */
export async function prepareLabels(
  context: EngineContext,
  projectId: number,
  tasks: readonly Labelled[],
): Promise<void> {
  const named = [...new Set(tasks.flatMap((task) => task.categories ?? []))];
  if (named.length > 0) {
    const known = await context.hot.run((db) => db.any(categories.knownNames(projectId, named)));
    const names = new Set(known.map(({ name }) => name));
    const unknown = named.find((name) => !names.has(name));
    if (unknown !== undefined) throw new Refusal("not_found", { noun: "category", id: unknown });
  }
  const wanted = new Map(distinctTags(tasks.flatMap((task) => task.tags ?? [])).map((name) => [tagKey(name), name]));
  if (wanted.size === 0) return;
  const known = await context.hot.run((db) => db.any(tags.knownKeys(projectId, [...wanted.keys()])));
  for (const { key } of known) wanted.delete(key);
  const fresh = [...wanted].map(([key, name]) => ({ key, name, colour: null }));
  if (fresh.length === 0) return;
  try {
    await context.hot.run((db) => db.any(tags.insertTags(projectId, fresh)));
  } catch (error) {
    // The project went within the second in which it was remembered.
    if (violatedConstraint(error) === "tag_project_id_fkey")
      throw new Refusal("not_found", { noun: "project", id: context.directory.nameOf(projectId) });
    throw error;
  }
}

/** The keys of tags, each once; null for none. */
export const tagKeys = (names: readonly string[] | null | undefined): string[] | null =>
  names?.length ? distinctTags(names).map(tagKey) : null;
export const distinct = (names: readonly string[] | null | undefined): string[] | null =>
  names?.length ? [...new Set(names)] : null;

/** A task with the keys of its tags and the names of its categories. */
export interface TaskLabels {
  readonly id: string;
  readonly tags: readonly string[] | null;
  readonly categories: readonly string[] | null;
}

/** Puts tasks of one queue into the catalogue, with their labels. In a transaction with what made or changed the tasks. */
export async function putInCatalogue(
  tx: Db,
  projectId: number,
  queueId: number,
  tasks: readonly TaskLabels[],
): Promise<void> {
  const ids = tasks.map(({ id }) => id);
  await tx.any(catalogue.catalogueTasks(queueId, ids));
  const labels = (of: (task: TaskLabels) => readonly string[] | null) =>
    tasks.flatMap((task) => (of(task) ?? []).map((label) => ({ id: task.id, label })));
  const tagged = labels((task) => task.tags);
  if (tagged.length > 0 && (await tx.any(catalogue.addTags(projectId, queueId, tagged))).length < tagged.length)
    throw new LabelGone();
  const sorted = labels((task) => task.categories);
  if (sorted.length > 0 && (await tx.any(catalogue.addCategories(projectId, queueId, sorted))).length < sorted.length)
    throw new LabelGone();
}

/** Replaces the labels of one task that are named; the others stay. In a transaction with the task's change. */
export async function relabel(
  tx: Db,
  projectId: number,
  queueId: number,
  task: Labelled & { readonly id: string },
): Promise<void> {
  if (task.tags) await tx.query(catalogue.dropTags({ id: task.id, queueId }));
  if (task.categories) await tx.query(catalogue.dropCategories({ id: task.id, queueId }));
  await putInCatalogue(tx, projectId, queueId, [
    { id: task.id, tags: tagKeys(task.tags), categories: distinct(task.categories) },
  ]);
}
