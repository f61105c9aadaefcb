/** Cuts a list into pieces of the given lengths, in order. */
export function shareOut<T>(list: readonly T[], lengths: readonly number[]): T[][] {
  let from = 0;
  return lengths.map((length) => {
    const piece = list.slice(from, from + length);
    from += length;
    return piece;
  });
}
