import { setTimeout as delay } from "node:timers/promises";

/**
 * Waits until `look` gives something that is not false, null or undefined, and gives it back. Throws when `timeoutMs` have
 * passed, with `what` was waited for; the limit is for tests that fail, so it is generous.
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  { timeoutMs = 20_000, everyMs = 10 } = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== false && found !== null && found !== undefined) return found as NonNullable<Exclude<T, false>>;
    if (performance.now() > deadline) throw new Error(`Waited ${timeoutMs} ms in vain until ${what}.`);
    await delay(everyMs);
  }
}
