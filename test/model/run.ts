/** Carries a run out on the service and on the model side by side, and stops where they part. */
import type pg from "pg";
import { queueOf } from "../../src/lib/uuid7.ts";
import { QUEUES, type Step } from "./commands.ts";
import type { Expectation, Readings, Scene } from "./expectation.ts";
import { brokenInvariants } from "./invariants.ts";
import { expire } from "./leases.ts";
import { Observer } from "./observe.ts";
import { expectationOf, remember, type WireCall } from "./operations.ts";
import { differences, type Pattern } from "./pattern.ts";
import { listed } from "./reads.ts";
import { again } from "./repeats.ts";
import { type Act, type Names, resolve } from "./resolve.ts";
import type { Answer, ServiceUnderTest } from "./service.ts";
import { Model, type Task } from "./state.ts";

/** Any moment that is over; the same on both sides, so that what fell due together is still ordered by id. */
const LONG_AGO_MICROS = Date.UTC(2019, 0, 1) * 1000;

export class Run {
  readonly #service: ServiceUnderTest;
  readonly #client: pg.Client;
  readonly #model = new Model();
  readonly #observer: Observer;
  readonly #names: Names;
  readonly #sent: WireCall[] = [];
  readonly #story: string[] = [];
  #untouched = new Map<string, { version: number; hash: string }>();
  #made = false;
  #requests = 0;

