import { AsyncLocalStorage } from "node:async_hooks";

/** One request while better-auth works on it: what that library does not tell whoever called it. */
export interface Attempt {
  /** Whether it will hash a password. */
  readonly hashes: boolean;
  /** The database could not be asked. better-auth may have taken that for "no", or have gone on as if nothing was. */
  outage: boolean;
  /** Too many wait at the gate. */
  overloaded: boolean;
  /** Gives the place at the gate back, where one was taken. */
  leave(): void;
}

const current = new AsyncLocalStorage<Attempt>();

export const currentAttempt = (): Attempt | undefined => current.getStore();

/** Runs `work` as an attempt, which `work` is given as well. */
export async function attempt<T>(hashes: boolean, work: (attempt: Attempt) => Promise<T>): Promise<T> {
  const made: Attempt = { hashes, outage: false, overloaded: false, leave: () => {} };
  try {
    return await current.run(made, () => work(made));
  } finally {
    made.leave();
  }
}
