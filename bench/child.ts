/** A process of callers or workers: does what bench/children.ts asks for over IPC, and ends with the bench. */

import { OPERATIONS, type OperationName } from "./callers/operations.ts";
import type { Count, Tell } from "./callers/work.ts";

export interface Request {
  readonly id: number;
  readonly name: OperationName;
  readonly args: unknown;
}

export type Reply =
  | { readonly kind: "up" }
  | { readonly kind: "count"; readonly count: Count }
  | { readonly kind: "done"; readonly id: number; readonly result: unknown }
  | { readonly kind: "failed"; readonly id: number; readonly reason: string };

const reply = (message: Reply) => process.send?.(message);

process.on("message", async (message) => {
  const { id, name, args } = message as Request;
  // The bench types its requests by this very table.
  const operation = OPERATIONS[name] as (args: unknown, tell: Tell) => Promise<unknown>;
  try {
    reply({ kind: "done", id, result: await operation(args, (count) => reply({ kind: "count", count })) });
  } catch (error) {
    reply({ kind: "failed", id, reason: error instanceof Error ? error.message : String(error) });
  }
});
process.on("disconnect", () => process.exit(0));
reply({ kind: "up" });
