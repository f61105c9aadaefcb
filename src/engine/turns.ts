/** Beside a batch under way another goes as soon as it is as large, or has so many members. */
const ENOUGH = 20;

/**
 * Whether a further batch may go beside those under way. Each costs a statement and a commit, whatever its size, so many
 * small ones side by side are the dearest way to be quick: with 64 callers it halves what a call costs to wait until a batch
 * is worth it. Alone, a batch goes at once; and a batch as large as those under way shows that they are small or old.
 */
export function isWorthGoing(gathered: number, underWay: readonly number[]): boolean {
  if (gathered === 0) return false;
  return underWay.length === 0 || gathered >= Math.min(ENOUGH, Math.max(...underWay));
}

/**
 * Makes one call of `act` out of all that are asked for in one turn of the event loop, at its end: calls that arrive
 * together are then there together.
 */
export function atEndOfTurn(act: () => void): () => void {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    setImmediate(() => {
      asked = false;
      act();
    });
  };
}
