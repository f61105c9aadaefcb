interface Stretch {
  count: number;
  readonly endsMs: number;
}

/** Who is forgotten first when there are more is who began longest ago. */
const KEYS_MAX = 10_000;

/**
 * Counts attempts by key, an address with a path, within stretches of time. In place of better-auth's own store in memory,
 * which is one for the whole process and is walked through at every request, up to 100,000 entries.
 */
export class AddressLimit {
  readonly #stretches = new Map<string, Stretch>();

  async consume(
    key: string,
    { window, max }: { readonly window: number; readonly max: number },
  ): Promise<{ allowed: boolean; retryAfter: number | null }> {
    const now = performance.now();
    const known = this.#stretches.get(key);
    if (known === undefined || known.endsMs <= now) {
      this.#begin(key, now + window * 1000);
      return { allowed: true, retryAfter: null };
    }
    if (known.count >= max) return { allowed: false, retryAfter: Math.ceil((known.endsMs - now) / 1000) };
    known.count += 1;
    return { allowed: true, retryAfter: null };
  }

  #begin(key: string, endsMs: number): void {
    // Taken out first, so that the map stays in the order of beginnings.
    this.#stretches.delete(key);
    this.#stretches.set(key, { count: 1, endsMs });
    if (this.#stretches.size <= KEYS_MAX) return;
    for (const oldest of this.#stretches.keys()) {
      this.#stretches.delete(oldest);
      return;
    }
  }
}
