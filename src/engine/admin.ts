import { isUnavailable } from "../db/failure.ts";
import { endangering } from "../domain/admin/durability.ts";
import { brokenInvariants, durabilitySettings, health } from "../domain/admin/queries.ts";
import { groupBy } from "../domain/task/repository.ts";
import type { ClaimDispatcher } from "./claim-dispatcher.ts";
import type { EngineContext } from "./context.ts";
import type { Health } from "./engine.ts";

const EXAMPLES = 10;

export interface AdminParts {
  readonly version: string;
  readonly dispatcher: ClaimDispatcher;
  readonly listening: () => boolean;
}

/** The engine's part for those who run the service. */
export function admin(context: EngineContext, { version, dispatcher, listening }: AdminParts) {
  const started = performance.now();
  const about = () => ({
    version,
    uptimeSeconds: (performance.now() - started) / 1000,
    listening: listening(),
    waitingClaims: dispatcher.waiting,
  });
  return {
    async health(): Promise<Health> {
      try {
        const [row, settings] = await context.cold.run(
          async (db) => [await db.one(health()), await db.any(durabilitySettings())] as const,
        );
        const dangers = endangering(settings);
        const database = {
          reachable: true,
          version: row.version,
          migration: row.migration,
          oldestSnapshotSeconds: row.oldest_snapshot_seconds,
          endangering: dangers,
        };
        return { ok: dangers.length === 0, ...about(), database };
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        const database = {
          reachable: false,
          version: null,
          migration: null,
          oldestSnapshotSeconds: null,
          endangering: [],
        };
        return { ok: false, ...about(), database };
      }
    },
    async verify() {
      const broken = await context.cold.run((db) => db.any(brokenInvariants()));
      const violations = [...groupBy(broken, (row) => row.rule)].map(([rule, rows]) => ({
        rule,
        count: rows.length,
        examples: rows.slice(0, EXAMPLES).map((row) => row.id),
      }));
      return { ok: violations.length === 0, violations };
    },
  };
}
