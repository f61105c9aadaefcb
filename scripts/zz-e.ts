import process from "node:process";
import { startEmbedded } from "../src/db/embedded.ts";
import { createLogger } from "../src/lib/log.ts";

const t0 = performance.now();
const pg = await startEmbedded({
  dataDir: process.argv[2]!,
  log: createLogger({ level: "debug" }),
  settings: process.argv[4] ? { fsync: "off" } : {},
});
console.log("UP", pg.pid, pg.url.replace(/:[^:@]*@/, ":***@"), Math.round(performance.now() - t0));
await new Promise((r) => setTimeout(r, Number(process.argv[3] ?? 0)));
const t1 = performance.now();
await pg.stop();
console.log("DOWN", Math.round(performance.now() - t1));
