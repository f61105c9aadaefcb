/**
 * Calls with values that the caller must not know of, and with their twins that are nobody's: what comes back is made
 * comparable.
 */
import type { Scope } from "../../src/domain/access/scopes.ts";
import { formatCursor } from "../../src/engine/cursor.ts";
import type { Filled, Pair } from "./foreign.ts";
import type { Give, Kind, Leaf, Methods } from "./params.ts";
import { type Answer, answerOf, type GuardedService, unknown } from "./stage.ts";

/** Somebody who calls, with enough of their own that what is not foreign in a call is there. */
export interface Side {
  readonly project: string;
  readonly key: string;
  readonly give: Give;
}

/** Own things of a side, so many that hardly any is used twice. */
const STOCK = 60;

/** Makes things of a project, their names and queues beginning with `own`, and a key for it. */
export async function sideIn(
  { call, makeKey, keyOf }: GuardedService,
  project: string,
  own: string,
  may: { readonly scopes: readonly Scope[]; readonly queues?: string[] },
): Promise<Side> {
  const some = { length: STOCK };
  const tasks = await call("task.enqueueMany", {
    project,
    queue: own,
    tasks: Array.from(some, () => ({ name: own, delaySeconds: 3600 })),
  });
  const work = `${own}-work`;
  await call("task.enqueueMany", { project, queue: work, tasks: Array.from(some, () => ({})) });
  const claim = { queue: work, worker: own, limit: STOCK, leaseSeconds: 43_200 };
  const claimed = await call("task.claim", { project, ...claim });
  await call("queue.create", { project, name: `${own}-spare` });
  for (const name of [own, `${own}-2`]) {
    await call("category.create", { project, name });
    await call("tag.create", { project, name });
  }
  const stocks: Partial<Record<Kind, unknown[]>> = {
    task: tasks.tasks.map(({ id }) => id),
    receipt: claimed.tasks.map(({ receipt }) => receipt),
    workflow: [],
    key: [],
    schedule: [],
  };
  for (let at = 0; at < 20; at++) {
    const tasks = [{ key: "own", delaySeconds: 3600 }];
    stocks.workflow!.push((await call("workflow.create", { project, queue: own, tasks })).id);
    stocks.key!.push((await makeKey({ project, scopes: ["task:read"] })).id);
    const name = `${own}-${at}`;
    await call("schedule.create", { project, name, queue: own, cron: "0 0 1 1 *" });
    stocks.schedule!.push(name);
  }
  let keys = 0;
  const give: Give = (kind, method, path) => {
    const stock = stocks[kind];
    // The last one is used again and again, and may be gone by then.
    if (stock) return stock.length > 1 ? stock.shift() : stock[0];
    if (kind === "project") return project;
    if (kind === "queue") return method.startsWith("queue.") ? `${own}-spare` : own;
    if (kind === "workflowKey") return `own-${++keys}`;
    if (kind === "tag" || kind === "category" || kind === "worker") return own;
    return unknown(kind, method, path);
  };
  const { scopes, queues } = may;
  return { project, give, key: await keyOf(project, [...scopes], queues ? { queues } : {}) };
}

/** A place of a method's parameters, and what is tried there. */
export interface Trial {
  readonly method: string;
  readonly leaf: Leaf;
  readonly pair: Pair;
  /** Parameters that must be given for the place to be looked at. */
  readonly more: readonly (readonly [string, unknown])[];
  readonly where: string;
}

/** All places of all methods in which something foreign can be named, with all that there is for each. */
export function trialsOf(methods: Methods, filled: Filled): Trial[] {
  return methods.names.flatMap((method) =>
    methods.leaves(method).flatMap((leaf) => {
      if (leaf.kind === null) return [];
      const pairs = leaf.kind === "cursor" ? cursorsOf(method, filled) : filled.pairs[leaf.kind];
      return pairs.map((pair) => {
        const where = `${method} ${leaf.path} ${textOf(pair[0])}`;
        return { method, leaf, pair, where, more: moreFor(method, leaf, pair) };
      });
    }),
  );
}

/** Lists whose cursors are of no project, or of which fill() makes too few: something of their form. */
const CURSORS: Readonly<Record<string, readonly Pair[]>> = {
  "task.attempts": [[formatCursor(["1"]), formatCursor(["1"])]],
  "project.members": [[formatCursor(["aleph"]), formatCursor(["alepq"])]],
};

function cursorsOf(method: string, filled: Filled): readonly Pair[] {
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

/** What comes back, in a form in which it can be compared. */
export interface Told {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly text: string;
}

/** Makes a trial's call with one value of its pair. `more` parameters are given beside. */
export async function tried(
  url: string,
  methods: Methods,
  { give, key }: Side,
  { method, leaf, more }: Trial,
  value: unknown,
  further: readonly (readonly [string, unknown])[] = [],
): Promise<Answer> {
  const params = methods.params(method, give, new Map([[leaf.path, value], ...more, ...further]));
  const answer = await answerOf(url, method, params, key);
  const text = answer.text.replace(
    /"nextCursor":"([\w-]+)"/g,
    (_, cursor: string) => `"nextCursor":${Buffer.from(cursor, "base64url").toString()}`,
  );
  return { ...answer, text };
}

/** What is a project's own, or of the moment. What is left must not depend on which value was named. */
const OWN: readonly (readonly [RegExp, string])[] = [
  [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>"],
  [/\d{4}-\d\d-\d\d [\d:.+]+/g, "<time>"],
  [/osqs_[\w-]+/g, "<key>"],
  [/"id":\d+/g, '"id":<number>'],
  [/"(\w+(Seconds|PerSecond)|waitingClaims)":[\d.e-]+/g, '"$1":<number>'],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, "<id>"],
  [/(?<="receipt":")[\w-]{27}/g, "<receipt>"],
  [/\["\d{13}",/g, '["<time>",'],
  [/\bown-\d+\b/g, "<one of the stock>"],
];

/** What an answer tells, whoever asked and whichever of a pair was named. */
export function told({ status, headers, text }: Answer, { project }: Side, { pairs }: Filled): Told {
  const { "content-length": _, ...rest } = headers;
  let left = text.replaceAll(project, "<own>");
  for (const [foreign, twin] of Object.values(pairs).flat()) left = left.replaceAll(textOf(foreign), textOf(twin));
  for (const [what, sign] of OWN) left = left.replace(what, sign);
  return { status, headers: rest, text: left };
}

export const textOf = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
