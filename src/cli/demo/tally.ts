import type { Task } from "../../client/index.ts";
import type { Accepted } from "./demo-worker.ts";

export interface Tally {
  readonly completed: number;
  /** Tasks that needed more than one attempt. */
  readonly retried: number;
  /** Of these, tasks whose worker was killed: the lease ran out and another worker did them. */
  readonly takenOver: number;
  readonly dead: number;
  /** Enqueued and acknowledged, but not there, or neither completed nor dead. */
  readonly lost: number;
  /** Tasks of which more than one completion was accepted. */
  readonly double: number;
}

/**
 * Counts what became of every task that the service acknowledged, from two sources that know nothing of each other: the
 * tasks as the service shows them, and the workers' own lists of the completions that the service accepted from them.
 */
export function tally(enqueued: readonly string[], tasks: readonly Task[], accepted: readonly Accepted[]): Tally {
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const mine = enqueued.map((id) => byId.get(id)).filter((task) => task !== undefined);
  const completed = mine.filter(({ state }) => state === "completed");
  const dead = mine.filter(({ state }) => state === "failed");
  const attemptsAccepted = Map.groupBy(accepted, ({ id }) => id);
  return {
    completed: completed.length,
    retried: mine.filter(({ attempts }) => attempts > 1).length,
    takenOver: mine.filter(({ errors }) => errors.some(({ code }) => code === "lease_expired")).length,
    dead: dead.length,
    lost: enqueued.length - completed.length - dead.length,
    double: mine.filter((task) => completedTwice(task, attemptsAccepted.get(task.id) ?? [])).length,
  };
}

/**
 * True when a task shows any sign of a second accepted completion: two in the workers' lists; one in the lists by another
 * attempt than the one whose result the service keeps; or an attempt that ended in neither a failure nor the completion,
 * so that a completion must have been accepted of which no list knows (its worker was killed before it could write).
 */
function completedTwice(task: Task, accepted: readonly Accepted[]): boolean {
  const last = task.errors.length + (task.state === "completed" ? 1 : 0);
  const kept = attemptOf(task.result);
  return accepted.length > 1 || accepted.some(({ attempt }) => attempt !== kept) || task.attempts !== last;
}

function attemptOf(result: Task["result"]): unknown {
  return typeof result === "object" && result !== null && !Array.isArray(result) ? result.attempt : undefined;
}
