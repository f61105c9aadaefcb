/** One step of a way into a JSON value: a member's key, or an element's index. */
export type PathSegment = string | number;

const PLAIN_KEY = /^[A-Za-z_$][A-Za-z0-9_$-]*$/;

/** A key is the sender's text and may be megabytes long; an answer shows the beginning of it. */
const KEY_CHARACTERS_SHOWN = 64;

/**
 * Writes a way into a JSON value as people write it: `tasks[3].payload.when`; a key that is not a plain word is quoted,
 * `payload["a b"]`. The root is the empty string. Keys over 64 characters are cut.
 */
export function formatPath(segments: readonly PropertyKey[]): string {
  let text = "";
  for (const segment of segments) {
    if (typeof segment === "number") text += `[${segment}]`;
    else text += formatKey(String(segment), text === "");
  }
  return text;
}

function formatKey(key: string, first: boolean): string {
  const shown = shorten(key);
  if (!PLAIN_KEY.test(shown)) return `[${JSON.stringify(shown)}]`;
  return first ? shown : `.${shown}`;
}

/** The beginning of a text that a caller sent, short enough to be shown back. */
export function shorten(text: string): string {
  return text.length <= KEY_CHARACTERS_SHOWN ? text : `${text.slice(0, KEY_CHARACTERS_SHOWN)}…`;
}
