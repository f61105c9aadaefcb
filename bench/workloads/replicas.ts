import { Run } from "../stage.ts";
import { fillAndWorkOff } from "./drain.ts";
import { enqueueOn } from "./enqueue.ts";
import { pickUp } from "./pickup.ts";
import type { Workload } from "./workload.ts";

/** A port on which nothing listens: the replica gets no notification and can only poll. */
const DEAD_DATABASE = "postgresql://nobody@127.0.0.1:1/none?sslmode=disable";

export const W8: Workload = {
  name: "W8",
  what: "two replicas on one database, and one",
  once: false,
  peers: [],
  async run(stage, emit) {
    for (const replicas of [1, 2]) {
      const named = (what: string) => `${what}, ${replicas} replica${replicas > 1 ? "s" : ""}`;
      for (const transport of stage.transports) {
        await using run = await Run.begin(stage, replicas);
        emit({
          how: named(`W1 ${transport}`),
          figures: await enqueueOn(run, transport, run.urls, { callers: 64, batch: 1 }),
        });
      }
      await using run = await Run.begin(stage, replicas);
      // Two Workers of 32 in one process either way, so that nothing but the number of services differs.
      const urls = replicas === 1 ? [run.url, run.url] : run.urls;
      emit({ how: named("W3"), figures: await fillAndWorkOff(run, urls, { processes: 1, concurrency: 64 }) });
    }
    for (const blocked of [false, true]) {
      await using run = await Run.begin(stage, 2, blocked ? { LISTEN_DATABASE_URL: DEAD_DATABASE } : {});
      const [from = "", to = ""] = run.urls;
      emit({
        how: blocked ? "pickup across, NOTIFY blocked" : "pickup across",
        figures: await pickUp(run, stage.transports.at(-1)!, from, to),
      });
    }
  },
};
