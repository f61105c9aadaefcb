import { InvalidParams } from "../domain/refusals.ts";

/** A list's place as opaque text. */
export function formatCursor(parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/** Reads a cursor of so many parts; anything else is an invalid parameter. */
export function parseCursor(cursor: string, parts: number): string[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    if (
      Array.isArray(value) &&
      value.length === parts &&
      value.every((part) => typeof part === "string" && isStorable(part))
    )
      return value;
  } catch {
    // Falls through to the refusal.
  }
  throw new InvalidParams([{ path: "cursor", message: "is not a cursor that a list gave" }]);
}

/** PostgreSQL stores no NUL; a cursor's bytes were not seen by the envelope's checks. */
const isStorable = (text: string) => !text.includes("\0") && text.isWellFormed();
