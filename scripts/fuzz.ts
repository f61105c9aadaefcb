/**
 * Starts a service on a throw-away PostgreSQL and sends it a million mutated bodies. `--count`, `--seed`: a seed that found
 * something finds it again, but for what depends on the order in which calls come in.
 */
import { parseArgs } from "node:util";
import { fuzzService } from "../test/hostile/fuzz-service.ts";
import { makeTemplate } from "../test/support/template.ts";
import { startThrowaway } from "../test/support/throwaway.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: process.env.FUZZ_COUNT ?? "1000000" },
    seed: { type: "string", default: process.env.FUZZ_SEED ?? String(Date.now() % 1_000_000_000) },
  },
});
const [count, seed] = [Number(values.count), Number(values.seed)];
console.log(`${count} bodies, seed ${seed}`);

const server = await startThrowaway();
const began = performance.now();
try {
  const report = await fuzzService({
    databaseUrl: await makeTemplate(server.url),
    seed,
    count,
    onProgress: (done, rssMb) => console.log(`${done} answered, ${rssMb} MB`),
  });
  console.log(Object.fromEntries(report.outcomes));
  for (const finding of report.findings) console.log(JSON.stringify(finding, null, 2));
  for (const line of report.wrongLines) console.log(`log: ${line.slice(0, 4000)}`);
  const [first, last] = [report.rssMb.settled, report.rssMb.last];
  console.log(
    `${report.answered} bodies in ${Math.round((performance.now() - began) / 1000)} s, ${first} MB to ${last} MB`,
  );
  process.exitCode = report.findings.length + report.wrongLines.length === 0 ? 0 : 1;
} finally {
  await server.stop();
}
