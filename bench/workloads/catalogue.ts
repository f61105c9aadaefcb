import type { Contract } from "../../src/rpc/methods/index.ts";
import { rpc } from "../../test/support/service.ts";
import { quantiles, round } from "../rows.ts";
import { onDatabase, Run } from "../stage.ts";
import { addCatalogued } from "./catalogue-tasks.ts";
import type { Workload } from "./workload.ts";

type Filter = Contract["task.list"]["params"];

/** One page that people look at: not the longest, so that what it costs is finding, not writing. */
const LIMIT = 10;
const PAGE = 100;

const DAY = 86_400_000;
const ago = (days: number) => new Date(Date.now() - days * DAY).toISOString();

/** Every filter of task.list, some combinations, and the sorts that have an index. */
const LISTS: Record<string, Filter> = {
  all: {},
  queue: { queue: "c1" },
  "state completed": { states: ["completed"] },
  "state failed": { states: ["failed"] },
  "state cancelled": { states: ["cancelled"] },
  "state pending": { states: ["pending"] },
  name: { names: ["name 3"] },
  priority: { priority: 4 },
  tag: { tags: ["btag27"] },
  "two tags": { tags: ["btag27", "htag189"] },
  category: { category: "category 33" },
  "category with subtree": { category: "category 2" },
  owner: { ownerId: "owner 3" },
  "owner and state": { ownerId: "owner 3", states: ["pending"] },
  "owner, failed": { ownerId: "owner 11", states: ["failed"] },
  "owner and priority": { ownerId: "owner 3", priority: 1 },
  "owner by priority": { ownerId: "owner 3", sort: "priority" },
  "added between": { addedFrom: ago(4), addedTo: ago(3) },
  "due between": { dueFrom: ago(3), dueTo: ago(2.99) },
  "payload, one in 20": { payload: { kind: "kind 7" } },
  "payload, one in 5,000": { payload: { account: 1234 } },
  "text, one in 80": { text: "word17" },
  "text, one in 5,000": { text: "zebra" },
  "text by relevance": { text: "word17", sort: "relevance" },
  deleted: { deleted: true },
  "any of tag, owner, name": { anyOf: [{ tags: ["btag27"] }, { ownerId: "owner 3" }, { names: ["name 3"] }] },
};

const COUNTS = [
  "all",
  "state failed",
  "tag",
  "owner",
  "payload, one in 5,000",
  "text, one in 5,000",
  "text, one in 80",
];

interface Case {
  readonly how: string;
  /** Makes ready what the call needs, and answers the call. */
  readonly prepare: (url: string) => Promise<() => Promise<unknown>>;
}

const firstPage = (name: string, filter: Filter): Case => ({
  how: name,
  prepare: async (url) => () => rpc(url, "task.list", { ...filter, limit: LIMIT }),
});

/** The last page up to the hundredth; the smaller database may have fewer, and the other is then asked for the same one. */
const laterPage = (name: string, filter: Filter, pages: Map<string, number>): Case => ({
  how: `${name}, page ${PAGE}`,
  async prepare(url) {
    let params: Filter = { ...filter, limit: LIMIT };
    const most = pages.get(name) ?? PAGE;
    let at = 1;
    for (; at < most; at++) {
      const { nextCursor } = await rpc(url, "task.list", params);
      if (nextCursor === null) break;
      params = { ...params, cursor: nextCursor };
    }
    pages.set(name, at);
    return () => rpc(url, "task.list", params);
  },
});

function cases(): Case[] {
  const pages = new Map<string, number>();
  const lists = Object.entries(LISTS);
  return [
    ...lists.map(([name, filter]) => firstPage(name, filter)),
    ...lists.map(([name, filter]) => laterPage(name, filter, pages)),
    {
      how: "suggest",
      prepare: async (url) => () => rpc(url, "tag.suggest", { prefix: "bt" }),
    },
    ...COUNTS.map((name) => {
      const { sort: _, ...filter } = LISTS[name]!;
      return { how: `count, ${name}`, prepare: async (url: string) => () => rpc(url, "task.count", filter) };
    }),
  ];
}

export const CATALOGUE: Workload = {
  name: "catalogue",
  what: "lists, searches and counts among many catalogued tasks, each as a ratio to the same among few",
  once: true,
  peers: [],
  async run(stage, emit) {
    const { catalogued, cataloguedFew, catalogueCalls } = stage.sizes;
    await using few = await Run.begin(stage);
    await using many = await Run.begin(stage);
    for (const [run, total] of [
      [few, cataloguedFew],
      [many, catalogued],
    ] as const) {
      await addCatalogued(run.database.url, total);
      await onDatabase(run.database.url, "vacuum analyze");
      // Whole pages go into the log at their first change after a checkpoint; what vacuum changed is not to be paid for later.
      await run.settle({ vacuum: false });
    }
    for (const { how, prepare } of cases()) {
      // The smaller first: it decides how far the pages go.
      const calls = [await prepare(few.url), await prepare(many.url)] as const;
      const times: [number[], number[]] = [[], []];
      for (let turn = -WARM_UPS; turn < catalogueCalls; turn++)
        for (const at of [0, 1] as const) {
          const start = performance.now();
          await calls[at]();
          if (turn >= 0) times[at].push(performance.now() - start);
        }
      const [small, large] = times.map(quantiles) as [ReturnType<typeof quantiles>, ReturnType<typeof quantiles>];
      emit({
        how,
        figures: {
          fewP50: small.p50,
          fewP99: small.p99,
          p50: large.p50,
          p99: large.p99,
          ratio: round(large.p99 / small.p99, 2),
        },
      });
    }
  },
};

const WARM_UPS = 10;
