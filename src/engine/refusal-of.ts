import { isUnavailable, isUnstorable } from "../db/failure.ts";
import { NoConnection } from "../db/pool.ts";
import { InvalidParams, Refusal } from "../domain/refusals.ts";

/** What cannot be done now in the words of the closed set, whatever it was that met it; other errors as they are. */
export function refusalOf(error: unknown): unknown {
  if (error instanceof NoConnection) return new Refusal("overloaded", { retryAfterSeconds: 1 });
  if (isUnavailable(error)) return new Refusal("unavailable", { retryAfterSeconds: 1 });
  if (isUnstorable(error)) return new InvalidParams([{ path: "", message: "holds a value that cannot be stored" }]);
  return error;
}
