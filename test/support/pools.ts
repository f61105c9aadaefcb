import { slonikTarget } from "../../src/db/drivers.ts";
import { type Database, openDatabase } from "../../src/db/pool.ts";
import { parseDatabaseUrl } from "../../src/db/url.ts";

/** The two pools that an engine runs on, for tests of an engine without a service around it. Whoever opens them ends them. */
export async function openPools(
  databaseUrl: string,
  sizes: { readonly hot: number; readonly cold: number },
): Promise<{ readonly hot: Database; readonly cold: Database }> {
  const common = {
    ...slonikTarget(parseDatabaseUrl(databaseUrl)),
    connectTimeoutMs: 10_000,
    statementTimeoutMs: 30_000,
    idleTimeoutMs: 60_000,
    acquireTimeoutMs: 10_000,
    rowChecks: true,
  };
  return {
    hot: await openDatabase({ ...common, name: "hot", size: sizes.hot, indexOnly: true }),
    cold: await openDatabase({ ...common, name: "cold", size: sizes.cold, indexOnly: false }),
  };
}
