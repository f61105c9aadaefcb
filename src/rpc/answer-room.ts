import type { SharedBudget } from "../lib/budget.ts";

/** An answer of more characters is more than the kernel takes at once: what is left of it lies here until it is read. */
export const LARGE_ANSWER = 1024 * 1024;

/**
 * What the answers to one body take of what all answers may: each from when it is made, and until they are out. Calls that
 * only read give way; what a changing call came to is told whatever it takes, for its caller could not ask again.
 */
export class AnswerRoom {
  readonly #budget: SharedBudget;
  readonly #principalId: string;
  #taken = 0;
  #refused = 0;

  constructor(budget: SharedBudget, principalId: string) {
    this.#budget = budget;
    this.#principalId = principalId;
  }

  /** Calls that were refused for want of room. */
  get refused(): number {
    return this.#refused;
  }

  /** Whether a call that only reads may begin: there is room for a large answer, which it may turn out to have. */
  begin(): boolean {
    return this.#grant(this.#budget.hasRoomFor(this.#principalId, LARGE_ANSWER));
  }

  /** Whether an answer of so many characters may be given. Small ones always may, since nobody is long in reading them. */
  take(characters: number, isReading: boolean): boolean {
    const mayRefuse = isReading && this.#taken + characters > LARGE_ANSWER;
    if (mayRefuse && !this.#budget.hasRoomFor(this.#principalId, characters)) return this.#grant(false);
    this.#change(characters);
    return true;
  }

  /** From here on it is so many bytes that lie unread. */
  become(bytes: number): void {
    this.#change(bytes - this.#taken);
  }

  give(): void {
    this.become(0);
  }

  #grant(isGranted: boolean): boolean {
    if (!isGranted) this.#refused++;
    return isGranted;
  }

  #change(by: number): void {
    this.#taken += by;
    if (by !== 0) this.#budget.force(this.#principalId, by);
  }
}
