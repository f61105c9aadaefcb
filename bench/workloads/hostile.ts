import type { Attack } from "../callers/hostile.ts";
import { type Measurement, round } from "../rows.ts";
import { Run, type Stage } from "../stage.ts";
import type { Workload } from "./workload.ts";

/** As ADMIN_KEY: the good caller's and the long polls' credential. */
const KEY = "bench-hostile-good-caller-key";

interface Case {
  readonly how: string;
  readonly attack: Omit<Attack, "url" | "key"> | null;
}

/**
 * Attackers have one of the machine's cores at their disposal and would take the other one too, so each is held to a rate at
 * which it uses a part of a core; what it reached stands beside.
 */
function cases({ idleSockets, polls }: Stage["sizes"]): Case[] {
  const count = (number: number) => number.toLocaleString("en");
  const attacked = (kind: Attack["kind"], connections: number, ratePerSecond: number): Case => ({
    how: `${kind}: ${count(connections)} connections, ≤ ${count(ratePerSecond)}/s`,
    attack: { kind, connections, ratePerSecond },
  });
  return [
    { how: "alone", attack: null },
    attacked("wrong keys", 64, 2_000),
    attacked("oversized bodies", 16, 20),
    attacked("idle sockets", idleSockets, Math.max(1_000, idleSockets / 4)),
    attacked("long polls", polls, 2_000),
    { how: "alone again", attack: null },
  ];
}

/** One good caller in a closed loop, alone and beside callers that mean harm. */
export const HOSTILE: Workload = {
  name: "hostile",
  what: "latency of a good caller beside wrong keys, oversized bodies, idle sockets and long polls",
  once: false,
  peers: [],
  async run(stage, emit) {
    let alone: Measurement["figures"] | null = null;
    for (const each of cases(stage.sizes)) {
      const measured = await measure(stage, each, alone);
      alone ??= measured.figures;
      emit(measured);
    }
  },
};

async function measure(
  stage: Stage,
  { how, attack }: Case,
  alone: Measurement["figures"] | null,
): Promise<Measurement> {
  const { hostileSeconds: seconds, hostileWarmSeconds: warmSeconds } = stage.sizes;
  await using run = await Run.begin(stage, 1, { AUTH: "on", ADMIN_KEY: KEY });
  const [good, bad] = [await run.child(), await run.child()];
  const args = { url: run.url, key: KEY };
  if (attack !== null) await bad.call("attack", { ...args, ...attack });
  await good.call("goodCalls", { ...args, seconds: warmSeconds });
  const { p50, p99, max, tasks, failed } = await good.call("goodCalls", { ...args, seconds });
  const attacked = attack === null ? null : await bad.call("endAttack", null);
  const figures = {
    p50,
    p99,
    max,
    ...(alone !== null && { p50Ratio: round(p50 / alone.p50!, 2), ratio: round(p99 / alone.p99!, 2) }),
    tasksPerSecond: round(tasks / seconds, 0),
    failed,
    ...(attacked !== null && {
      attacksPerSecond: round(attacked.sent / attacked.seconds, 0),
      answersPerSecond: round(attacked.answered / attacked.seconds, 0),
      open: attacked.open,
    }),
  };
  return { how, figures };
}
