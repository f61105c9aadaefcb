import type { Awaited } from "../domain/task/queries/read.ts";
import type { Progress } from "../domain/task/views.ts";

export interface Watched extends Awaited {
  readonly known: Progress | null | undefined;
}

/** A caller's place among those who wait for a task. What comes while nobody waits in it is kept until somebody does. */
export class WaitingPlace implements Watched {
  readonly id: string;
  readonly queueId: number;
  readonly known: Progress | null | undefined;
  #stirred = false;
  #wake: (() => void) | null = null;

  constructor({ id, queueId, known }: Watched) {
    this.id = id;
    this.queueId = queueId;
    this.known = known;
  }

  /** Whether the caller waits for progress too. */
  get follows(): boolean {
    return this.known !== undefined;
  }

  /** The task may have come to something: whoever waits here is to look. */
  stir(): void {
    this.#stirred = true;
    this.#wake?.();
  }

  /** Resolves when the place has been stirred since the last time, after `waitMs`, or when `signal` aborts. */
  async stirred(waitMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#stirred && !signal.aborted)
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          signal.removeEventListener("abort", wake);
          this.#wake = null;
          resolve();
        };
        const timer = setTimeout(wake, waitMs);
        signal.addEventListener("abort", wake, { once: true });
        this.#wake = wake;
      });
    this.#stirred = false;
  }
}
