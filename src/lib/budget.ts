/** What a whole service may have of something at a time, bytes or calls: taken before it is used, given back afterwards. */
export class Budget {
  readonly #most: number;
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get taken(): number {
    return this.#taken;
  }

  hasRoomFor(amount: number): boolean {
    return this.#taken + amount <= this.#most;
  }

  /** Whether there was room; if not, nothing is taken. */
  take(amount: number): boolean {
    const fits = this.hasRoomFor(amount);
    if (fits) this.#taken += amount;
    return fits;
  }

  /** For what there is already, room or not: whatever asks next is refused instead. */
  force(amount: number): void {
    this.#taken += amount;
  }

  give(amount: number): void {
    this.#taken -= amount;
  }
}
