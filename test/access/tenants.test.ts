/**
 * What belongs to another project answers exactly as what does not exist: every method of rpc.discover is called with values
 * of another project and with twins of them that belong to nobody, each from a project of its own so that what one call
 * changes is changed alike for the other. Answers must be equal, and the other project must be as it was.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { SCOPES } from "../../src/domain/access/scopes.ts";
import { formatCursor } from "../../src/engine/cursor.ts";
import { withClient } from "../support/postgres.ts";
import { rpc, startInstance } from "../support/service.ts";
import { until } from "../support/until.ts";
import { startWireProxy } from "../support/wire-proxy.ts";
import { type Filled, fill, type Pair } from "./foreign.ts";
import type { Give, Kind, Leaf, Methods } from "./params.ts";
import { ADMIN_KEY, type Answer, answerOf, guardedService, unknown } from "./stage.ts";

const service = guardedService();
const OTHER = "filled-project";
let filled: Filled;
let methods: Methods;

beforeAll(async () => {
  await service.makeProject(OTHER);
  filled = await fill((method, params) => service.call(method, params), OTHER);
  methods = await service.methods();
});

/** A project from which calls are made, with enough of its own that what is not foreign in a call is there. */
interface Side {
  readonly project: string;
  readonly key: string;
  readonly give: Give;
}

/** Own things of a project, so many that hardly any is used twice. */
const STOCK = 60;

async function side(project: string, scopes: readonly (typeof SCOPES)[number][]): Promise<Side> {
  await service.makeProject(project);
  const { call } = service;
  const some = { length: STOCK };
  const tasks = await call("task.enqueueMany", {
    project,
    queue: "own",
    tasks: Array.from(some, () => ({ name: "own", delaySeconds: 3600 })),
  });
  await call("task.enqueueMany", { project, queue: "own-work", tasks: Array.from(some, () => ({})) });
  const claimed = await call("task.claim", {
    project,
    queue: "own-work",
    worker: "own",
    limit: STOCK,
    leaseSeconds: 43_200,
  });
  await call("queue.create", { project, name: "own-spare" });
  for (const name of ["own", "own-2"]) await call("category.create", { project, name });
  for (const name of ["own", "own-2"]) await call("tag.create", { project, name });
  const stocks: Partial<Record<Kind, unknown[]>> = {
    task: tasks.tasks.map(({ id }) => id),
    receipt: claimed.tasks.map(({ receipt }) => receipt),
    workflow: [],
    key: [],
    schedule: [],
  };
  for (let at = 0; at < 20; at++) {
    const tasks = [{ key: "own", delaySeconds: 3600 }];
    stocks.workflow!.push((await call("workflow.create", { project, queue: "own", tasks })).id);
    stocks.key!.push((await service.makeKey({ project, scopes: ["task:read"] })).id);
    const name = `own-${at}`;
    await call("schedule.create", { project, name, queue: "own", cron: "0 0 1 1 *" });
    stocks.schedule!.push(name);
  }
  let keys = 0;
  const give: Give = (kind, method, path) => {
    const stock = stocks[kind];
    // The last one is used again and again: it may be gone by then, on both sides.
    if (stock) return stock.length > 1 ? stock.shift() : stock[0];
    if (kind === "project") return project;
    if (kind === "queue") return method.startsWith("queue.") ? "own-spare" : "own";
    if (kind === "workflowKey") return `own-${++keys}`;
    if (kind === "tag" || kind === "category" || kind === "worker") return "own";
    return unknown(kind, method, path);
  };
  return { project, give, key: await service.keyOf(project, [...scopes]) };
}

/** A place of a method's parameters, and what is tried there. */
interface Trial {
  readonly method: string;
  readonly leaf: Leaf;
  readonly pair: Pair;
  /** Parameters that must be given for the place to be looked at. */
  readonly more: readonly (readonly [string, unknown])[];
}

function trials(): Trial[] {
  return methods.names.flatMap((method) =>
    methods.leaves(method).flatMap((leaf) => {
      if (leaf.kind === null) return [];
      const pairs = leaf.kind === "cursor" ? cursorsOf(method) : filled.pairs[leaf.kind];
      if (pairs.length === 0)
        throw new Error(`${method} ${leaf.path}: the filled project has none (test/access/foreign.ts).`);
      return pairs.map((pair) => ({ method, leaf, pair, more: moreFor(method, leaf, pair) }));
    }),
  );
}

/** Lists whose cursors are of no project, or of which fill() makes too few: something of their form. */
const CURSORS: Readonly<Record<string, readonly Pair[]>> = {
  "task.attempts": [[formatCursor(["1"]), formatCursor(["1"])]],
  "project.members": [[formatCursor(["aleph"]), formatCursor(["alepq"])]],
};

