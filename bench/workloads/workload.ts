import type { Measurement } from "../rows.ts";
import type { Stage } from "../stage.ts";

/** Which peers are measured beside a workload of ours, and as what; see the README of bench-peers. */
export interface PeerPlan {
  readonly workload: string;
  /** What a peer is called there; null: it has no part in this. */
  readonly as: (peer: string) => string | null;
  readonly args?: readonly string[];
}

export interface Workload {
  readonly name: string;
  readonly what: string;
  /** Measured in the first round only: it is long, and has repeats or a control of its own. */
  readonly once: boolean;
  readonly peers: readonly PeerPlan[];
  /** Hands over each measurement as soon as it is made. Throws when the workload fails. */
  run(stage: Stage, emit: (measurement: Measurement) => void): Promise<void>;
}

/** A plan for every peer. */
export const everyPeer = (workload: string, ...args: string[]): PeerPlan => ({ workload, as: (peer) => peer, args });

/** Whether a peer of bench-peers keeps its jobs in PostgreSQL. */
export const onPostgres = (peer: string): boolean => /^(pg-boss|graphile-worker|pgmq)|:pg$/.test(peer);
