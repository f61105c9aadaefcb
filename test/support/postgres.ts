import { afterAll, beforeAll, setDefaultTimeout } from "bun:test";
import { withDatabase } from "../../src/db/url.ts";
import { cloneDatabase, createDatabase, dropDatabase, makeTemplate } from "./template.ts";
import { startThrowaway } from "./throwaway.ts";

export { MIGRATIONS_DIR, withClient } from "./template.ts";

/** Bun gives a test five seconds; starting a server on a busy machine, or waiting for a lease to run out, may take longer. */
const TEST_TIMEOUT_MS = 60_000;

export interface TestDatabase {
  /** There from beforeAll on. */
  readonly url: string;
  /** Runs a step before the database is dropped, the newest first: whatever holds a connection must let go of it. */
  atEnd(step: () => unknown): void;
}

/** Gives the calling file its own database, cloned from the migrated template. Call it at the top of each test file. */
export function testDatabase(): TestDatabase {
  return ownDatabase(cloneDatabase);
}

/** As testDatabase(), but with nothing in it. */
export function emptyDatabase(): TestDatabase {
  return ownDatabase(createDatabase);
}

function ownDatabase(make: (template: string, name: string) => Promise<unknown>): TestDatabase {
  // Here and not at the top: this holds for the file that is being loaded, and modules are loaded once for all files.
  setDefaultTimeout(TEST_TIMEOUT_MS);
  const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  let url: string | undefined;
  beforeAll(async () => {
    const template = await templateUrl();
    await make(template, name);
    url = withDatabase(template, name);
  }, TEST_TIMEOUT_MS);
  const steps: (() => unknown)[] = [];
  afterAll(async () => {
    for (const step of steps.reverse()) await step();
    if (url !== undefined) await dropDatabase(url, name);
  }, TEST_TIMEOUT_MS);
  return {
    get url() {
      if (url === undefined) throw new Error("The database is there from beforeAll on.");
      return url;
    },
    atEnd: (step) => {
      steps.push(step);
    },
  };
}

/** One for the whole process: `bun test` runs its files one after another, and each may get its modules anew. */
const shared = globalThis as { opensqsTemplate?: Promise<string> };

/** The migrated database that tests clone: the runner's (scripts/test.ts), or that of a server of our own. */
function templateUrl(): Promise<string> {
  const given = process.env.TEST_DATABASE_URL;
  shared.opensqsTemplate ??= given ? Promise.resolve(given) : startThrowaway().then(({ url }) => makeTemplate(url));
  return shared.opensqsTemplate;
}
