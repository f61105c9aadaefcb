/** Rows read at most by one statement on the way to a page's end; a page that asks for more reads as many. */
const STRETCH = 1_000;

/**
 * Reads on until there are so many rows that the caller may know of, or no more: a page's end, and with it the cursor, must
 * not be at a row that it may not. `read` answers rows after one, of `limit` at most. What is read grows from one statement
 * to the next, or a page of one row behind a hundred thousand hidden ones would take as many statements.
 */
export async function visible<R>(
  limit: number,
  isVisible: ((row: R) => boolean) | null,
  read: (after: R | null, limit: number) => Promise<readonly R[]>,
): Promise<readonly R[]> {
  const rows: R[] = [];
  let after: R | null = null;
  for (let stretch = limit; ; stretch = Math.max(limit, Math.min(2 * stretch, STRETCH))) {
    const some: readonly R[] = await read(after, stretch);
    if (isVisible === null) return some;
    rows.push(...some.filter(isVisible));
    if (some.length < stretch || rows.length >= limit) return rows.slice(0, limit);
    after = some.at(-1)!;
  }
}
