import { type ErrorData, RpcError, TransportError } from "../client/index.ts";
import { printable, printableLines } from "./text.ts";

/** 0: done. 1: the service refused, could not be reached, or something failed. 2: the command line itself was wrong. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** A command line that says something impossible, found where commander cannot see it. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** One line that says what went wrong and, where there is something to do, what. */
export function describeError(error: unknown): string {
  if (error instanceof RpcError) return printable(`${error.message.replace(/\.$/, "")}${details(error.data)}.`);
  if (error instanceof TransportError) {
    const hint =
      error.outcome === "not_sent" && error.status === null ? " Is it running? Start it with: opensqs serve" : "";
    return printable(`${error.message}${hint}`);
  }
  // A file's name, a variable's value, the database's own words: all from elsewhere, and some in lines.
  if (error instanceof Error) return printableLines(error.message === "" ? error.name : error.message);
  return printableLines(String(error));
}

/** The service's messages are the same for every case; what differs is in the data. */
function details(data: ErrorData): string {
  const { issues } = data;
  if (Array.isArray(issues)) return `: ${issues.map(issueText).join("; ")}`;
  const told = Object.entries(data).filter(([name]) => name !== "type");
  return told.length === 0 ? "" : ` (${told.map(([name, value]) => `${name}: ${value}`).join(", ")})`;
}

function issueText(issue: unknown): string {
  const { path = "", message = "" } = issue as { path?: unknown; message?: unknown };
  return path === "" ? String(message) : `${path} ${message}`;
}
