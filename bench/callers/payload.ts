import type { JsonObject } from "../../src/client/index.ts";

/** The one queue that everything goes through. */
export const QUEUE = "bench";

/** What bench-peers sends as well: about 200 bytes of JSON. `sentMs` is the sender's performance.now(). */
export function payloadOf(seq: number, sentMs = 0): JsonObject {
  return {
    seq,
    t0: sentMs,
    kind: "invoice.render",
    account: `acct_${1_000_000 + (seq % 9999)}`,
    locale: "en-GB",
    url: `https://example.org/invoices/2026/${100_000 + (seq % 89_999)}`,
    note: "twelve lines, two tax rates, one attachment, net thirty days",
  };
}

/** Tasks as task.enqueueMany takes them, numbered from `first` on. */
export function tasksFrom(first: number, count: number): { payload: JsonObject }[] {
  return Array.from({ length: count }, (_, at) => ({ payload: payloadOf(first + at) }));
}
