/** Lets so many pass at once, and so many wait, in the order in which they came. */
export class Gate {
  readonly #waiting: (() => void)[] = [];
  readonly #waitingMax: number;
  #places: number;

  constructor(places: number, waitingMax: number) {
    this.#places = places;
    this.#waitingMax = waitingMax;
  }

  /** Gives the function by which the place is given back, once there is one; null at once where too many wait already. */
  async enter(): Promise<(() => void) | null> {
    if (this.#places > 0) this.#places -= 1;
    else if (this.#waiting.length >= this.#waitingMax) return null;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const next = this.#waiting.shift();
      if (next) next();
      else this.#places += 1;
    };
  }
}
