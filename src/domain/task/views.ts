/** Rows as api.md shows them. */
import type { Json, JsonObject } from "../../lib/json.ts";
import type { State } from "./lifecycle.ts";
import { type ClaimedRow, OMITTED } from "./queries/claim.ts";
import type { TaskRow } from "./queries/read.ts";
import { formatReceipt } from "./receipt.ts";

export interface TaskErrorView {
  attempt: number;
  at: string;
  worker: string | null;
  message: string;
  code: string | null;
  data?: Json;
}

export interface Progress {
  percent: number;
  note: string | null;
}

export interface TaskView {
  id: string;
  queue: string;
  project: string;
  state: State;
  name: string | null;
  payload: JsonObject;
  priority: number;
  runAt: string;
  added: string;
  updated: string;
  finished: string | null;
  attempts: number;
  maxAttempts: number;
  errors: TaskErrorView[];
  result: Json;
  progress: Progress | null;
  dedupeKey: string | null;
  description: string | null;
  dueAt: string | null;
  ownerId: string | null;
  tags: string[];
  categories: string[];
  dependsOn: string[];
  worker: string | null;
  leaseExpiresAt: string | null;
  deletedAt: string | null;
}

export interface ClaimedView {
  id: string;
  queue: string;
  name: string | null;
  payload: JsonObject;
  priority: number;
  attempt: number;
  maxAttempts: number;
  receipt: string;
  leaseExpiresAt: string;
  added: string;
  tags: string[];
  dependsOn: string[];
  /** The results of the tasks it depends on, by their keys, or by their ids outside a workflow. */
  inputs: Readonly<Record<string, Json>>;
  /** Those left out of `inputs` because they are too large: the tasks' ids, by the same keys. */
  inputsOmitted?: Readonly<Record<string, string>>;
  /** The workflow it is of, and what it is called there. */
  workflow?: { id: string; key: string };
}

/** Epoch milliseconds as api.md writes times. */
export const time = (ms: number): string => new Date(ms).toISOString();
export const timeOrNull = (ms: number | null): string | null => (ms === null ? null : time(ms));

/** Progress as it is stored, null for none. */
export function progressView(stored: unknown): Progress | null {
  const progress = stored as { percent: number; note?: string | null } | null;
  return progress && { percent: progress.percent, note: progress.note ?? null };
}

export const isSameProgress = (one: Progress | null, other: Progress | null): boolean =>
  one?.percent === other?.percent && one?.note === other?.note;

export function taskView(row: TaskRow): TaskView {
  return {
    id: row.id,
    queue: row.queue,
    project: row.project,
    state: row.state,
    name: row.name,
    payload: row.payload as JsonObject,
    priority: row.priority,
    runAt: time(row.run_at),
    added: time(row.added),
    updated: time(row.updated),
    finished: timeOrNull(row.finished),
    attempts: row.attempts,
    maxAttempts: row.max_attempts,
    errors: ((row.errors ?? []) as Omit<TaskErrorView, "code">[]).map(errorView),
    result: row.result as Json,
    progress: progressView(row.progress),
    dedupeKey: row.dedupe_key,
    description: row.description,
    dueAt: timeOrNull(row.due_at),
    ownerId: row.owner_id,
    tags: row.tags ?? [],
    categories: row.categories ?? [],
    dependsOn: row.depends_on ?? [],
    worker: row.worker,
    leaseExpiresAt: timeOrNull(row.lease_expires_at),
    deletedAt: timeOrNull(row.deleted_at),
  };
}

function errorView(error: Partial<TaskErrorView>): TaskErrorView {
  return {
    attempt: error.attempt!,
    at: time(Date.parse(error.at!)),
    worker: error.worker ?? null,
    message: error.message!,
    code: error.code ?? null,
    ...(error.data === undefined ? {} : { data: error.data }),
  };
}

const NO_INPUTS = { inputs: {} };

function inputsView({
  inputs,
  depends_on,
  depends_on_keys,
}: ClaimedRow): Pick<ClaimedView, "inputs" | "inputsOmitted"> {
  if (inputs === null || depends_on === null) return NO_INPUTS;
  const keys = depends_on_keys ?? depends_on;
  const omitted = keys.flatMap((key, at) => (inputs[at] === OMITTED ? [[key, depends_on[at]!] as const] : []));
  return {
    // Not by assignment: a key may be __proto__.
    inputs: Object.fromEntries(
      keys.flatMap((key, at) => (inputs[at] === OMITTED ? [] : [[key, inputs[at] as Json] as const])),
    ),
    ...(omitted.length > 0 ? { inputsOmitted: Object.fromEntries(omitted) } : {}),
  };
}

export function claimedView(row: ClaimedRow, queue: string): ClaimedView {
  return {
    id: row.id,
    queue,
    name: row.name,
    payload: row.payload as JsonObject,
    priority: row.priority,
    attempt: row.attempts,
    maxAttempts: row.max_attempts,
    receipt: formatReceipt(row.id, row.lease_seq, row.awaited),
    leaseExpiresAt: time(row.expires_at),
    added: time(row.added),
    tags: row.tags ?? [],
    dependsOn: row.depends_on ?? [],
    ...inputsView(row),
    ...(row.workflow_id === null ? {} : { workflow: { id: row.workflow_id, key: row.workflow_key! } }),
  };
}
