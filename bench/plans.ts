/**
 * Prints how PostgreSQL finds the pages of task.list among 200,000 catalogued tasks: `bun bench/plans.ts > docs/catalogue-plans.md`.
 * The tasks themselves are looked up by their keys then, which is left out, and of several partitions one is shown.
 */
import pg from "pg";
import type { Selection, TaskFilter } from "../src/domain/task/queries/filter.ts";
import { keysOf, nearest, type Walk } from "../src/domain/task/queries/keys.ts";
import { startServer } from "./postgres.ts";
import { addCatalogued } from "./workloads/catalogue-tasks.ts";

const TASKS = 200_000;
const ago = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
const WALK: Walk = { descending: true, after: null, limit: 11 };

/** As in bench/workloads/catalogue.ts, in numbers. */
const FREQUENT: Record<string, TaskFilter> = { "all, or whatever is frequent": { names: ["name 3"] } };
const LISTS: Record<string, TaskFilter> = {
  "states: failed": { states: ["failed"] },
  "states: cancelled": { states: ["cancelled"] },
  "states: pending": { states: ["pending"] },
  names: { names: ["name 3"] },
  priority: { priority: 4 },
  tags: { tags: [28] },
  "two tags": { tags: [28, 190] },
  category: { categories: [34, 35] },
  ownerId: { ownerId: "owner 3" },
  "ownerId, states: pending": { ownerId: "owner 3", states: ["pending"] },
  "ownerId, states: failed": { ownerId: "owner 11", states: ["failed"] },
  "ownerId, priority": { ownerId: "owner 3", priority: 1 },
  "addedFrom, addedTo, names": { addedFrom: ago(4), addedTo: ago(3), names: ["name 3"] },
  "dueFrom, dueTo": { dueFrom: ago(3), dueTo: ago(2.99) },
  payload: { payload: { account: 1234 } },
  text: { text: "zebra" },
};

const server = await startServer(undefined, false);
const database = await server.freshDatabase();
await addCatalogued(database.url, TASKS);
const client = new pg.Client({ connectionString: database.url });
await client.connect();
await client.query("vacuum analyze");
console.log(`# How lists find their tasks

Plans of PostgreSQL for the keys of a page, among ${TASKS.toLocaleString("en")} catalogued tasks (\`bun bench/plans.ts\`); see
[decisions/0007](decisions/0007-a-catalogue-beside-the-tasks.md). Of the partitions of \`task\` one is shown.`);
for (const [name, filter] of Object.entries(FREQUENT)) await show(name, nearest, filter);
for (const [name, filter] of Object.entries(LISTS)) await show(name, keysOf, filter);
await show("deleted", keysOf, {}, true);
await client.end();
await database[Symbol.asyncDispose]();
await server[Symbol.asyncDispose]();

async function show(name: string, keys: typeof keysOf, filter: TaskFilter, deleted = false): Promise<void> {
  const selection: Selection = { projectId: 1, deleted, filter };
  const { sql, values } = keys(selection, WALK);
  const { rows } = await client.query(`explain (costs off) ${sql.replaceAll("$slonik_", "$")}`, [...values]);
  console.log(`\n## ${name}\n\n\`\`\`\n${onePartition(rows.map((row) => row["QUERY PLAN"])).join("\n")}\n\`\`\``);
}

/** Of the children of an Append only the first, the others being the same for other weeks. */
function onePartition(lines: readonly string[]): string[] {
  const kept: string[] = [];
  let seen: string | null = null;
  let skipping: number | null = null;
  for (const line of lines) {
    const depth = line.search(/\S/);
    if (skipping !== null && depth > skipping) continue;
    skipping = null;
    const partition = / on (task_\d{8}) /.exec(line)?.[1];
    if (partition !== undefined) seen ??= partition;
    if (partition !== undefined && partition !== seen) skipping = depth;
    else kept.push(line.replace(/task_\d{8}/g, "task_…").replace(/ (t|k|c|x|r|q)_\d+\b/g, " $1"));
  }
  return kept;
}
