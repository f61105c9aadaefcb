import { createSqlTag } from "slonik";
import { z } from "zod";

/** Times are epoch milliseconds, which is what Slonik parses timestamptz to. */
export const sql = createSqlTag({ typeAliases: { void: z.strictObject({}) } });

/** An array parameter. Statements take one array per column, so their text never varies with the batch's size. */
export const uuids = (values: readonly (string | null)[]) => sql.array([...values], "uuid");
export const ints = (values: readonly (number | null)[]) => sql.array([...values], "int4");
export const floats = (values: readonly (number | null)[]) => sql.array([...values], "float8");
export const texts = (values: readonly (string | null)[]) => sql.array([...values], "text");
export const bytes = (values: readonly Buffer[]) => sql.array([...values], "bytea");
export const booleans = (values: readonly boolean[]) => sql.array([...values], "bool");
/** JSON travels as text and is cast to jsonb in the statement; undefined is SQL's null. */
export const jsons = (values: readonly unknown[]) => texts(values.map(json));
/**
 * JSON texts as the text of one list, for jsonb_array_elements(…::jsonb): an array's text would have every quote escaped
 * and read twice, which costs both sides a microsecond for 200 bytes.
 */
export const jsonList = (values: readonly string[]): string => `[${values.join()}]`;
export const json = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value));
