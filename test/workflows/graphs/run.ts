/** One graph while it is run: it makes its tasks, says what each attempt comes to, and judges what it sees. */
import type { Contract } from "../../../src/rpc/methods/index.ts";
import { refusal } from "../../support/service.ts";
import { firstRound, type Graph, type GraphNode, type Round, secondRound, workflowEnd } from "./graph.ts";
import type { Replicas } from "./replicas.ts";

export type Claimed = Contract["task.claim"]["result"]["tasks"][number];
export type Task = Contract["task.list"]["result"]["tasks"][number];

/** An attempt as its worker got it. Judged only if its end is acknowledged: its lease was current then. */
interface Attempt {
  readonly task: Claimed;
  readonly at: number;
  /** A dependency that nobody had begun to end when the attempt had come, if there is one. */
  readonly early: string | undefined;
}

export class GraphRun {
  readonly #graph: Graph;
  readonly #replicas: Replicas;
  readonly #label: string;
  readonly #ids = new Map<number, string>();
  /** Attempts that workers have got, by task, of this round. */
  #attempts = new Map<number, number>();
  /** Tasks whose end somebody may have been told. */
  #mayHaveEnded = new Set<number>();
  /** Receipts under which a task's end was acknowledged, in this round. */
  #ended = new Map<number, Set<string>>();
  /** Receipts under which a task was acknowledged as completed, ever. */
  readonly #completedBy = new Map<number, string>();
  readonly #failedBy = new Map<number, Set<string>>();
  /** Attempts of this round whose ends were acknowledged. */
  #acknowledged: Attempt[] = [];
  readonly #stages: (Promise<void> | undefined)[] = [];
  readonly #wrong: string[] = [];
  #round: Round;
  #rounds = 1;
  #workflow = "";

  constructor(graph: Graph, replicas: Replicas, label: string) {
    this.#graph = graph;
    this.#replicas = replicas;
    this.#label = label;
    this.#round = firstRound(graph.nodes);
  }

  get wrong(): readonly string[] {
    return this.#wrong;
  }

