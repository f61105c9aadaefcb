/** From chatty to silent; a logger writes its own level and everything after it. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

export type LogFields = Readonly<Record<string, unknown>>;

/** Writes one JSON object a line: time (ISO 8601, UTC), level, message, then the caller's fields. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Takes one whole line without its line feed. Default: standard error, so that standard output stays the program's. */
  readonly write?: (line: string) => void;
}

export function createLogger({ level, write = (line) => process.stderr.write(`${line}\n`) }: LoggerOptions): Logger {
  const lowest = LOG_LEVELS.indexOf(level);
  const at = (name: LogLevel) => (message: string, fields?: LogFields) => {
    if (LOG_LEVELS.indexOf(name) >= lowest) write(logLine(name, message, fields));
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function logLine(level: LogLevel, message: string, fields: LogFields = {}): string {
  const own = { time: new Date().toISOString(), level, message };
  // The logger's own three names win: a field called "level" must not disguise a line.
  return escapeControls(stringify({ ...own, ...fields, ...own }, level));
}

/** JSON that never throws: a log line must not be what fails, so fields that JSON cannot hold (cycles) cost only themselves. */
function stringify(entry: LogFields, level: LogLevel): string {
  const replace = (_key: string, value: unknown) => {
    if (value instanceof Error) return describeError(value, level === "debug" || level === "error");
    return typeof value === "bigint" || typeof value === "symbol" ? String(value) : value;
  };
  try {
    return JSON.stringify(entry, replace);
  } catch {
    const { time, message } = entry;
    return JSON.stringify({ time, level, message, fields: "cannot be written as JSON" });
  }
}

/** A stack costs many lines of reading, so only the levels at which somebody looks for a cause carry it. */
function describeError(error: Error, withStack: boolean): LogFields {
  const stack = withStack && error.stack !== undefined ? { stack: error.stack } : {};
  // The replacer meets the cause in its turn, being an Error itself.
  const cause = error.cause === undefined ? {} : { cause: error.cause };
  return { name: error.name, message: error.message, ...stack, ...cause };
}

/**
 * JSON.stringify escapes U+0000–U+001F only. DEL and the C1 controls can drive a terminal, the two line separators split a
 * line in some readers, and the bidirectional controls show a text in another order than it has.
 */
function escapeControls(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
