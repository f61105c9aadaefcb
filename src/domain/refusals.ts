/**
 * Every way a call can be refused. A code is never reused; the numbers lie outside -32768…-32000, which JSON-RPC reserves.
 * Source: api.md, "Errors". The transport turns these into the wire's error objects (src/rpc/errors.ts); nothing else may.
 */
export const REFUSALS = {
  not_found: { code: 1001, message: "Not found." },
  wrong_state: { code: 1002, message: "Its state does not allow this." },
  lease_lost: { code: 1003, message: "The receipt is not the current lease of its task." },
  conflict: { code: 1004, message: "Conflicts with what is already there." },
  payload_too_large: { code: 1005, message: "What was sent is larger than may be kept." },
  overloaded: { code: 1006, message: "Too much is waiting; try again later." },
  unavailable: {
    code: 1007,
    message: "The database cannot be reached. Whether a change was made is unknown: repeat it with its requestId.",
  },
  unauthenticated: { code: 1008, message: "No valid credential was shown." },
  forbidden: { code: 1009, message: "The credential does not allow this." },
  rate_limited: { code: 1010, message: "Too many calls; slow down." },
} as const satisfies Record<string, { code: number; message: string }>;

export type RefusalType = keyof typeof REFUSALS;

/** What each refusal tells beside its type; api.md names the fields. */
export interface RefusalData {
  not_found: { noun: string; id: string };
  wrong_state: { state: string };
  lease_lost: { state: string };
  conflict: { field: string };
  payload_too_large: { limitBytes: number };
  overloaded: { retryAfterSeconds: number };
  unavailable: { retryAfterSeconds: number };
  unauthenticated: Record<never, never>;
  /** The queue, where that is what is not allowed. */
  forbidden: { scope: string; queue?: string };
  rate_limited: { retryAfterSeconds: number };
}

/** A call refused on purpose. Carries no text of its own, so nothing from inside can leak to the caller. */
export class Refusal<T extends RefusalType = RefusalType> extends Error {
  readonly type: T;
  readonly data: RefusalData[T];

  constructor(type: T, data: RefusalData[T]) {
    super(REFUSALS[type].message);
    this.name = "Refusal";
    this.type = type;
    this.data = data;
  }
}

/** One thing wrong with a call's parameters. `path` is dotted, from the parameters' root: `tasks[3].payload.when`. */
export interface ParamIssue {
  path: string;
  message: string;
}

/** The parameters do not fit: answered as -32602 with every issue. Also raised where only the database can tell. */
export class InvalidParams extends Error {
  readonly issues: readonly ParamIssue[];

  constructor(issues: readonly ParamIssue[]) {
    super("Invalid params");
    this.name = "InvalidParams";
    this.issues = issues;
  }
}
