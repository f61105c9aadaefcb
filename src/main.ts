#!/usr/bin/env bun
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Migration, MigrationAction, NewPerson } from "./cli/deps.ts";
import { describeError } from "./cli/failure.ts";
import { run } from "./cli/index.ts";
import { type Config, readConfig } from "./config.ts";
import { migrate, migrationStatus, rollback } from "./db/migrate.ts";
import { InvalidParams, Refusal } from "./domain/refusals.ts";
import { createLogger } from "./lib/log.ts";
import { argv, exit, onSignals, runtimeName } from "./runtime/index.ts";
import { startService } from "./serve.ts";
import { useDatabase } from "./service/database.ts";
import { createAdminKey, createUser } from "./service/first-steps.ts";
import { VERSION } from "./version.ts";

/** Runs the service until the signal is aborted. */
async function serve(config: Config, signal: AbortSignal): Promise<void> {
  const service = await startService(config, createLogger({ level: config.logLevel }));
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  await service.stop();
}

/** For commands that work on the database themselves: what a service tells of its start is no news there. */
const briefLog = (config: Config) => createLogger({ level: config.logLevel === "info" ? "warn" : config.logLevel });

/** Makes a person's account; says in words what is wrong with it. */
async function addPerson(config: Config, person: NewPerson): Promise<string> {
  try {
    return await createUser(config, briefLog(config), person);
  } catch (error) {
    if (error instanceof InvalidParams)
      throw new Error(error.issues.map(({ path, message }) => `${path} ${message}`).join("; "));
    if (error instanceof Refusal && error.type === "conflict")
      throw new Error(`${person.email} has an account already`);
    throw error;
  }
}

/** Applies, shows or takes back migrations; answers all of them as they stand afterwards. */
async function changeSchema(config: Config, action: MigrationAction): Promise<readonly Migration[]> {
  const used = await useDatabase(config, briefLog(config));
  try {
    if (action === "up") await migrate(used);
    if (action === "down") await rollback(used);
    const { applied, pending } = await migrationStatus(used);
    return [
      ...applied.map(({ file }) => ({ name: file, applied: true })),
      ...pending.map(({ file }) => ({ name: file, applied: false })),
    ];
  } finally {
    await used.stop();
  }
}

const stopping = new AbortController();
onSignals(() => stopping.abort());
try {
  const config = readConfig(process.env);
  const main = fileURLToPath(import.meta.url);
  const code = await run(argv(), {
    config: { key: config.key, url: config.url ?? `http://127.0.0.1:${config.port}`, dataDir: config.dataDir },
    serve: (signal) => serve(config, signal),
    migrate: (action) => changeSchema(config, action),
    createAdminKey: (wanted) =>
      createAdminKey(config, createLogger({ level: config.logLevel === "info" ? "warn" : config.logLevel }), wanted),
    createUser: (person) => addPerson(config, person),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: stopping.signal,
    version: VERSION,
    program: [process.execPath, ...(runtimeName === "deno" ? ["run", "-A"] : []), main],
  });
  exit(code);
} catch (error) {
  process.stderr.write(`opensqs: ${describeError(error)}\n`);
  exit(1);
}
