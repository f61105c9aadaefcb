import type { ParamIssue } from "../domain/refusals.ts";
import { findLosses } from "../lib/json-losses.ts";
import { formatPath, type PathSegment } from "../lib/json-path.ts";

/** What one request of a body would lose between its text and its value. */
export interface Losses {
  /** The id would not come back as it was sent. */
  inId: boolean;
  /** One sentence, if anything but the parameters' inside would change: the request cannot be trusted at all. */
  outsideParams: string | null;
  /** Places inside the parameters, the paths relative to them. */
  inParams: ParamIssue[];
}

/** Enough to repair a call by; a body of 4 MiB can have half a million of them. */
const ISSUES_PER_REQUEST = 20;

/**
 * Finds the losses of a body's text that `parseJson` found suspect, sorted by request: index in the batch, or 0.
 * Requests without any have no entry.
 */
export function lossesByRequest(text: string, batch: boolean): Losses[] {
  const byRequest: Losses[] = [];
  findLosses(text, (path, message) => {
    const index = batch ? Number(path[0]) : 0;
    byRequest[index] ??= { inId: false, outsideParams: null, inParams: [] };
    note(byRequest[index], batch ? path.slice(1) : path, message);
  });
  return byRequest;
}

function note(losses: Losses, path: readonly PathSegment[], message: string): void {
  if (path[0] !== "params" || path.length === 1) {
    losses.inId ||= path[0] === "id";
    losses.outsideParams ??= `${formatPath(path) || "The request"} ${message}.`;
  } else if (losses.inParams.length < ISSUES_PER_REQUEST) {
    losses.inParams.push({ path: formatPath(path.slice(1)), message });
  }
}
