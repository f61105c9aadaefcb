/** Rows as api.md shows them. */
import { time } from "../task/views.ts";
import type { QueueRow, StatsRow } from "./queries.ts";

export interface QueueView {
  id: number;
  project: string;
  name: string;
  description: string | null;
  leaseSeconds: number;
  maxAttempts: number;
  backoff: { baseSeconds: number; factor: number; maxSeconds: number; jitter: boolean };
  retention: { completedSeconds: number | null; failedSeconds: number | null };
  maxPayloadBytes: number;
  paused: boolean;
  added: string;
  updated: string;
}

export interface StatsView {
  queue: string;
  waiting: number;
  pending: number;
  delayed: number;
  claimed: number;
  completed: number;
  failed: number;
  cancelled: number;
  oldestReadySeconds: number | null;
  enqueuedPerSecond: number;
  completedPerSecond: number;
}

export function queueView(row: QueueRow): QueueView {
  return {
    id: row.id,
    project: row.project,
    name: row.name,
    description: row.description,
    leaseSeconds: row.lease_seconds,
    maxAttempts: row.max_attempts,
    backoff: {
      baseSeconds: row.backoff_base_seconds,
      factor: row.backoff_factor,
      maxSeconds: row.backoff_max_seconds,
      jitter: row.backoff_jitter,
    },
    retention: { completedSeconds: row.retention_completed_seconds, failedSeconds: row.retention_failed_seconds },
    maxPayloadBytes: row.max_payload_bytes,
    paused: row.paused,
    added: time(row.added),
    updated: time(row.updated),
  };
}

export function statsView(row: StatsRow): StatsView {
  return {
    queue: row.queue,
    waiting: row.waiting,
    pending: row.pending,
    delayed: row.delayed,
    claimed: row.claimed,
    completed: row.completed,
    failed: row.failed,
    cancelled: row.cancelled,
    oldestReadySeconds: row.oldest_ready_seconds,
    enqueuedPerSecond: row.enqueued_per_second,
    completedPerSecond: row.completed_per_second,
  };
}
