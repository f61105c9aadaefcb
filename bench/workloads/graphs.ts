import { rpc } from "../../test/support/service.ts";
import { QUEUE, tasksFrom } from "../callers/payload.ts";
import { type Figures, round } from "../rows.ts";
import { Run, type Stage } from "../stage.ts";
import { workOff } from "./drain.ts";
import type { Workload } from "./workload.ts";

interface Node {
  readonly key: string;
  readonly dependsOn: readonly string[];
}

/** Most dependencies of one task. */
const DEPENDENCIES_MAX = 1000;
/** Tasks of one call. */
const CALL = 1000;

/** One task, many that depend on it, and joins of up to 1,000 of these until there is one end. */
export function fanOut(width: number): Node[] {
  let level = Array.from({ length: width }, (_, at) => `leaf ${at}`);
  const nodes: Node[] = [{ key: "root", dependsOn: [] }, ...level.map((key) => ({ key, dependsOn: ["root"] }))];
  for (let depth = 0; level.length > 1; depth++) {
    const joins = Array.from({ length: Math.ceil(level.length / DEPENDENCIES_MAX) }, (_, at) => ({
      key: `join ${depth} ${at}`,
      dependsOn: level.slice(at * DEPENDENCIES_MAX, (at + 1) * DEPENDENCIES_MAX),
    }));
    nodes.push(...joins);
    level = joins.map(({ key }) => key);
  }
  return nodes;
}

/** Each task depends on the one before. */
export const chain = (length: number): Node[] =>
  Array.from({ length }, (_, at) => ({ key: `${at}`, dependsOn: at === 0 ? [] : [`${at - 1}`] }));

/** A square of tasks, each of which depends on the one above and the one to the left. */
export const lattice = (side: number): Node[] =>
  Array.from({ length: side * side }, (_, at) => {
    const [row, column] = [Math.floor(at / side), at % side];
    const above = row > 0 ? [`${row - 1}/${column}`] : [];
    return { key: `${row}/${column}`, dependsOn: column > 0 ? [...above, `${row}/${column - 1}`] : above };
  });

/** Adds a graph as one workflow, or as many plain tasks. Answers how long that took, in seconds. */
async function add(run: Run, nodes: readonly Node[], plain: boolean): Promise<number> {
  const tasks = tasksFrom(0, nodes.length).map((task, at) => ({
    ...task,
    key: nodes[at]!.key,
    dependsOn: [...nodes[at]!.dependsOn],
  }));
  const start = performance.now();
  let id: string | undefined;
  for (let at = 0; at < tasks.length; at += CALL) {
    const some = tasks.slice(at, at + CALL);
    if (plain)
      await rpc(run.url, "task.enqueueMany", { queue: QUEUE, tasks: some.map(({ payload }) => ({ payload })) });
    else if (id === undefined) ({ id } = await rpc(run.url, "workflow.create", { queue: QUEUE, tasks: some }));
    else await rpc(run.url, "workflow.add", { queue: QUEUE, id, tasks: some });
  }
  return (performance.now() - start) / 1000;
}

/** How the tasks of a graph are worked off. */
type Work = (run: Run, tasks: number) => Promise<Figures>;

/** By a worker process of 64, as in W3. */
const byWorker: Work = (run, tasks) => workOff(run, run.urls, { processes: 1, concurrency: 64 }, { tasks, warmed: 0 });

/** One after the other, by one caller: a claim and a completion each. */
const byOneCaller: Work = async (run, tasks) => {
  const child = await run.child();
  const { capSeconds } = run.stage.sizes;
  const drained = await child.call("drain", { target: run.quickest, callers: 1, limit: 1, tasks, capSeconds });
  return {
    tasksPerSecond: round(drained.completed / drained.seconds, 0),
    p50: drained.p50,
    seconds: round(drained.seconds, 2),
    lost: tasks - drained.completed,
  };
};

/** The sizes of the waves in which a lattice can run: a task of each row at a time. */
const waves = (side: number): number[] =>
  Array.from({ length: 2 * side - 1 }, (_, at) => Math.min(at + 1, 2 * side - 1 - at));

/**
 * A lattice wave by wave, by one caller that claims all there is and completes it; the same with plain tasks is what people
 * do by hand, adding each wave when the one before is done.
 */
async function byWaves(stage: Stage, side: number, plain: boolean): Promise<Figures> {
  await using run = await Run.begin(stage);
  if (!plain) await add(run, lattice(side), false);
  await run.settle({ vacuum: true });
  const before = await run.meter.read();
  const start = performance.now();
  let completed = 0;
  for (const size of waves(side)) {
    if (plain) await rpc(run.url, "task.enqueueMany", { queue: QUEUE, tasks: tasksFrom(completed, size) });
    for (let left = size; left > 0; ) {
      const { tasks } = await rpc(run.url, "task.claim", { queue: QUEUE, limit: left, waitSeconds: 20 });
      const items = tasks.map(({ receipt }) => ({ receipt }));
      await rpc(run.url, "task.completeMany", { items });
      left -= tasks.length;
      completed += tasks.length;
    }
  }
  const seconds = (performance.now() - start) / 1000;
  return {
    tasksPerSecond: round(completed / seconds, 0),
    seconds: round(seconds, 2),
    ...(await run.meter.since(before, completed)),
    lost: side * side - completed,
  };
}

interface Shape {
  readonly how: string;
  readonly nodes: readonly Node[];
  readonly work: Work;
}

function shapes({ sizes: { graph } }: Stage): Shape[] {
  const side = Math.floor(Math.sqrt(graph));
  return [
    { how: `fan-out of ${graph.toLocaleString("en")}`, nodes: fanOut(graph), work: byWorker },
    { how: `lattice of ${side} × ${side}`, nodes: lattice(side), work: byWorker },
    { how: `chain of ${(graph / 10).toLocaleString("en")}`, nodes: chain(graph / 10), work: byOneCaller },
  ];
}

async function measure(stage: Stage, { nodes, work }: Shape, plain: boolean): Promise<Figures> {
  await using run = await Run.begin(stage);
  const addSeconds = await add(run, nodes, plain);
  await run.settle({ vacuum: true });
  const figures = await work(run, nodes.length);
  return { ...figures, addSeconds: round(addSeconds, 3), wholeSeconds: round(addSeconds + (figures.seconds ?? 0), 3) };
}

export const GRAPHS: Workload = {
  name: "graphs",
  what: "workflows of different shapes, each as a ratio to as many plain tasks",
  once: false,
  peers: [],
  async run(stage, emit) {
    for (const shape of shapes(stage)) {
      const plain = await measure(stage, shape, true);
      emit({ how: `${shape.how}, plain`, figures: plain });
      const figures = await measure(stage, shape, false);
      emit({
        how: shape.how,
        figures: {
          ...figures,
          ratio: round(figures.tasksPerSecond! / plain.tasksPerSecond!, 2),
          wholeRatio: round(plain.wholeSeconds! / figures.wholeSeconds!, 2),
        },
      });
    }
    const side = Math.floor(Math.sqrt(stage.sizes.graph));
    const plain = await byWaves(stage, side, true);
    emit({ how: "lattice wave by wave, plain", figures: plain });
    const figures = await byWaves(stage, side, false);
    const ratio = round(figures.tasksPerSecond! / plain.tasksPerSecond!, 2);
    emit({ how: "lattice wave by wave", figures: { ...figures, ratio } });
  },
};
