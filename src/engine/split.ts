/** What running a batch came to for one of its members. */
export type Came<R> = { readonly answer: R } | { readonly error: unknown };

export interface Splitting<I, R> {
  /** Does a batch, all or nothing, and answers its members in order. */
  readonly run: (items: readonly I[]) => Promise<readonly R[]>;
  /** Whether an error may be the fault of one member. */
  readonly mayBeOnes: (error: unknown) => boolean;
}

/**
 * Runs a batch; where it fails and one member may be to blame it is split, until that member alone gets the error. Calls
 * `tell` once for each member, in order. Never rejects.
 */
export async function runSplitting<I, R>(
  items: readonly I[],
  how: Splitting<I, R>,
  tell: (item: I, came: Came<R>) => void,
): Promise<void> {
  let answers: readonly R[];
  try {
    answers = await how.run(items);
  } catch (error) {
    if (items.length === 1 || !how.mayBeOnes(error)) {
      for (const item of items) tell(item, { error });
      return;
    }
    const half = items.length >> 1;
    await runSplitting(items.slice(0, half), how, tell);
    await runSplitting(items.slice(half), how, tell);
    return;
  }
  for (const [at, item] of items.entries()) tell(item, { answer: answers[at]! });
}
