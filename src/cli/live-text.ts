import type { TextOutput } from "./deps.ts";

/** Lines on a terminal that are drawn over and over at the same place; no more than the terminal has. */
export function liveText(output: TextOutput): { draw(lines: readonly string[]): void } {
  let drawn: readonly string[] = [];
  return {
    draw(lines) {
      if (lines.length === drawn.length && lines.every((line, at) => line === drawn[at])) return;
      const up = drawn.length === 0 ? "" : `\u001b[${drawn.length}A\r`;
      // Lines are not wrapped meanwhile: characters of double width would make more lines of them than are counted.
      output.write(`\u001b[?7l${up}${lines.map((line) => `${line}\u001b[K\n`).join("")}\u001b[J\u001b[?7h`);
      drawn = lines;
    },
  };
}
