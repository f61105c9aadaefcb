/** Anybody may ask whether the service is ready; how many ask is nothing to the database. */
import { expect, test } from "bun:test";
import { testDatabase } from "../support/postgres.ts";
import { startInstance } from "../support/service.ts";
import { startWireProxy } from "../support/wire-proxy.ts";

const database = testDatabase();

test("very many who ask at once are answered by one look", async () => {
  const { hostname, port } = new URL(database.url);
  const proxy = await startWireProxy({ host: hostname, port: Number(port) });
  const through = new URL(database.url);
  through.port = String(proxy.port);
  const service = await startInstance(through.href);
  try {
    // Those of the pools are there by now.
    await fetch(`${service.url}/readyz`);
    const before = proxy.connections;
    const began = performance.now();
    const asked = Array.from({ length: 200 }, () => fetch(`${service.url}/readyz`));
    const statuses = (await Promise.all(asked)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200]));
    // One look in each quarter of a second that it took, and upkeep's own connections.
    expect(proxy.connections - before).toBeLessThan(10 + (performance.now() - began) / 250);
  } finally {
    await service.stop();
    await proxy.close();
  }
});
