/** Graphs of tasks drawn at random, and what must become of them: a function of graph, policies and outcomes alone. */
import fc from "fast-check";

export type Policy = "cancel" | "fail" | "run";
export type End = "completed" | "failed" | "cancelled";

/** What the worker does with one task: fails so many attempts, which are made again, and then ends it. */
export interface Script {
  readonly failures: number;
  readonly end: "completed" | "failed";
}

/** One task. Its number is its place in the graph; it depends on lower ones only. */
export interface GraphNode {
  readonly key: string;
  /** 0: made with the workflow; others later, while a task of an earlier stage is held. */
  readonly stage: number;
  /** Outside of the workflow: a task.enqueue that names its dependencies by their ids. */
  readonly outside: boolean;
  readonly queue: number;
  readonly policy: Policy;
  readonly dependsOn: readonly number[];
  /** What is done with it in the first round, and in the second, after workflow.retry. */
  readonly scripts: readonly [Script, Script];
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  /** By stage, the task whose worker adds the stage's; of stage 0 nobody. */
  readonly hosts: readonly (number | null)[];
  /** Whether the workflow is retried when it has ended otherwise than completed. */
  readonly again: boolean;
}

export const QUEUES = 3;
const STAGES = 3;
const NODES_MAX = 50;

const script: fc.Arbitrary<Script> = fc.record({
  failures: fc.oneof(
    { arbitrary: fc.constant(0), weight: 4 },
    { arbitrary: fc.integer({ min: 1, max: 2 }), weight: 1 },
  ),
  end: fc.oneof(
    { arbitrary: fc.constant("completed" as const), weight: 6 },
    { arbitrary: fc.constant("failed" as const), weight: 1 },
  ),
});

const draft = fc.record({
  stage: fc.integer({ min: 0, max: STAGES - 1 }),
  outside: fc.oneof({ arbitrary: fc.constant(false), weight: 4 }, { arbitrary: fc.constant(true), weight: 1 }),
  queue: fc.integer({ min: 0, max: QUEUES - 1 }),
  policy: fc.constantFrom<Policy>("cancel", "cancel", "fail", "run"),
  // How far back each dependency lies, counted in tasks that this one may depend on.
  back: fc.array(fc.oneof(fc.nat(4), fc.nat(NODES_MAX)), { maxLength: 4 }),
  scripts: fc.tuple(script, script),
});

export const anyGraph: fc.Arbitrary<Graph> = fc
  .noBias(
    fc.record({
      drafts: fc.array(draft, { minLength: 1, maxLength: NODES_MAX, size: "max" }),
      hosts: fc.array(fc.nat(NODES_MAX), { minLength: STAGES, maxLength: STAGES }),
      again: fc.boolean(),
    }),
  )
  .map(({ drafts, hosts, again }) => {
    // A workflow has a task to begin with.
    const [first, ...rest] = drafts as [(typeof drafts)[0], ...typeof drafts];
    const sorted = [{ ...first, stage: 0, outside: false }, ...rest].sort((a, b) => a.stage - b.stage);
    const nodes = sorted.map((one, at): GraphNode => {
      const { back, ...node } = one;
      // A workflow's tasks name each other by keys; others name any.
      const known = sorted.slice(0, at).flatMap((other, place) => (one.outside || !other.outside ? [place] : []));
      const dependsOn = known.length === 0 ? [] : back.map((far) => known[known.length - 1 - (far % known.length)]!);
      return { ...node, key: `${at}`, dependsOn: [...new Set(dependsOn)] };
    });
    return { nodes, again, hosts: hostsOf(nodes, hosts) };
  });

/** Whoever adds tasks holds one of the workflow, which then runs for certain: one that will itself be run. */
function hostsOf(nodes: readonly GraphNode[], picks: readonly number[]): (number | null)[] {
  const runs = firstRound(nodes).ran;
  return picks.map((pick, stage) => {
    if (stage === 0) return null;
    const able = nodes.flatMap((node, at) => (node.stage < stage && !node.outside && runs.has(at) ? [at] : []));
    return able[pick % able.length]!;
  });
}

/** How tasks are to end in a round, and which of them are run in it. */
export interface Round {
  readonly ends: readonly End[];
  readonly ran: ReadonlySet<number>;
}

const DOOMED = { cancel: "cancelled", fail: "failed" } as const;

export function firstRound(nodes: readonly GraphNode[]): Round {
  const ends: End[] = [];
  const ran = new Set<number>();
  for (const [at, { dependsOn, policy, scripts }] of nodes.entries()) {
    const broken = dependsOn.some((on) => ends[on] !== "completed");
    if (broken && policy !== "run") ends.push(DOOMED[policy]);
    else {
      ends.push(scripts[0].end);
      ran.add(at);
    }
  }
  return { ends, ran };
}

/** workflow.retry runs again what did not complete of the workflow, and nothing else. */
export function secondRound(nodes: readonly GraphNode[], first: Round): Round {
  const ends = [...first.ends];
  const ran = new Set<number>();
  for (const [at, { dependsOn, policy, scripts, outside }] of nodes.entries()) {
    if (outside || first.ends[at] === "completed") continue;
    const broken = dependsOn.some((on) => ends[on] !== "completed");
    if (broken && policy !== "run") ends[at] = DOOMED[policy];
    else {
      ends[at] = scripts[1].end;
      ran.add(at);
    }
  }
  return { ends, ran };
}

export function workflowEnd(nodes: readonly GraphNode[], { ends }: Round): End {
  const inside = ends.filter((_, at) => !nodes[at]!.outside);
  if (inside.includes("failed")) return "failed";
  return inside.includes("cancelled") ? "cancelled" : "completed";
}
