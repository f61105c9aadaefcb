/** Tags: a name once per project, without regard to case. */
export interface TagView {
  name: string;
  colour: string | null;
  used: number;
}

/** What makes two names the same tag: without regard to case, and to how an accented letter is composed. */
export const tagKey = (name: string): string => name.normalize("NFC").toLowerCase();

/** Names without those that say the same tag again; the first spelling stays. */
export function distinctTags(names: readonly string[]): string[] {
  const byKey = new Map<string, string>();
  for (const name of names) if (!byKey.has(tagKey(name))) byKey.set(tagKey(name), name);
  return [...byKey.values()];
}
