import { InvalidArgumentError } from "commander";
import type { JsonObject } from "../client/index.ts";

/** Readers of option values: what they throw becomes a usage error that names the option. */

export function whole(least: number, most: number) {
  return (text: string): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most))
      throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
    return value;
  };
}

export function seconds(least: number) {
  return (text: string): number => {
    const value = /^\d{1,10}(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least)) throw new InvalidArgumentError(`Give seconds, ${least} or more.`);
    return value;
  };
}

/** What is no time at all; the finer rules are the service's. */
export function time(text: string): string {
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text)) return text;
  throw new InvalidArgumentError("Give a time such as 2026-01-31T12:00:00Z.");
}

export function priority(text: string): number | "high" | "medium" | "low" {
  if (text === "high" || text === "medium" || text === "low") return text;
  if (/^\d$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Give a number from 0 (first) to 9 (last), or high, medium or low.");
}

export function jsonObject(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InvalidArgumentError("It is not JSON.");
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new InvalidArgumentError("Give a JSON object.");
}

export function url(text: string): string {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text))
    throw new InvalidArgumentError("Give a URL such as http://127.0.0.1:8080.");
  return text;
}
