import type { Logger } from "../lib/log.ts";

/** Undoes, newest first, what starting has done so far. */
export class Undoing {
  readonly #steps: (() => Promise<unknown>)[] = [];
  add(step: () => Promise<unknown>): void {
    this.#steps.unshift(step);
  }
  async run(log: Logger): Promise<void> {
    for (const step of this.#steps) {
      try {
        await step();
      } catch (error) {
        log.error("a part did not stop cleanly", { error });
      }
    }
  }
}
