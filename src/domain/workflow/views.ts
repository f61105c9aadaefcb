import type { State } from "../task/lifecycle.ts";

export type WorkflowState = "running" | "completed" | "failed" | "cancelled";
export const WORKFLOW_STATES = ["running", "completed", "failed", "cancelled"] as const;

export interface WorkflowTaskView {
  key: string;
  id: string;
  queue: string;
  state: State;
  /** Keys. */
  dependsOn: string[];
}

export interface WorkflowView {
  id: string;
  name: string | null;
  state: WorkflowState;
  /** How many of its tasks are in each state. */
  counts: Record<State, number>;
  tasks: WorkflowTaskView[];
  added: string;
  finished: string | null;
}

interface Row {
  readonly id: string;
  readonly name: string | null;
  readonly outcome: WorkflowState | null;
  readonly added: number;
  readonly finished: number | null;
  readonly tasks:
    | readonly { key: string; id: string; queue: string; state: string; after: readonly string[] | null }[]
    | null;
}

export function workflowView(row: Row): WorkflowView {
  const counts = { waiting: 0, pending: 0, claimed: 0, completed: 0, failed: 0, cancelled: 0 };
  const tasks = (row.tasks ?? []).map(({ key, id, queue, state, after }) => {
    counts[state as State] += 1;
    return { key, id, queue, state: state as State, dependsOn: [...(after ?? [])] };
  });
  return {
    id: row.id,
    name: row.name,
    state: row.outcome ?? "running",
    counts,
    tasks,
    added: new Date(row.added).toISOString(),
    finished: row.finished === null ? null : new Date(row.finished).toISOString(),
  };
}
