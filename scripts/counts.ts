/** Reads the numbers of Bun's closing summary: " 12 pass", " 1 skip", " 0 fail", " 1 error". */
export function countsOf(output: string): { passed: number; failed: number; skipped: number } {
  // Colours are on when a person watches.
  const plain = output.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g"), "");
  const count = (word: string) =>
    Number([...plain.matchAll(new RegExp(`^ *(\\d+) ${word}s?$`, "gm"))].at(-1)?.[1] ?? 0);
  return { passed: count("pass"), failed: count("fail") + count("error"), skipped: count("skip") + count("todo") };
}