  /** `label` sets this run's queues, workers and requests apart from those of others on the same database. */
  constructor(service: ServiceUnderTest, client: pg.Client, label: string) {
    this.#service = service;
    this.#client = client;
    this.#names = {
      queue: (number) => `${label}-q${number}`,
      worker: (number) => `${label}-w${number}`,
      newRequestId: () => `${label}-r${++this.#requests}`,
    };
    this.#observer = new Observer(
      client,
      Array.from({ length: QUEUES }, (_, at) => this.#names.queue(at)),
    );
  }

  /** Does the steps in turn; throws with the story so far when an answer or the database is not as the model says. */
  async play(steps: readonly Step[]): Promise<void> {
    await this.#observer.read();
    await this.#makeQueues();
    for (const step of steps) await this.#step(step);
    await this.#sayAllReceipts();
    const broken = [...(await brokenInvariants(this.#client, this.#model)), ...(await this.#violations())];
    if (broken.length > 0) throw this.#parted(broken);
  }

  /** Two queues of policies that leave nothing to chance; the third is made by its first task, if one comes. */
  async #makeQueues(): Promise<void> {
    const backoff = { baseSeconds: 100, factor: 2, maxSeconds: 300, jitter: false };
    const policies = [
      { maxAttempts: 2, leaseSeconds: 600 },
      { maxAttempts: 3, leaseSeconds: 900, maxPayloadBytes: 128 },
    ];
    for (const [at, policy] of policies.entries())
      await this.#call({ method: "queue.create", params: { name: this.#names.queue(at), backoff, ...policy } });
  }

  async #step(step: Step): Promise<void> {
    const act = step.kind === "repeat" ? this.#again(step) : resolve(this.#model, this.#names, step);
    if (act === null) return;
    if (act.kind === "call") await this.#call(act.call);
    else await this.#letTimePass(act);
  }

  #again({ pick, how }: Step & { kind: "repeat" }): Act | null {
    const call = this.#sent[pick % Math.max(1, this.#sent.length)];
    const repeat = call && again(call, how);
    return repeat ? { kind: "call", call: repeat } : null;
  }

  async #call(call: WireCall): Promise<void> {
    const scene = this.#scene();
    this.#made = false;
    const expected = expectationOf(scene, call);
    const answer = await this.#service.call(call);
    this.#story.push(`${call.method} ${JSON.stringify(call.params)}\n      → ${JSON.stringify(answer)}`);
    if (call.params.requestId !== undefined) this.#sent.push(call);
    await this.#read();
    this.#check(judge(expected, answer));
    if ("result" in answer) remember(scene, call, answer.result);
    this.#checkDatabase();
    if (call.method === "task.list" && "result" in answer) await this.#turnPages(scene, call, answer.result);
  }

  /** Follows a list to its end: the pages together are the whole list. */
  async #turnPages(scene: Scene, call: WireCall, first: unknown): Promise<void> {
    let page = first as { tasks: unknown[]; nextCursor: string | null };
    const all = [...page.tasks];
    while (page.nextCursor !== null) {
      const answer = await this.#service.call({ ...call, params: { ...call.params, cursor: page.nextCursor } });
      if (!("result" in answer)) throw this.#parted([`the next page is ${JSON.stringify(answer)}`]);
      page = answer.result as typeof page;
      all.push(...page.tasks);
    }
    this.#check(differences(listed(scene, call.params as never), all, "all pages"));
  }

  async #letTimePass(act: Exclude<Act, { kind: "call" }>): Promise<void> {
    this.#story.push(act.kind === "sweep" ? "upkeep looks for late leases" : `${act.kind} ${act.task.id}`);
    if (act.kind === "lapse") await this.#lapse(act.task);
    if (act.kind === "due") await this.#makeDue(act.task);
    if (act.kind === "sweep") {
      await this.#service.sweep();
      expire(this.#model);
    }
    await this.#read();
    this.#checkDatabase();
  }

  async #lapse(task: Task): Promise<void> {
    await this.#client.query(
      "update task_lease set expires_at = to_timestamp($2::float8) where id = $1 and queue_id = $3",
      [task.id, LONG_AGO_MICROS / 1e6, queueOf(task.id)],
    );
    Object.assign(task.lease!, { expiresAt: LONG_AGO_MICROS, lapsed: true });
  }

  async #makeDue(task: Task): Promise<void> {
    await this.#client.query(
      `with facts as (update task set run_at = to_timestamp($2::float8) where id = $1 and queue_id = $3)
       update task_ready set run_at = to_timestamp($2::float8) where id = $1 and queue_id = $3`,
      [task.id, LONG_AGO_MICROS / 1e6, queueOf(task.id)],
    );
    task.runAt = LONG_AGO_MICROS;
  }

  /** At the end each receipt that was ever given is asked about: exactly the current ones are valid. */
  async #sayAllReceipts(): Promise<void> {
    const receipts = [...this.#model.receipts.keys()];
    if (receipts.length > 0) await this.#call({ method: "task.extend", params: { receipts } });
  }

  async #violations(): Promise<string[]> {
    const answer = await this.#service.call({ method: "admin.verify", params: {} });
    const ok = "result" in answer && (answer.result as { ok: boolean }).ok;
    return ok ? [] : [`admin.verify: ${JSON.stringify(answer)}`];
  }

  #scene(): Scene {
    return { model: this.#model, readings: (): Readings => this.#observer.readings(this.#made) };
  }

  async #read(): Promise<void> {
    await this.#observer.read();
    this.#made = true;
  }

  #checkDatabase(): void {
    this.#check(this.#observer.compare(this.#model, this.#untouched));
    this.#untouched = this.#observer.finished(this.#model);
  }

  #check(wrong: readonly string[]): void {
    if (wrong.length > 0) throw this.#parted(wrong);
  }

  #parted(wrong: readonly string[]): Error {
    const story = this.#story.map((line, at) => `${String(at + 1).padStart(4)}. ${line}`);
    return new Error(
      `The service is not as the model says:\n  ${wrong.join("\n  ")}\nwhat was done:\n${story.join("\n")}`,
    );
  }
}

/** How an answer differs from what was expected. */
function judge(expected: Expectation, answer: Answer): string[] {
  if ("result" in expected)
    return "result" in answer
      ? differences(expected.result, answer.result)
      : [`refused with ${JSON.stringify(answer.error)}, expected ${show(expected.result)}`];
  if ("result" in answer)
    return [
      `answered ${JSON.stringify(answer.result)}, expected a refusal: ${show(expected.refusals as unknown as Pattern)}`,
    ];
  const { code, data } = answer.error;
  const each = expected.refusals.map((one) =>
    differences({ code: one.code, data: one.data }, { code, data }, "refusal"),
  );
  return each.some((wrong) => wrong.length === 0) ? [] : each.flat();
}

const show = (pattern: Pattern) => JSON.stringify(pattern, (_, value) => (typeof value === "function" ? "…" : value));
