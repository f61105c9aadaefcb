import { ACCESS, proxyVariable } from "./config/access.ts";
import { DATABASE } from "./config/database.ts";
import { LIMITS } from "./config/limits.ts";
import { SERVICE } from "./config/service.ts";
import { Wrong } from "./config/values.ts";
import type { Environment, Variable } from "./config/variable.ts";
import { isLoopback } from "./lib/loopback.ts";

export type { Environment } from "./config/variable.ts";

/** Lists every variable that is wrong, so that one start shows all there is to mend. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The configuration is wrong:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
    this.name = "ConfigError";
    this.problems = problems;
  }
}

const VARIABLES = { ...SERVICE, ...DATABASE, ...ACCESS, ...LIMITS } as const;

type Variables = typeof VARIABLES;
type Parsed<V> = V extends { fallback: null; parse: (text: string) => infer T }
  ? T | null
  : V extends { parse: (text: string) => infer T }
    ? T
    : never;

/** Names ending in Ms are milliseconds. Frozen. */
export type Config = { readonly [K in keyof Variables]: Parsed<Variables[K]> };

export interface ConfigVariable {
  readonly name: string;
  /** As documentation says it; empty where there is none. */
  readonly default: string;
  readonly meaning: string;
}

const ALL: readonly (readonly [string, Variable<unknown>])[] = Object.entries(VARIABLES);

export const CONFIG_VARIABLES: readonly ConfigVariable[] = Object.freeze(
  ALL.map(([, { name, fallback, fallbackText, meaning }]) => ({
    name,
    default: fallbackText ?? String(fallback ?? ""),
    meaning,
  })),
);

/**
 * Reads the variables above; those absent or empty (as compose files pass them) take their defaults.
 * Throws ConfigError with one sentence for each that is wrong.
 */
export function readConfig(env: Environment): Config {
  const problems: string[] = [];
  const config: Record<string, unknown> = {};
  for (const [key, entry] of ALL) config[key] = read(entry, env, problems);
  problems.push(...contradictions(config, env));
  if (problems.length > 0) throw new ConfigError(problems);
  // Each key was parsed by its own entry of the table that the type is computed from.
  return Object.freeze(config) as Config;
}

/** What does not go together. What is wrong by itself is null, and told of already. */
function contradictions(config: Readonly<Record<string, unknown>>, env: Environment): readonly string[] {
  const problems: string[] = [];
  if (config.listenDatabaseUrl !== null && config.databaseUrl === null) {
    problems.push("LISTEN_DATABASE_URL needs DATABASE_URL beside it.");
  }
  for (const [key, name] of [
    ["socketBytesMax", "SOCKET_BYTES_MAX"],
    ["bodiesBytesMax", "BODIES_BYTES_MAX"],
  ] as const) {
    if (config[key] !== null && Number(config[key]) < Number(config.bodyBytesMax))
      problems.push(`${name} must not be below BODY_BYTES_MAX.`);
  }
  // About: an answer may be somewhat larger, and would never be given.
  if (config.answersBytesMax !== null && Number(config.answersBytesMax) < 2 * Number(config.answerBytesMax)) {
    problems.push("ANSWERS_BYTES_MAX must not be below twice ANSWER_BYTES_MAX.");
  }
  if (config.auth === false && config.allowInsecure === false) {
    const proxy = proxyVariable(env);
    const way = !isLoopback(String(config.host)) ? `HOST=${config.host}` : proxy;
    if (way !== undefined)
      problems.push(
        `AUTH=off with ${way} lets everybody who reaches the service do everything: set AUTH=on, or ALLOW_INSECURE=yes.`,
      );
  }
  if (config.socketCallsMax !== null && Number(config.batchMax) > Number(config.socketCallsMax)) {
    problems.push("SOCKET_CALLS_MAX must not be less than BATCH_MAX: a full batch must fit.");
  }
  return problems;
}

function read(entry: Variable<unknown>, env: Environment, problems: string[]): unknown {
  const given = env[entry.name]?.trim() ?? "";
  const fallback = typeof entry.fallback === "function" ? entry.fallback(env) : entry.fallback;
  const text = given === "" ? fallback : given;
  if (text === null) return null;
  try {
    return entry.parse(text);
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    problems.push(`${entry.name} must be ${error.message}${entry.secret ? "" : `, not ${quoted(text)}`}.`);
    return null;
  }
}

/** Quoted and cut, so that a file pasted into a variable does not fill the screen; without the password of a URL. */
function quoted(text: string): string {
  const shown = text.replace(/\/\/[^/?#]*@/, "//***@");
  return JSON.stringify(shown.length > 60 ? `${shown.slice(0, 60)}…` : shown);
}
