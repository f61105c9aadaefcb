/**
 * Runs the tests on one PostgreSQL for all of them: a throw-away one, or the server of DATABASE_URL, where it makes its own
 * databases and drops them. Arguments go to `bun test`. The last line is the count: "N passed, N failed, N skipped".
 */
import { spawn } from "node:child_process";
import { parseDatabaseUrl } from "../src/db/url.ts";
import { dropDatabase, makeTemplate } from "../test/support/template.ts";
import { startThrowaway } from "../test/support/throwaway.ts";
import { countsOf } from "./counts.ts";

interface Run {
  readonly exitCode: number;
  readonly output: string;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

async function runTests(databaseUrl: string, args: readonly string[]): Promise<Run> {
  const env = { ...process.env, TEST_DATABASE_URL: databaseUrl, ...(process.stderr.isTTY ? { FORCE_COLOR: "1" } : {}) };
  // Without the service's own variables: a test that wants one sets it.
  const { DATABASE_URL: _, LISTEN_DATABASE_URL: __, ...clean } = env as Record<string, string | undefined>;
  const child = spawn(process.execPath, ["test", ...args], { env: clean, stdio: ["inherit", "inherit", "pipe"] });
  // From here on a signal ends the tests; what was started for them is then stopped in the ordinary way.
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  let output = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    process.stderr.write(text);
  });
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ exitCode: code ?? 1, output }));
  });
}

async function onServer(work: (templateUrl: string) => Promise<Run>): Promise<Run> {
  const given = process.env.DATABASE_URL;
  const server = given ? { url: given, stop: async () => {} } : await startThrowaway();
  try {
    const template = await makeTemplate(server.url);
    try {
      return await work(template);
    } finally {
      if (given) await dropDatabase(template, parseDatabaseUrl(template).database);
    }
  } finally {
    await server.stop();
  }
}

const { exitCode, output } = await onServer((templateUrl) => runTests(templateUrl, process.argv.slice(2)));
const { passed, failed, skipped } = countsOf(output);
const nothingRan = passed + failed === 0;
if (nothingRan) console.error("No test ran to its end.");
const wrong = exitCode !== 0 || nothingRan;
// A run that fails otherwise (a signal, an error outside all tests) must not read like one that passed.
console.log(
  `${passed} passed, ${wrong ? Math.max(1, failed) : failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`,
);
process.exit(wrong ? exitCode || 1 : 0);
