/**
 * The graph of a workflow's tasks, by their keys: in which order they can run, and what is wrong with it. Pure.
 */
import type { ParamIssue } from "../refusals.ts";

export interface GraphTask {
  readonly key: string;
  readonly dependsOn?: readonly string[] | undefined;
}

/** Of a circle's path so many keys are named; a longer one is cut in its middle. */
const NAMED_MAX = 10;

/**
 * Puts tasks in an order in which they can run: their places, each after those it depends on, otherwise as they came. What
 * does not fit together comes as issues instead: a key twice, one that is neither here nor `known`, a circle.
 */
export function runningOrder(
  tasks: readonly GraphTask[],
  known: ReadonlySet<string>,
): { readonly order: readonly number[] } | { readonly issues: readonly ParamIssue[] } {
  const placeOf = new Map<string, number>();
  const issues: ParamIssue[] = [];
  for (const [place, { key }] of tasks.entries()) {
    if (placeOf.has(key) || known.has(key))
      issues.push({ path: `tasks[${place}].key`, message: `"${key}" is the key of another task of this workflow` });
    else placeOf.set(key, place);
  }
  for (const [place, { dependsOn = [] }] of tasks.entries())
    for (const [index, key] of dependsOn.entries())
      if (!placeOf.has(key) && !known.has(key))
        issues.push({
          path: `tasks[${place}].dependsOn[${index}]`,
          message: `no task of this workflow has the key "${key}"`,
        });
  if (issues.length > 0) return { issues };
  return sort(tasks, placeOf);
}

/** Kahn's algorithm; what it cannot place has a circle among it, or depends on one. */
function sort(tasks: readonly GraphTask[], placeOf: ReadonlyMap<string, number>) {
  const dependents: number[][] = tasks.map(() => []);
  const unmet = tasks.map(() => 0);
  for (const [place, { dependsOn = [] }] of tasks.entries())
    for (const key of new Set(dependsOn)) {
      const on = placeOf.get(key);
      if (on === undefined) continue;
      dependents[on]!.push(place);
      unmet[place]! += 1;
    }
  const order = unmet.flatMap((count, place) => (count === 0 ? [place] : []));
  for (let at = 0; at < order.length; at++)
    for (const place of dependents[order[at]!]!) {
      unmet[place]! -= 1;
      if (unmet[place] === 0) order.push(place);
    }
  if (order.length === tasks.length) return { order };
  return { issues: [circle(tasks, placeOf, new Set(order))] };
}

/** Each task that could not be placed depends on another such: whoever goes from one to the next comes round. */
function circle(
  tasks: readonly GraphTask[],
  placeOf: ReadonlyMap<string, number>,
  placed: ReadonlySet<number>,
): ParamIssue {
  const seen = new Map<number, number>();
  const path: number[] = [];
  let place = tasks.findIndex((_, at) => !placed.has(at));
  while (!seen.has(place)) {
    seen.set(place, path.length);
    path.push(place);
    place = tasks[place]!.dependsOn!.map((key) => placeOf.get(key)).find((on) => on !== undefined && !placed.has(on))!;
  }
  const round = path.slice(seen.get(place));
  const keys = [...round, round[0]!].map((at) => tasks[at]!.key);
  const index = tasks[round[0]!]!.dependsOn!.indexOf(keys[1]!);
  return {
    path: `tasks[${round[0]}].dependsOn[${index}]`,
    message: `the dependencies form a circle: ${named(keys).join(" → ")}`,
  };
}

function named(keys: readonly string[]): string[] {
  if (keys.length <= NAMED_MAX) return keys.map((key) => `"${key}"`);
  const [head, tail] = [keys.slice(0, NAMED_MAX / 2), keys.slice(-NAMED_MAX / 2)];
  const left = keys.length - NAMED_MAX;
  return [...head.map((key) => `"${key}"`), `(${left} more)`, ...tail.map((key) => `"${key}"`)];
}
