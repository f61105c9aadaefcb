/**
 * Reads on until there are so many rows that the caller may know of, or no more: a page's end, and with it the cursor, must
 * not be at a row that it may not. `read` answers rows after one, of `limit` at most.
 */
export async function visible<R>(
  limit: number,
  isVisible: ((row: R) => boolean) | null,
  read: (after: R | null, limit: number) => Promise<readonly R[]>,
): Promise<readonly R[]> {
  const rows: R[] = [];
  for (let after: R | null = null; ; ) {
    const some: readonly R[] = await read(after, limit);
    if (isVisible === null) return some;
    rows.push(...some.filter(isVisible));
    if (some.length < limit || rows.length >= limit) return rows.slice(0, limit);
    after = some.at(-1)!;
  }
}
