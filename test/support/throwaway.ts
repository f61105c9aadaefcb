import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbedded } from "../../src/db/embedded.ts";
import { createLogger } from "../../src/lib/log.ts";

/** What a server may leave out whose data nobody will want after a power failure. Nothing here changes an answer. */
export const THROWAWAY_SETTINGS = {
  fsync: "off",
  full_page_writes: "off",
  // No replicas: less is logged when databases are made.
  wal_level: "minimal",
  max_wal_senders: "0",
  max_connections: "200",
};

export interface ThrowawayServer {
  readonly url: string;
  readonly dataDir: string;
  stop(): Promise<void>;
}

/** A PostgreSQL in a new temporary folder. It ends with this process, however that ends, and the folder goes with it. */
export async function startThrowaway(settings: Record<string, string> = {}): Promise<ThrowawayServer> {
  const dataDir = await mkdtemp(join(tmpdir(), "opensqs-test-"));
  const release = guard(dataDir);
  const log = createLogger({ level: "warn" });
  const server = await startEmbedded({ dataDir, log, settings: { ...THROWAWAY_SETTINGS, ...settings } });
  return {
    url: server.url,
    dataDir,
    stop: async () => {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
      release();
    },
  };
}

const GUARD = `
trap '' INT TERM HUP
read -r _
pid=$(head -n 1 "$1/postgres/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" && while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
rm -rf "$1"`;

/**
 * Sees to it that the server in a folder ends, and the folder with it, when this process ends or the function given back is
 * called: by a shell that waits for the end of its standard input, which comes also when this process is killed. A test
 * runner offers no later moment than its last test, and an exit handler sees no SIGKILL.
 */
export function guard(dataDir: string): () => void {
  const child = spawn("/bin/sh", ["-c", GUARD, "sh", dataDir], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  child.unref();
  // Neither may keep the test run alive.
  if ("unref" in child.stdin && typeof child.stdin.unref === "function") child.stdin.unref();
  return () => child.stdin.end();
}
