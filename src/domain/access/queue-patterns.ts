/** Globs over queue names: `*` for any characters, none too, and `?` for one. What matches one of them is allowed. */
export class QueuePatterns {
  readonly #patterns: readonly string[];

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns;
  }

  allows(name: string): boolean {
    return this.#patterns.some((pattern) => matches(pattern, name));
  }
}

/** The patterns of a key; null where they leave nothing out. */
export function queuePatterns(patterns: readonly string[] | null): QueuePatterns | null {
  return patterns === null || patterns.includes("*") ? null : new QueuePatterns(patterns);
}

/** Goes back to the last star alone, so that no pattern takes longer than its length times the name's. */
function matches(pattern: string, name: string): boolean {
  let [p, n, star, resume] = [0, 0, -1, 0];
  while (n < name.length) {
    if (pattern[p] === "*") {
      star = p++;
      resume = n;
    } else if (pattern[p] === "?" || pattern[p] === name[n]) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++resume;
    } else return false;
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}
