/**
 * Stands in for the service in tests of the embedded PostgreSQL: starts it in the folder named by the first argument, prints
 * {"url", "pid"} on a line, and stops it at the end of standard input. Runs on Bun and on Deno.
 */
import process from "node:process";
import { startEmbedded } from "../../src/db/embedded.ts";
import { createLogger } from "../../src/lib/log.ts";

const [dataDir = ""] = process.argv.slice(2);
const log = createLogger({ level: "info" });
const server = await startEmbedded({ dataDir, log, settings: { fsync: "off" } });
process.stdout.write(`${JSON.stringify({ url: server.url, pid: server.pid })}\n`);
process.stdin.resume();
await new Promise((resolve) => process.stdin.once("end", resolve));
await server.stop();
