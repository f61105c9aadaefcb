/**
 * What belongs to another project answers exactly as what does not exist: every method of rpc.discover is called with values
 * of another project and with twins of them that belong to nobody, each from a project of its own so that what one call
 * changes is changed alike for the other. Answers must be equal, and the other project must be as it was.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { SCOPES, type Scope } from "../../src/domain/access/scopes.ts";
import { withClient } from "../support/postgres.ts";
import { rpc, startInstance } from "../support/service.ts";
import { until } from "../support/until.ts";
import { startWireProxy } from "../support/wire-proxy.ts";
import { type Filled, fill } from "./foreign.ts";
import type { Kind, Methods } from "./params.ts";
import { ADMIN_KEY, guardedService } from "./stage.ts";
import { type Side, sideIn, type Trial, told, trialsOf, tried } from "./trial.ts";

const service = guardedService();
const OTHER = "filled-project";
let filled: Filled;
let methods: Methods;

beforeAll(async () => {
  await service.makeProject(OTHER);
  filled = await fill((method, params) => service.call(method, params), OTHER);
  methods = await service.methods();
});

async function side(project: string, scopes: readonly Scope[]): Promise<Side> {
  await service.makeProject(project);
  return await sideIn(service, project, "own", { scopes });
}

describe.each([
  ["all scopes", SCOPES.filter((scope) => scope !== "admin")],
  ["the scope admin", ["admin"] as const],
])("to a key with %s", (_, scopes) => {
  test("nothing of another project is known, and nothing of it changes", async () => {
    await quiet();
    const before = await dump();
    const [one, other] = [await side(`beth-${scopes.length}-1`, scopes), await side(`beth-${scopes.length}-2`, scopes)];
    const seen = new Set<string>();
    const faults: unknown[] = [];
    for (const trial of trialsOf(methods, filled)) {
      await touch(service.url);
      const { where, pair } = trial;
      const a = await tried(service.url, methods, one, trial, pair[0]);
      const b = await tried(service.url, methods, other, trial, pair[1]);
      const [foreign, twin] = [told(a, one, filled), told(b, other, filled)];
      if (JSON.stringify(foreign) !== JSON.stringify(twin)) faults.push({ where, foreign, twin });
      // The other side has never sent anything of that project: there it can come from nowhere but the project itself.
      const marks = filled.marks.filter((mark) => b.text.includes(mark));
      if (marks.length > 0) faults.push({ where, marks });
      // Keys of a workflow are names within one call, or its workflow: an unknown one is no parameter that fits.
      const unfit = trial.leaf.kind === "workflowKey" ? ["internal"] : ["internal", "invalid_params"];
      if (unfit.includes(b.error?.data.type ?? "")) faults.push({ where, error: b.error });
      if (!b.error) seen.add(trial.method);
    }
    expect(faults).toEqual([]);
    expect(await dump()).toEqual(before);
    // So that none of this holds for want of calls that come to anything.
    expect(seen.size).toBeGreaterThan(30);
  }, 300_000);
});

test("a count does not tell how many others have", async () => {
  const [project, limit] = [await service.makeProject("with many"), 1_000];
  for (let at = 0; at < 6; at++) {
    const tasks = Array.from({ length: limit }, () => ({ description: "many", payload: { counted: true } }));
    await service.call("task.enqueueMany", { project, queue: "many", tasks });
    await service.call("task.claim", { project, queue: "many", limit, leaseSeconds: 43_200 });
  }
  await service.makeProject("with none");
  const key = await service.keyOf("with none", ["task:read"]);
  for (const filter of [{ states: ["claimed" as const] }, { payload: { counted: true } }, { text: "many" }, {}])
    expect(await service.call("task.count", filter, key)).toEqual({ count: 0, exact: true });
});

test("as many statements are run for what is another project's as for what does not exist", async () => {
  const { hostname, port } = new URL(service.databaseUrl);
  const proxy = await startWireProxy({ host: hostname, port: Number(port) });
  const url = new URL(service.databaseUrl);
  url.host = `127.0.0.1:${proxy.port}`;
  const instance = await startInstance(url.toString(), { AUTH: "on", ADMIN_KEY });
  try {
    const [one, other] = [await side("counted-1", SCOPES), await side("counted-2", SCOPES)];
    const count = async (from: Side, trial: Trial, value: unknown, requestId: boolean) => {
      await touch(instance.url);
      const before = proxy.statements;
      const further = requestId ? [["requestId", crypto.randomUUID()] as const] : [];
      await tried(instance.url, methods, from, trial, value, further);
      return proxy.statements - before;
    };
    const counts: Record<string, unknown>[] = [];
    for (const trial of trialsOf(methods, filled).filter(
      ({ leaf, pair }) => BY_ID.has(leaf.kind!) && pair === filled.pairs[leaf.kind!][0],
    ))
      for (const requestId of isRepeatable(trial.method) ? [false, true] : [false]) {
        // Upkeep and what is looked up anew now and then run statements too, so the least of some is what a call runs.
        const least = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
        for (let run = 0; run < 6; run++) {
          least[0] = Math.min(least[0]!, await count(one, trial, trial.pair[0], requestId));
          least[1] = Math.min(least[1]!, await count(other, trial, trial.pair[1], requestId));
        }
        counts.push({ method: trial.method, path: trial.leaf.path, requestId, foreign: least[0], twin: least[1] });
      }
    expect(counts.filter(({ foreign, twin }) => foreign !== twin)).toEqual([]);
    expect(counts.length).toBeGreaterThan(30);
    expect(counts.every(({ twin }) => Number(twin) > 0)).toBe(true);
  } finally {
    await instance.stop();
    await proxy.close();
  }
}, 300_000);

/** Has an instance remember the filled project and its queue, as it does while that project is at work. */
async function touch(url: string): Promise<void> {
  const [[id]] = filled.pairs.task as readonly [readonly [string, string]];
  await rpc(url, "task.get", { project: OTHER, id }, { key: ADMIN_KEY });
}