  /** Tasks that are to be run in this round and have not been ended yet. */
  get open(): number {
    return [...this.#round.ran].filter((at) => !this.#ended.has(at)).length;
  }

  toString(): string {
    return `${this.#label}: ${JSON.stringify(this.#graph)}`;
  }

  async begin(): Promise<void> {
    await this.#stage(0);
  }

  /** Does one attempt: what the script says, and before it what hangs on its task. */
  async work(task: Claimed): Promise<void> {
    const at = Number((task.payload as { node: number }).node);
    const { dependsOn } = this.#graph.nodes[at]!;
    const early = dependsOn.find((on) => !this.#mayHaveEnded.has(on) && !this.#isDoomed(on));
    const attempt = { task, at, early: early === undefined ? undefined : this.#graph.nodes[early]!.key };
    await this.#addHosted(at);
    const made = this.#attempts.get(at) ?? 0;
    this.#attempts.set(at, made + 1);
    const script = this.#graph.nodes[at]!.scripts[this.#rounds - 1]!;
    if (made < script.failures) await this.#fail(attempt, true);
    else if (script.end === "failed") await this.#fail(attempt, false);
    else await this.#complete(attempt);
  }

  /** When all has ended: what is to be seen of it. `tasks` are all of the queues', by id. */
  async judge(tasks: ReadonlyMap<string, Task>): Promise<void> {
    for (const attempt of this.#acknowledged) this.#judgeAttempt(attempt);
    for (const [at, node] of this.#graph.nodes.entries()) this.#judgeTask(at, node, tasks.get(this.#ids.get(at)!));
    await this.#judgeWorkflow();
  }

  /** Whether the graph is to go on with another round, which has then begun. */
  async retry(): Promise<boolean> {
    if (this.#rounds === 2 || !this.#graph.again) return false;
    const { nodes } = this.#graph;
    const call = () => this.#replicas.call("workflow.retry", { id: this.#workflow, requestId: `${this.#label} retry` });
    if (workflowEnd(nodes, this.#round) === "completed") {
      const { type } = await refusal(call());
      if (type !== "wrong_state") this.#wrong.push(`workflow.retry of a completed one: ${type}`);
      return false;
    }
    this.#round = secondRound(nodes, this.#round);
    this.#rounds = 2;
    this.#attempts = new Map();
    this.#acknowledged = [];
    this.#mayHaveEnded = new Set([...this.#completedBy.keys()]);
    this.#ended = new Map();
    const { state } = await call();
    if (state !== "running") this.#wrong.push(`workflow.retry answers ${state}`);
    return true;
  }

  /** Doomed by one that may have ended, so it may have ended too. */
  #isDoomed(at: number): boolean {
    const { dependsOn, policy } = this.#graph.nodes[at]!;
    if (this.#round.ran.has(at) || policy === "run") return false;
    return dependsOn.some(
      (on) => this.#round.ends[on] !== "completed" && (this.#mayHaveEnded.has(on) || this.#isDoomed(on)),
    );
  }

  async #addHosted(host: number): Promise<void> {
    for (const [stage, at] of this.#graph.hosts.entries()) if (at === host) await this.#stage(stage);
  }

  /** Makes a stage's tasks, once, and before them those of the stages that they depend on. */
  #stage(stage: number): Promise<void> {
    this.#stages[stage] ??= (stage === 0 ? Promise.resolve() : this.#stage(stage - 1)).then(() =>
      this.#addStage(stage),
    );
    return this.#stages[stage];
  }

  async #addStage(stage: number): Promise<void> {
    const nodes = [...this.#graph.nodes.entries()].filter(([, node]) => node.stage === stage);
    const inside = nodes.filter(([, node]) => !node.outside);
    // Against their order: whoever depends on others comes before them.
    if (inside.length > 0) await this.#addInside(stage, inside.reverse());
    for (const [at, node] of nodes) if (node.outside) await this.#addOutside(at, node);
  }

  async #addInside(stage: number, nodes: readonly [number, GraphNode][]): Promise<void> {
    const tasks = nodes.map(([at, node]) => ({
      key: node.key,
      dependsOn: node.dependsOn.map((on) => this.#graph.nodes[on]!.key),
      ...this.#common(at, node),
    }));
    const requestId = `${this.#label} ${stage}`;
    const made =
      stage === 0
        ? await this.#replicas.call("workflow.create", { tasks, requestId })
        : await this.#replicas.call("workflow.add", { id: this.#workflow, tasks, requestId });
    this.#workflow = made.id;
    for (const [at, { key }] of nodes) this.#ids.set(at, (made.tasks as Record<string, string>)[key]!);
  }

  async #addOutside(at: number, node: GraphNode): Promise<void> {
    const { id } = await this.#replicas.call("task.enqueue", {
      dependsOn: node.dependsOn.map((on) => this.#ids.get(on)!),
      requestId: `${this.#label} outside ${at}`,
      ...this.#common(at, node),
    });
    this.#ids.set(at, id);
  }

  #common = (at: number, { queue, policy }: GraphNode) => ({
    queue: queueName(queue),
    payload: { graph: this.#label, node: at },
    onDependencyFailure: policy,
  });

  async #complete(attempt: Attempt): Promise<void> {
    const { at, task } = attempt;
    this.#mayHaveEnded.add(at);
    const result = { of: at, receipt: task.receipt };
    if (!(await acknowledged(this.#replicas.call("task.complete", { receipt: task.receipt, result })))) return;
    const before = this.#completedBy.get(at);
    if (before !== undefined && before !== task.receipt) this.#wrong.push(`task ${at} was completed twice`);
    this.#completedBy.set(at, task.receipt);
    this.#note(attempt, true);
  }

  async #fail(attempt: Attempt, retry: boolean): Promise<void> {
    const { at, task } = attempt;
    if (!retry) this.#mayHaveEnded.add(at);
    const call = this.#replicas.call("task.fail", {
      receipt: task.receipt,
      error: { message: "as the script says", code: "scripted", data: task.receipt },
      retry,
      ...(retry ? { delaySeconds: 0 } : {}),
      // Without it, a repeat of a call that was not answered would find its lease gone.
      requestId: `fail ${task.receipt}`,
    });
    if (!(await acknowledged(call))) return;
    const receipts = this.#failedBy.get(at) ?? new Set();
    this.#failedBy.set(at, receipts.add(task.receipt));
    this.#note(attempt, !retry);
  }

  #note(attempt: Attempt, ends: boolean): void {
    const { at, task } = attempt;
    this.#acknowledged.push(attempt);
    if (!ends) return;
    this.#ended.set(at, (this.#ended.get(at) ?? new Set()).add(task.receipt));
    if (this.#ended.get(at)!.size > 1) this.#wrong.push(`task ${at} ended twice`);
  }

  /** At the end: of a dependency that completed, its dependents may have been done before its own end was answered. */
  #judgeAttempt({ at, task, early }: Attempt): void {
    const { nodes } = this.#graph;
    if (!this.#round.ran.has(at)) this.#wrong.push(`task ${at} was run, and is to be ${this.#round.ends[at]}`);
    if (early !== undefined) this.#wrong.push(`task ${at} came before ${early}, which it depends on, had ended`);
    const expected = nodes[at]!.dependsOn.map((on): [string, unknown] => [
      nodes[at]!.outside ? this.#ids.get(on)! : nodes[on]!.key,
      this.#round.ends[on] === "completed" ? { of: on, receipt: this.#completedBy.get(on) } : null,
    ]);
    this.#expect(`inputs of task ${at}`, Object.fromEntries(expected), task.inputs);
  }

  #judgeTask(at: number, node: GraphNode, task: Task | undefined): void {
    if (!task) {
      this.#wrong.push(`task ${at} is lost`);
      return;
    }
    const end = this.#round.ends[at]!;
    this.#expect(`state of task ${at}`, end, task.state);
    const result = end === "completed" ? { of: at, receipt: this.#completedBy.get(at) } : null;
    this.#expect(`result of task ${at}`, result, task.result);
    this.#expect(`payload of task ${at}`, { graph: this.#label, node: at }, task.payload);
    const dependsOn = node.dependsOn.map((on) => this.#ids.get(on)!);
    this.#expect(`dependencies of task ${at}`, dependsOn, task.dependsOn);
    // Each failure once, and none that nobody told.
    const scripted = task.errors.filter(({ code }) => code === "scripted").map(({ data }) => data);
    this.#expect(`failures of task ${at}`, [...(this.#failedBy.get(at) ?? [])].sort(), scripted.sort());
  }

  async #judgeWorkflow(): Promise<void> {
    const { nodes } = this.#graph;
    const seen = await this.#replicas.call("workflow.get", { id: this.#workflow });
    const inside = [...nodes.entries()].filter(([, { outside }]) => !outside);
    const counts = { waiting: 0, pending: 0, claimed: 0, completed: 0, failed: 0, cancelled: 0 };
    for (const [at] of inside) counts[this.#round.ends[at]!] += 1;
    this.#expect("state of the workflow", workflowEnd(nodes, this.#round), seen.state);
    this.#expect("counts of the workflow", counts, seen.counts);
    if (seen.finished === null) this.#wrong.push("the workflow has no end");
    const expected = inside.map(([at, { key, queue, dependsOn }]) => ({
      key,
      id: this.#ids.get(at)!,
      queue: queueName(queue),
      state: this.#round.ends[at]!,
      dependsOn: dependsOn.map((on) => nodes[on]!.key),
    }));
    const byKey = (a: { key: string }, b: { key: string }) => Number(a.key) - Number(b.key);
    this.#expect("tasks of the workflow", expected, [...seen.tasks].sort(byKey));
  }

  #expect(what: string, expected: unknown, seen: unknown): void {
    if (!Bun.deepEquals(expected, seen))
      this.#wrong.push(`${what}: expected ${JSON.stringify(expected)}, seen ${JSON.stringify(seen)}`);
  }
}

export const queueName = (queue: number) => `graphs-${queue}`;

/** False for a lease that was lost: the task is done again by whoever claims it next. */
async function acknowledged(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if ((error as { data?: { type: string } }).data?.type === "lease_lost") return false;
    throw error;
  }
}
