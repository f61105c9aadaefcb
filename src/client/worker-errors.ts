/** Thrown by a handler: the attempt failed and no further one can help, so the task is dead at once. */
export class PermanentError extends Error {
  readonly code: string | undefined;

  constructor(message: string, options: { code?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "PermanentError";
    this.code = options.code;
  }
}

/** Thrown by a handler: not now. The task is handed back for so many seconds, and the attempt does not count. */
export class RetryLater extends Error {
  readonly delaySeconds: number;

  constructor(delaySeconds: number, message = `again in ${delaySeconds} s`) {
    super(message);
    this.name = "RetryLater";
    this.delaySeconds = delaySeconds;
  }
}

/**
 * Why a handler's signal is aborted: the task is no longer this worker's. What the handler goes on doing cannot be
 * reported, and another worker may be at the task already.
 */
export class LeaseLost extends Error {
  /**
   * The task's state as the service told it: `cancelled`, `claimed` by another worker, and so on. `expired` means that
   * the lease ran out by this process's monotonic clock before it could be renewed (the service was out of reach, or
   * this process stood still); the service has not said so yet.
   */
  readonly state: string;

  constructor(state: string) {
    super(reasonOf(state));
    this.name = "LeaseLost";
    this.state = state;
  }
}

function reasonOf(state: string): string {
  if (state === "cancelled") return "The task was cancelled.";
  if (state === "expired") return "The lease ran out before it could be renewed.";
  return `The lease was lost; the task is ${state}.`;
}

/** Why a handler's signal is aborted when the worker stops and the handler's time of grace is over. */
export class WorkerStopping extends Error {
  constructor() {
    super("The worker is stopping.");
    this.name = "WorkerStopping";
  }
}

const MESSAGE_MAX = 10_000;
const CODE_MAX = 255;

/** What task.fail is told of something thrown. Anything can be thrown, so nothing is assumed of it. */
export function describeFailure(thrown: unknown): { message: string; code: string | null } {
  if (!(thrown instanceof Error)) return { message: cut(textOf(thrown), MESSAGE_MAX), code: null };
  const code = "code" in thrown && typeof thrown.code === "string" && thrown.code !== "" ? thrown.code : null;
  // A class of its own says more than nothing; every plain Error is called Error.
  const named = thrown.name !== "Error" && thrown.name !== "PermanentError" ? thrown.name : null;
  const label = code ?? named;
  return {
    message: cut(thrown.message || thrown.name, MESSAGE_MAX),
    code: label === null ? null : cut(label, CODE_MAX),
  };
}

function textOf(thrown: unknown): string {
  try {
    return typeof thrown === "string" ? thrown : (JSON.stringify(thrown) ?? String(thrown));
  } catch {
    return "something that cannot be written as text was thrown";
  }
}

/** Cut to `max` UTF-16 units and made well-formed: the service refuses half a surrogate pair. */
function cut(text: string, max: number): string {
  const short = text.length > max ? `${text.slice(0, max - 1)}…` : text;
  return short
    .replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, "�")
    .replaceAll("\0", "�");
}
