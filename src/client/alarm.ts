/** A timer takes no more milliseconds than this, and rings at once if it is given more. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * One timer for any number of deadlines: whoever has one says by when the alarm must ring, and when it rings looks at all of
 * them and says again what is next. A deadline that is no more needed is left in place, for an early ring costs less than
 * a timer a call. Times are of performance.now().
 */
export class Alarm {
  readonly #ring: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #atMs = Number.POSITIVE_INFINITY;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** Rings at this time or earlier. */
  by(atMs: number): void {
    if (!(atMs < this.#atMs)) return;
    clearTimeout(this.#timer);
    this.#atMs = atMs;
    this.#timer = setTimeout(
      () => {
        this.#atMs = Number.POSITIVE_INFINITY;
        this.#ring();
      },
      Math.min(Math.max(atMs - performance.now(), 0), TIMER_MS_MAX),
    );
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#atMs = Number.POSITIVE_INFINITY;
  }
}
