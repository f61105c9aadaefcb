import type { NewWorkflowTask } from "./contract.ts";

/** The service takes no more in one call. */
export const TASKS_MAX = 1000;
/** A call's text stays below the service's 4 MiB, whatever bytes its characters take. */
const CHARACTERS_MAX = 1_000_000;

/** Tasks in parts of a call each, every task after those of them that it depends on. The same for the same tasks. */
export function partsOf(tasks: readonly NewWorkflowTask[]): NewWorkflowTask[][] {
  const parts: NewWorkflowTask[][] = [];
  let part: NewWorkflowTask[] = [];
  let characters = 0;
  for (const task of runningOrder(tasks)) {
    const more = JSON.stringify(task).length;
    if (part.length === TASKS_MAX || (part.length > 0 && characters + more > CHARACTERS_MAX)) {
      parts.push(part);
      part = [];
      characters = 0;
    }
    part.push(task);
    characters += more;
  }
  return part.length === 0 ? parts : [...parts, part];
}

/** What forms a circle comes last, for the service to refuse; likewise a key that comes twice. */
function runningOrder(tasks: readonly NewWorkflowTask[]): NewWorkflowTask[] {
  const waiting = new Map(tasks.map((task) => [task, 0]));
  const after = new Map<string, NewWorkflowTask[]>(tasks.map(({ key }) => [key, []]));
  for (const task of tasks)
    for (const key of new Set(task.dependsOn)) {
      const others = after.get(key);
      if (others === undefined) continue;
      others.push(task);
      waiting.set(task, waiting.get(task)! + 1);
    }
  const order = tasks.filter((task) => waiting.get(task) === 0);
  // Grows while it is walked.
  for (const { key } of order)
    for (const task of after.get(key)!) {
      const left = waiting.get(task)! - 1;
      waiting.set(task, left);
      if (left === 0) order.push(task);
    }
  return [...order, ...tasks.filter((task) => waiting.get(task)! > 0)];
}
