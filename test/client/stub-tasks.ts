type Fields = Record<string, unknown>;
type Answer = { result: unknown } | { error: { code: number; message: string; data: { type: string } & Fields } };

interface StubTask {
  readonly id: string;
  readonly queue: string;
  readonly name: string | null;
  readonly payload: unknown;
  state: string;
  attempt: number;
  receipt: string | null;
  /** The receipt that completed it. */
  completedBy: string | null;
  result: unknown;
  error: unknown;
  progress: unknown;
  /** How often its completion was newly accepted. */
  completions: number;
  releases: number;
}

const LEASE_SECONDS = 30;

/** Tasks in memory with leases that end only when a test says so. */
export class StubTasks {
  readonly all: StubTask[] = [];
  leaseSeconds = LEASE_SECONDS;
  #waiters = new Set<() => void>();
  #receipts = 0;
  readonly #owners = new Map<string, StubTask>();

  /** Puts a pending task there without a call. */
  add(name: string | null, payload: unknown = {}, queue = "q"): StubTask {
    const id = crypto.randomUUID();
    const task = { id, queue, name, payload, state: "pending", attempt: 0, receipt: null, completedBy: null };
    const stub = { ...task, result: null, error: null, progress: null, completions: 0, releases: 0 };
    this.all.push(stub);
    this.wakeAll();
    return stub;
  }

  /** Ends the lease as expiry (`pending`), another worker (`claimed`) or a cancellation would. */
  takeAway(task: StubTask, state: "pending" | "claimed" | "cancelled"): void {
    task.state = state;
    task.receipt = null;
    if (state === "pending") this.wakeAll();
  }

  /** As if it had been purged: nothing is known of it or of its receipt. */
  forget(task: StubTask): void {
    this.all.splice(this.all.indexOf(task), 1);
    for (const [receipt, owner] of this.#owners) if (owner === task) this.#owners.delete(receipt);
  }

  wakeAll(): void {
    for (const wake of this.#waiters) wake();
    this.#waiters = new Set();
  }

  async act(method: string, params: Fields, gone: AbortSignal): Promise<Answer> {
    switch (method) {
      case "task.enqueue": {
        const task = this.add((params.name as string | undefined) ?? null, params.payload, params.queue as string);
        return { result: { id: task.id, state: "pending", duplicate: false } };
      }
      case "task.enqueueMany": {
        const tasks = params.tasks as Fields[];
        const added = tasks.map((task) =>
          this.add((task.name as string | undefined) ?? null, task.payload, params.queue as string),
        );
        return { result: { tasks: added.map(({ id }) => ({ id, state: "pending", duplicate: false })) } };
      }
      case "task.claim":
        return { result: { tasks: await this.#claim(params, gone) } };
      case "task.extend":
        return { result: { items: (params.receipts as string[]).map((receipt) => this.#extend(receipt)) } };
      case "task.completeMany":
      case "task.failMany": {
        const single = method.replace("Many", "");
        const items = (params.items as Fields[]).map((item) => toItem(this.#withReceipt(single, item)));
        return { result: { items } };
      }
      case "task.get":
        return this.#found(params.id as string);
      case "queue.get":
        return { result: { name: params.name, leaseSeconds: this.leaseSeconds } };
      case "queue.stats":
        return { result: { queues: [] } };
      default:
        return this.#withReceipt(method, params);
    }
  }

  async #claim(params: Fields, gone: AbortSignal): Promise<unknown[]> {
    const endsMs = performance.now() + ((params.waitSeconds as number | undefined) ?? 0) * 1000;
    for (;;) {
      const due = this.all.filter(
        ({ state, name }) => state === "pending" && (!params.names || (params.names as unknown[]).includes(name)),
      );
      if (gone.aborted) return [];
      if (due.length > 0)
        return due.slice(0, (params.limit as number | undefined) ?? 1).map((task) => this.#lease(task, params));
      const leftMs = endsMs - performance.now();
      if (leftMs <= 0) return [];
      await new Promise<void>((resolve) => {
        this.#waiters.add(resolve);
        gone.addEventListener("abort", () => resolve());
        setTimeout(resolve, leftMs).unref();
      });
    }
  }

  #lease(task: StubTask, params: Fields): unknown {
    task.state = "claimed";
    task.attempt += 1;
    task.receipt = String(++this.#receipts).padStart(27, "r");
    this.#owners.set(task.receipt, task);
    const { id, queue, name, payload, attempt, receipt } = task;
    const seconds = (params.leaseSeconds as number | undefined) ?? this.leaseSeconds;
    const leaseExpiresAt = new Date(Date.now() + seconds * 1000).toISOString();
    const rest = { priority: 5, maxAttempts: 5, added: leaseExpiresAt, tags: [], dependsOn: [], inputs: {} };
    return { id, queue, name, payload, attempt, receipt, leaseExpiresAt, ...rest };
  }

  #extend(receipt: string): unknown {
    const task = this.#holder(receipt);
    if (task === undefined) return { ok: false, ...this.#lost(receipt) };
    return { ok: true, id: task.id, leaseExpiresAt: new Date(Date.now() + this.leaseSeconds * 1000).toISOString() };
  }

  #holder(receipt: string): StubTask | undefined {
    return this.all.find((task) => task.receipt === receipt);
  }

  #lost(receipt: string): { error: { code: number; message: string; data: { type: string } & Fields } } {
    const state = this.#owners.get(receipt)?.state;
    if (state === undefined)
      return { error: { code: 1001, message: "not found", data: { type: "not_found", noun: "task" } } };
    return { error: { code: 1003, message: "lost", data: { type: "lease_lost", state } } };
  }

  #found(id: string): Answer {
    const task = this.all.find((candidate) => candidate.id === id);
    if (task !== undefined) return { result: task };
    return { error: { code: 1001, message: "not found", data: { type: "not_found", noun: "task", id } } };
  }

  #withReceipt(method: string, params: Fields): Answer {
    const receipt = params.receipt as string;
    const repeated = this.all.find((task) => task.completedBy === receipt);
    if (method === "task.complete" && repeated) return { result: { id: repeated.id, state: "completed" } };
    const task = this.#holder(receipt);
    if (task === undefined) return this.#lost(receipt);
    const { id } = task;
    if (method === "task.progress") {
      task.progress = { percent: params.percent, note: params.note ?? null };
      return { result: { id } };
    }
    task.receipt = null;
    if (method === "task.complete") {
      Object.assign(task, { state: "completed", completedBy: receipt, result: params.result });
      task.completions += 1;
      return { result: { id, state: "completed" } };
    }
    if (method === "task.release") {
      // Handed back for good here, or a worker would claim it over and over.
      Object.assign(task, { state: "released" });
      task.releases += 1;
      return { result: { id, state: "pending", runAt: new Date().toISOString() } };
    }
    Object.assign(task, { state: "failed", error: params.error });
    return { result: { id, state: params.retry === false ? "failed" : "pending", runAt: null } };
  }
}

function toItem(answer: Answer): unknown {
  return "error" in answer ? { ok: false, error: answer.error } : { ok: true, ...(answer.result as object) };
}
