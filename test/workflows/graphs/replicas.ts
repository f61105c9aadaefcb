import type { Contract } from "../../../src/rpc/methods/index.ts";
import { persist } from "../../support/persist.ts";
import { rpc, type SpawnedService, spawnService } from "../../support/service.ts";
import { socketRpc } from "../../support/socket.ts";

/** Two services of their own processes on one database, of which one at a time may be killed. */
export interface Replicas {
  /** A call on any of them, over any transport, made again until it is answered. */
  call<M extends keyof Contract>(method: M, params: Contract[M]["params"]): Promise<Contract[M]["result"]>;
  /** Calls that had to be made again because their outcome was unknown. */
  repeats(): number;
  /** Kills one by SIGKILL and starts another in its place. */
  replace(which: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startReplicas(databaseUrl: string): Promise<Replicas> {
  const start = () => spawnService({ DATABASE_URL: databaseUrl, LOG_LEVEL: "info" });
  const services: SpawnedService[] = await Promise.all([start(), start()]);
  let turn = 0;
  let repeats = 0;
  return {
    call(method, params) {
      const again = () => {
        turn++;
        return (turn % 4 < 2 ? rpc : socketRpc)(services[turn % services.length]!.url, method, params);
      };
      return persist(again, () => repeats++);
    },
    repeats: () => repeats,
    async replace(which) {
      services[which]!.kill("SIGKILL");
      await services[which]!.ended;
      services[which] = await start();
    },
    async stop() {
      await Promise.all(services.map((service) => service.stop()));
    },
  };
}
