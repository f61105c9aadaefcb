/** Answers of a function by their key, the latest used ones: so many and no more. */
export class Remembered<T> {
  readonly #max: number;
  readonly #make: (key: string) => T;
  readonly #values = new Map<string, T>();

  constructor(max: number, make: (key: string) => T) {
    this.#max = max;
    this.#make = make;
  }

  get(key: string): T {
    const known = this.#values.get(key);
    const value = known ?? this.#make(key);
    // A map keeps the order in which its keys came: whoever is used comes last again.
    if (known !== undefined) this.#values.delete(key);
    else if (this.#values.size >= this.#max) this.#values.delete(this.#values.keys().next().value!);
    this.#values.set(key, value);
    return value;
  }
}
