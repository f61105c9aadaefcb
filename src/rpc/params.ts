import type { z } from "zod";
import { InvalidParams, type ParamIssue } from "../domain/refusals.ts";
import { formatPath } from "../lib/json-path.ts";
import { ENVELOPE_LIMITS } from "./limits.ts";

/**
 * Checks a call's parameters against its method's schema and returns what the schema makes of them (defaults filled in).
 * Throws InvalidParams with every issue; no issue shows a value that was sent.
 */
export function readParams<P extends z.ZodType>(
  schema: P,
  params: unknown,
  parametersMax = ENVELOPE_LIMITS.parametersMax,
): z.output<P> {
  if (Array.isArray(params))
    throw new InvalidParams([{ path: "", message: "must be an object: parameters are given by name" }]);
  // Each unknown one is an issue of its own, and a body has room for hundreds of thousands.
  if (hasMoreMembers(params, parametersMax))
    throw new InvalidParams([{ path: "", message: `must not have more than ${parametersMax} members` }]);
  const read = schema.safeParse(params, { error: messageFor });
  if (!read.success) throw new InvalidParams(paramIssues(read.error.issues));
  return read.data;
}

function hasMoreMembers(params: unknown, max: number): boolean {
  let members = 0;
  for (const _ in params as object) if (++members > max) return true;
  return false;
}

/** Zod's issues as the wire's, paths from the parameters' root. */
export function paramIssues(issues: readonly z.core.$ZodIssue[]): ParamIssue[] {
  return issues.flatMap((issue) => flatten(issue, []));
}

/** Zod's own words for an absent parameter are "expected string, received undefined". A schema's own message goes first. */
function messageFor(issue: z.core.$ZodRawIssue): string | undefined {
  return issue.code === "invalid_type" && issue.input === undefined ? "is required" : undefined;
}

function flatten(issue: z.core.$ZodIssue, root: readonly PropertyKey[]): ParamIssue[] {
  const path = [...root, ...issue.path];
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({ path: formatPath([...path, key]), message: "is not a parameter here" }));
    case "invalid_union":
      if (issue.message === UNION_WITHOUT_MESSAGE) return flattenUnion(issue, path);
      return [{ path: formatPath(path), message: issue.message }];
    default:
      return [{ path: formatPath(path), message: issue.message }];
  }
}

/** What Zod says of a union whose schema brings no message of its own. */
const UNION_WITHOUT_MESSAGE = "Invalid input";

/** Speaks of the alternative that was meant: the one with fewest issues among those that fitted at their root. */
function flattenUnion(issue: z.core.$ZodIssueInvalidUnion, path: readonly PropertyKey[]): ParamIssue[] {
  const meant = issue.errors
    .filter((issues) => issues.length > 0 && !issues.some(fitsNotAtAll))
    .sort((a, b) => a.length - b.length)[0];
  if (meant !== undefined) return meant.flatMap((inner) => flatten(inner, path));
  const messages = new Set(issue.errors.flatMap((issues) => issues.filter(fitsNotAtAll).map((inner) => inner.message)));
  return [{ path: formatPath(path), message: messages.size > 0 ? [...messages].join(" or: ") : issue.message }];
}

/** Its type is wrong already, or it is none of the values there are; a number out of bounds at least was a number. */
function fitsNotAtAll(issue: z.core.$ZodIssue): boolean {
  return issue.path.length === 0 && (issue.code === "invalid_type" || issue.code === "invalid_value");
}
