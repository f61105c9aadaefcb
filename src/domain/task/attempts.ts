import type { State } from "./lifecycle.ts";
import type { AttemptsRow } from "./queries/read.ts";
import { time, timeOrNull } from "./views.ts";

export interface AttemptView {
  attempt: number;
  worker: string | null;
  claimed: string;
  finished: string | null;
  outcome: "claimed" | "completed" | "failed" | "expired" | "cancelled";
  message: string | null;
}

/** An entry of a task's errors; `claimed` is missing where it was noted before attempts were. */
interface Noted {
  attempt: number;
  at: string;
  worker?: string | null;
  claimed?: string | null;
  message: string;
  code?: string | null;
}

/**
 * Whether an attempt left the entry: a task may also be cancelled, or fail with a dependency, and the service notes that
 * without saying when anything was claimed. A worker's own failure may have any code.
 */
const isAttempt = ({ code, claimed }: Noted) =>
  claimed !== undefined || (code !== "cancelled" && code !== "dependency_failed");

/** The attempts made at a task, in their order, those of earlier retries first. */
export function attemptViews(row: AttemptsRow): AttemptView[] {
  const errors = (row.errors ?? []) as Noted[];
  const failed = errors.filter(isAttempt).map(failure);
  const ended = endOf(row, errors);
  const held: AttemptView[] =
    row.claimed_at === null
      ? []
      : [
          {
            attempt: row.attempts,
            worker: row.worker,
            claimed: time(row.claimed_at),
            finished: null,
            outcome: "claimed",
            message: null,
          },
        ];
  return [...failed, ...ended, ...held];
}

const failure = (one: Noted): AttemptView => ({
  attempt: one.attempt,
  worker: one.worker ?? null,
  claimed: time(Date.parse(one.claimed ?? one.at)),
  finished: time(Date.parse(one.at)),
  outcome: one.code === "lease_expired" ? "expired" : "failed",
  message: one.message,
});

/** The attempt that completed the task, or that it was cancelled in. */
function endOf(row: AttemptsRow, errors: readonly Noted[]): AttemptView[] {
  const wasHeld = row.last_claimed !== null && row.attempts > 0;
  const outcome = OUTCOMES[row.state];
  if (!outcome || !wasHeld) return [];
  const already = errors.some(
    ({ attempt, claimed }) => attempt === row.attempts && claimed && Date.parse(claimed) === row.last_claimed,
  );
  if (already) return [];
  const reason = outcome === "cancelled" ? errors.findLast(isReasonOf(row)) : undefined;
  return [
    {
      attempt: row.attempts,
      worker: row.last_worker,
      claimed: time(row.last_claimed!),
      finished: timeOrNull(row.finished),
      outcome,
      message: reason?.message ?? null,
    },
  ];
}

/** Whether an entry gives the reason for this very cancellation: it was noted at the task's end. */
const isReasonOf =
  ({ finished }: AttemptsRow) =>
  (one: Noted) =>
    !isAttempt(one) && one.code === "cancelled" && Date.parse(one.at) === finished;

const OUTCOMES: Partial<Record<State, "completed" | "cancelled">> = { completed: "completed", cancelled: "cancelled" };
