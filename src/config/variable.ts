export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The environment variables of the service, and the only place that reads them. One table is the check, the type and the
 * documentation: readConfig() is driven by it and the README's table is printed from it.
 */
export interface Variable<T> {
  readonly name: string;
  /** What counts when the variable is absent or empty; null: nothing does. */
  readonly fallback: string | ((env: Environment) => string) | null;
  /** How the fallback reads in the documentation, where it is not simply the value. */
  readonly fallbackText?: string;
  readonly meaning: string;
  /** Never shown in an error: holds a credential. */
  readonly secret?: boolean;
  /** Gives the value, or throws Wrong with what it must be. */
  readonly parse: (text: string) => T;
}

/** What an entry may say beside the four that each has. */
type More = Pick<Variable<unknown>, "fallbackText" | "secret">;

export function variable<T>(
  name: string,
  fallback: string | ((env: Environment) => string),
  parse: (text: string) => T,
  meaning: string,
  more: More = {},
) {
  return { name, fallback, meaning, parse, ...more } satisfies Variable<T>;
}

export function optional<T>(name: string, parse: (text: string) => T, meaning: string, more: More = {}) {
  return { name, fallback: null, meaning, parse, ...more } satisfies Variable<T>;
}
