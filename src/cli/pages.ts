/** A list as far as it was read. */
export interface Listed<T> {
  readonly items: readonly T[];
  readonly more: boolean;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}

/** The most that one call answers of any list. */
const PAGE_MAX = 1000;

/** Reads a list page by page until it ends or `limit` are read. */
export async function readPages<T>(
  limit: number,
  read: (place: { limit: number; cursor?: string }) => Promise<Page<T>>,
): Promise<Listed<T>> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const size = Math.min(limit - items.length, PAGE_MAX);
    const page: Page<T> = await read(cursor === null ? { limit: size } : { limit: size, cursor });
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null && items.length < limit);
  return { items, more: cursor !== null };
}
