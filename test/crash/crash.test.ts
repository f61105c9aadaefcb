/** The service and PostgreSQL die by SIGKILL while producers and workers are busy. What was acknowledged must be there after. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rpc, type SpawnedService, spawnService } from "../support/service.ts";
import { until } from "../support/until.ts";
import { brokenPromises, startLoad } from "./load.ts";

setDefaultTimeout(120_000);

let dataDir: string;
let service: SpawnedService;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "opensqs-crash-"));
  // A database of its own with every durability setting on: the throw-away server of the other tests has them off.
  service = await spawnService({
    DATA_DIR: dataDir,
    DATABASE_URL: "",
    ALLOW_UNSAFE_DATABASE: "off",
    LOG_LEVEL: "info",
  });
});
afterAll(async () => {
  await service?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

/** Runs a load, waits until it is under way, lets `disaster` happen, and waits until it is under way again. */
async function loadThrough(queue: string, disaster: () => Promise<void>) {
  const load = startLoad(() => service.url, queue);
  const { enqueued, completedBy } = load.acknowledged;
  await until("the load is under way", () => enqueued.size > 200 && completedBy.size > 100, { timeoutMs: 60_000 });
  const before = completedBy.size;
  await disaster();
  await until("work goes on", () => completedBy.size > before + 100, { timeoutMs: 60_000 });
  await load.stop();
  return load.acknowledged;
}

describe("kill -9 under load", () => {
  test("of the service: nothing acknowledged is lost, nothing is completed twice", async () => {
    const acknowledged = await loadThrough("service-dies", async () => {
      service.kill("SIGKILL");
      expect(await service.ended).toBe("SIGKILL");
      service = await spawnService({
        DATA_DIR: dataDir,
        DATABASE_URL: "",
        ALLOW_UNSAFE_DATABASE: "off",
        LOG_LEVEL: "info",
      });
    });
    expect(acknowledged.repeats).toBeGreaterThan(0);
    expect(await brokenPromises(service.url, "service-dies", acknowledged)).toEqual([]);
  });

  test("of PostgreSQL: the service brings it back, and nothing acknowledged is lost", async () => {
    const acknowledged = await loadThrough("postgres-dies", async () => {
      const [pid] = (await readFile(join(dataDir, "postgres", "postmaster.pid"), "utf8")).split("\n");
      process.kill(Number(pid), "SIGKILL");
      await until("calls are answered again", async () => {
        try {
          return (await rpc(service.url, "admin.health", {})).database.reachable;
        } catch {
          return false;
        }
      });
    });
    expect(acknowledged.repeats).toBeGreaterThan(0);
    expect(await brokenPromises(service.url, "postgres-dies", acknowledged)).toEqual([]);
  });
});

test("SIGTERM lets answers finish and ends with 0 within ten seconds, waiting claims included", async () => {
  const waiting = rpc(service.url, "task.claim", { queue: "nothing-comes", waitSeconds: 60 });
  await until("the claim waits", async () => (await rpc(service.url, "admin.health", {})).waitingClaims === 1);
  expect(await service.stop()).toBe(0);
  expect(await waiting).toEqual({ tasks: [] });
});
