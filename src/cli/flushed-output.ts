import type { TextOutput } from "./deps.ts";

export interface FlushedOutput extends TextOutput {
  /** Resolves when all that was written has been handed on. */
  flushed(): Promise<void>;
}

/**
 * Remembers what is still on its way. A process that ends at once cuts off what a slow reader of a pipe has not taken;
 * an empty last write is no way to wait for it, since Bun calls back for that one right away.
 */
export function flushedOutput(output: TextOutput): FlushedOutput {
  let last: Promise<void> = Promise.resolve();
  return {
    write(text) {
      last = new Promise((resolve) => output.write(text, () => resolve()));
    },
    get isTTY() {
      return output.isTTY;
    },
    get columns() {
      return output.columns;
    },
    get rows() {
      return output.rows;
    },
    flushed: () => last,
  };
}
