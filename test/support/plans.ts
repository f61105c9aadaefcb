import type pg from "pg";

/** One node of EXPLAIN (FORMAT JSON), as far as the tests look at it. */
export interface PlanNode {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Index Cond"?: string;
  "Join Type"?: string;
  Plans?: PlanNode[];
}

/** A Slonik query, as its tag makes it. */
export interface Query {
  readonly sql: string;
  readonly values: readonly unknown[];
}

/** All nodes of the plan that PostgreSQL would run a query by. Nothing is executed. */
export async function planOf(client: pg.Client, query: Query): Promise<PlanNode[]> {
  const { rows } = await client.query({
    text: `explain (format json) ${query.sql.replaceAll("$slonik_", "$")}`,
    values: [...query.values],
  });
  const nodes: PlanNode[] = [];
  const walk = (node: PlanNode) => {
    nodes.push(node);
    for (const child of node.Plans ?? []) walk(child);
  };
  walk(rows[0]["QUERY PLAN"][0].Plan);
  return nodes;
}

/** The reads of tables that do not go through an index by a condition on it. */
export function readsWithoutIndex(nodes: readonly PlanNode[]): string[] {
  return nodes
    .filter((node) => node["Relation Name"] !== undefined && node["Node Type"].includes("Scan"))
    .filter(
      (node) =>
        !(/^(Index|Index Only) Scan$/.test(node["Node Type"]) && node["Index Cond"]) &&
        node["Node Type"] !== "Tid Scan",
    )
    .map((node) => `${node["Node Type"]} on ${node["Relation Name"]} ${node["Index Name"] ?? ""}`.trim());
}
