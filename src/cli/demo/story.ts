import type { Tally } from "./tally.ts";

export interface Outcome extends Tally {
  readonly seconds: number;
  readonly perSecond: number;
}

export function resultTable(outcome: Outcome): string {
  const rows: readonly (readonly [string, string, string])[] = [
    ["completed", String(outcome.completed), ""],
    ["retried", String(outcome.retried), `${outcome.takenOver} of them taken over from the killed worker`],
    ["dead", String(outcome.dead), "failed in every attempt, as they were made to"],
    ["lost", String(outcome.lost), "acknowledged, and then neither completed nor dead"],
    ["double", String(outcome.double), "completed more than once"],
    [
      "tasks per second",
      String(outcome.perSecond),
      `in ${outcome.seconds.toFixed(1)} s, delays, back-off and leases included`,
    ],
  ];
  const lines = rows.map(([what, count, note]) => `  ${what.padEnd(16)}  ${count.padStart(5)}  ${note}`.trimEnd());
  return `\n${lines.join("\n")}\n\n`;
}

export function whatNext(): string {
  return `What to try next, with a service that stays:
  make start
  curl -s http://127.0.0.1:8080/rpc -H 'content-type: application/json' -d '
    {"jsonrpc": "2.0", "id": 1, "method": "task.enqueue",
     "params": {"queue": "mail", "payload": {"to": "ada@example.com"}}}'
The README goes on from there: claim, complete, look, and a worker in ten lines.
`;
}
