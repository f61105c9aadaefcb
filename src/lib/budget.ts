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

/** A budget of which nobody may have more than a share, so that what one holds leaves room for the others. */
export class SharedBudget {
  readonly #all: Budget;
  readonly #shareMost: number;
  readonly #shares = new Map<string, Budget>();

  constructor(most: number, share: number) {
    this.#all = new Budget(most);
    this.#shareMost = most * share;
  }

  get taken(): number {
    return this.#all.taken;
  }

  hasRoomFor(name: string, amount: number): boolean {
    return this.#all.hasRoomFor(amount) && this.#share(name).hasRoomFor(amount);
  }

  force(name: string, amount: number): void {
    const share = this.#share(name);
    share.force(amount);
    this.#all.force(amount);
    // Names come and go; those that hold nothing need not be known.
    if (share.taken === 0) this.#shares.delete(name);
    else this.#shares.set(name, share);
  }

  #share(name: string): Budget {
    return this.#shares.get(name) ?? new Budget(this.#shareMost);
  }
}