function cursorsOf(method: string): readonly Pair[] {
  const pairs = filled.cursors[method] ?? CURSORS[method];
  if (!pairs) throw new Error(`${method} takes a cursor: let fill() in test/access/foreign.ts get one.`);
  return pairs;
}

function moreFor(method: string, { kind, path }: Leaf, [foreign]: Pair): [string, unknown][] {
  if (method === "task.list" && kind === "cursor") {
    const [sort] = JSON.parse(Buffer.from(String(foreign), "base64url").toString()) as string[];
    return [["sort", sort], ...(sort === "relevance" ? [["text", "words"] as [string, unknown]] : [])];
  }
  return path === "tasks[].dependsOn[]" && kind === "workflowKey" ? [["tasks[].key", "own-other"]] : [];
}

async function tried({ project, give, key }: Side, { method, leaf, more }: Trial, value: unknown) {
  const params = methods.params(method, give, new Map([[leaf.path, value], ...more]));
  return { params, answer: normalised(await answerOf(service.url, method, params, key), project) };
}

/** Things that are a project's own, or of the moment. What is left must not depend on the project that was named. */
const OWN: readonly (readonly [RegExp, string])[] = [
  [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>"],
  [/\d{4}-\d\d-\d\d [\d:.+]+/g, "<time>"],
  [/osqs_[\w-]+/g, "<key>"],
  [/"id":\d+/g, '"id":<number>'],
  [/"(\w+(Seconds|PerSecond)|waitingClaims)":[\d.e-]+/g, '"$1":<number>'],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, "<id>"],
  [/(?<="receipt":")[\w-]{27}/g, "<receipt>"],
  [/\["\d{13}",/g, '["<time>",'],
];

interface Normal {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly text: string;
}

function normalised({ status, headers, text }: Answer, project: string): Normal {
  const decoded = text.replace(/"nextCursor":"([\w-]+)"/g, (_, cursor: string) => {
    return `"nextCursor":${Buffer.from(cursor, "base64url").toString()}`;
  });
  const { "content-length": _, ...rest } = headers;
  return { status, headers: rest, text: decoded.replaceAll(project, "<own>") };
}

/** The filled project's values, each as its twin: what is left of an answer that named them. */
function asTwin(text: string): string {
  let twin = text;
  for (const pairs of Object.values(filled.pairs))
    for (const [foreign, other] of pairs) twin = twin.replaceAll(inText(foreign), inText(other));
  return twin;
}
const inText = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

/** What an answer tells, whoever asked and whichever of a pair was named. */
const told = ({ text, ...rest }: Normal) => ({
  ...rest,
  text: OWN.reduce((left, [what, sign]) => left.replace(what, sign), asTwin(text)),
});

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
    for (const trial of trials()) {
      await touch(service.url);
      const [foreign, twin] = trial.pair;
      const a = await tried(one, trial, foreign);
      const b = await tried(other, trial, twin);
      const where = `${trial.method} ${trial.leaf.path} ${inText(foreign)}`;
      if (JSON.stringify(told(a.answer)) !== JSON.stringify(told(b.answer)))
        faults.push({ where, foreign: told(a.answer).text, twin: told(b.answer).text });
      // The other side has never sent anything of that project: there it can come from nowhere but the project itself.
      const marks = filled.marks.filter((mark) => b.answer.text.includes(mark));
      if (marks.length > 0) faults.push({ where, marks });
      // Keys of a workflow are names within one call, or its workflow: an unknown one is no parameter that fits.
      const unfit = trial.leaf.kind === "workflowKey" ? /"internal"/ : /"(internal|invalid_params)"/;
      if (unfit.test(b.answer.text)) faults.push({ where, answer: b.answer.text });
      if (!b.answer.text.includes('"error"')) seen.add(trial.method);
    }
    expect(faults).toEqual([]);
    expect(await dump()).toEqual(before);
    // So that none of this holds for want of calls that come to anything.
    expect(seen.size).toBeGreaterThan(30);
  }, 300_000);
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
      const { give, key } = from;
      const more = requestId ? [["requestId", crypto.randomUUID()] as const] : [];
      const params = methods.params(trial.method, give, new Map([[trial.leaf.path, value], ...trial.more, ...more]));
      await touch(instance.url);
      const before = proxy.statements;
      await answerOf(instance.url, trial.method, params, key);
      return proxy.statements - before;
    };
    const counts: Record<string, unknown>[] = [];
    for (const trial of trials().filter(
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
