interface Bucket {
  tokens: number;
  at: number;
}

/**
 * A token bucket for each name: so many tokens come in a second, and so many at most lie ready. Names are kept as long as
 * there is room; the one unused for longest makes it, and is then a new one.
 */
export class TokenBuckets {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #namesMax: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  /** `now` answers milliseconds that never go back. */
  constructor(perSecond: number, burst: number, namesMax = 100_000, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#namesMax = namesMax;
    this.#now = now;
  }

  /**
   * Takes tokens and answers 0, or takes none and answers the seconds after which they will be there. More than the bucket
   * holds can be had from a full one, which is then in debt: else they could never be.
   */
  take(name: string, tokens: number): number {
    const bucket = this.#bucket(name);
    const wanted = Math.min(tokens, this.#burst);
    if (bucket.tokens < wanted) return (wanted - bucket.tokens) / this.#perSecond;
    bucket.tokens -= tokens;
    return 0;
  }

  /** Takes tokens that may not be there: for what is done already, by many at once perhaps. The bucket is then in debt. */
  charge(name: string, tokens: number): void {
    this.#bucket(name).tokens -= tokens;
  }

  /** Seconds until one token is there; 0: now. Takes none. */
  wait(name: string): number {
    if (!this.#buckets.has(name)) return 0;
    return Math.max(0, (1 - this.#bucket(name).tokens) / this.#perSecond);
  }

  #bucket(name: string): Bucket {
    const now = this.#now();
    const known = this.#buckets.get(name);
    if (known) {
      known.tokens = Math.min(this.#burst, known.tokens + ((now - known.at) / 1000) * this.#perSecond);
      known.at = now;
      // A map keeps the order in which its names came: whoever is used comes last again.
      this.#buckets.delete(name);
      this.#buckets.set(name, known);
      return known;
    }
    if (this.#buckets.size >= this.#namesMax) this.#buckets.delete(this.#buckets.keys().next().value!);
    const bucket = { tokens: this.#burst, at: now };
    this.#buckets.set(name, bucket);
    return bucket;
  }
}