const BY_ID = new Set<Kind>(["task", "receipt", "workflow", "key", "worker"]);
const isRepeatable = (method: string) => methods.leaves(method).some(({ path }) => path === "requestId");

/** Waits until upkeep has folded what the filling left behind: it moves rows by itself. */
async function quiet(): Promise<void> {
  await until("nothing is left to be folded", () =>
    withClient(service.databaseUrl, async (client) => {
      const { rows } = await client.query(
        `select 1 from queue_delta union all select 1 from tag_delta union all select 1 from category_delta
         union all select 1 from workflow_delta limit 1`,
      );
      return rows.length === 0;
    }),
  );
}

/** How a table's rows are known to be a project's; those of other tables belong to nobody, and are all compared. */
const OF_PROJECT: Readonly<Record<string, string>> = {
  project_id: "= $1",
  queue_id: "in (select id from queue where project_id = $1)",
  tag_id: "in (select id from tag where project_id = $1)",
  category_id: "in (select id from category where project_id = $1)",
  workflow_id: "in (select id from workflow where project_id = $1)",
  schedule_id: "in (select id from schedule where project_id = $1)",
};

/** All rows of the filled project, by table. */
async function dump(): Promise<Record<string, readonly string[]>> {
  return await withClient(service.databaseUrl, async (client) => {
    const { rows: columns } = await client.query<{ table: string; columns: string[] }>(
      `select c.relname as table, array_agg(a.attname::text) as columns from pg_class c join pg_attribute a on a.attrelid = c.oid
       where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and a.attnum > 0
       group by c.relname order by c.relname`,
    );
    const { rows } = await client.query<{ id: number }>("select id from project where name = $1", [OTHER]);
    const state: Record<string, readonly string[]> = {};
    for (const { table, columns: names } of columns) {
      const column = Object.keys(OF_PROJECT).find((name) => names.includes(name));
      const which = table === "project" ? "id = $1" : column ? `${column} ${OF_PROJECT[column]}` : "$1 = $1";
      const found = await client.query<{ row: string }>(
        `select to_jsonb(t)::text as row from ${client.escapeIdentifier(table)} t where ${which} order by 1`,
        [rows[0]!.id],
      );
      state[table] = found.rows.map(({ row }) => row);
    }
    expect(state.task!.length).toBeGreaterThan(8);
    expect(state.api_key!.length).toBe(2);
    return state;
  });
}
