import type pg from "pg";

/** One node of EXPLAIN (FORMAT JSON), as far as the tests look at it. */
export interface PlanNode {
  "Node Type": string;
  "Parent Relationship"?: string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Index Cond"?: string;
  "CTE Name"?: string;
  Plans?: PlanNode[];
}

/** A Slonik query, as its tag makes it. */
export interface Query {
  readonly sql: string;
  readonly values: readonly unknown[];
}

/**
 * All nodes of the plan that PostgreSQL would run a query by: for these very values, or the generic plan that a prepared
 * statement settles on after some runs. Nothing is executed.
 */
export async function planOf(
  client: pg.Client,
  query: Query,
  kind: "custom" | "generic" = "custom",
): Promise<PlanNode[]> {
  const text = query.sql.replaceAll("$slonik_", "$");
  const { rows } = await client.query(
    kind === "generic"
      ? `explain (generic_plan, format json) ${text}`
      : { text: `explain (format json) ${text}`, values: [...query.values] },
  );
  const nodes: PlanNode[] = [];
  const walk = (node: PlanNode) => {
    nodes.push(node);
    for (const child of node.Plans ?? []) walk(child);
  };
  walk(rows[0]["QUERY PLAN"][0].Plan);
  return nodes;
}

/**
 * The reads of tables that do not go through an index by a condition that narrows it: on its first column, and where that
 * is the queue's number, which all rows of a table may share, on the second too.
 */
export async function readsWithoutIndex(client: pg.Client, nodes: readonly PlanNode[]): Promise<string[]> {
  const { rows } = await client.query<{ index: string; columns: string[] }>(`
    select i.indexrelid::regclass::text as index, array_agg(a.attname::text order by k.at) as columns
    from pg_index i cross join unnest(i.indkey) with ordinality as k(attnum, at)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum group by 1`);
  const columns = new Map(rows.map((row) => [row.index, row.columns]));
  const narrows = (node: PlanNode) => {
    const condition = node["Index Cond"] ?? "";
    const [first, second] = columns.get(node["Index Name"]!)!;
    const asks = (column: string) => new RegExp(`\\b${column} (=|<|>)`).test(condition.replaceAll(`.${column} `, " "));
    return asks(first!) && (first !== "queue_id" || second === undefined || asks(second));
  };
  return nodes
    .filter((node) => node["Relation Name"] !== undefined && node["Node Type"].includes("Scan"))
    .filter(
      (node) =>
        !(/^(Index|Index Only) Scan$/.test(node["Node Type"]) && narrows(node)) && node["Node Type"] !== "Tid Scan",
    )
    .map((node) =>
      `${node["Node Type"]} on ${node["Relation Name"]} ${node["Index Name"] ?? ""} ${node["Index Cond"] ?? ""}`.trim(),
    );
}

/**
 * Lists read anew for each row of another list: nested loops whose inner side scans a CTE. The one row of `home` (the
 * queue's policy) is no list.
 */
export function listsReadInLoops(nodes: readonly PlanNode[]): string[] {
  const side = (node: PlanNode, which: "Outer" | "Inner"): PlanNode => {
    const child = node.Plans!.find((plan) => plan["Parent Relationship"] === which)!;
    return child["Node Type"] === "Materialize" ? side(child, "Outer") : child;
  };
  return nodes
    .filter((node) => node["Node Type"] === "Nested Loop" && side(node, "Outer")["CTE Name"] !== "home")
    .map((node) => side(node, "Inner"))
    .filter((inner) => inner["Node Type"] === "CTE Scan" && inner["CTE Name"] !== "home")
    .map((inner) => inner["CTE Name"]!);
}
