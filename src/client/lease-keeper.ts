import { Alarm } from "./alarm.ts";
import type { Client } from "./client.ts";
import type { Params, Result } from "./contract.ts";
import { retryable } from "./errors.ts";
import type { HeldTask } from "./held-task.ts";
import type { Listener } from "./worker-events.ts";

type Renewal = Result<"task.extend">["items"][number];

/** The most receipts one task.extend takes. */
const RECEIPTS_MAX = 1000;
/** A failed renewal is tried again after this part of the lease: several times before it runs out. */
const AGAIN_AFTER = 1 / 10;

/**
 * Renews the leases of all tasks a worker holds, with one call for all of them as soon as the first is a third through,
 * and tells a task when its lease is lost: by the service's word, or because it ran out by the monotonic clock.
 */
export class LeaseKeeper {
  readonly #client: Client;
  /** What every renewal says beside the receipts. */
  readonly #params: Omit<Params<"task.extend">, "receipts">;
  readonly #held: ReadonlySet<HeldTask>;
  readonly #emit: Listener;
  readonly #alarm = new Alarm(() => this.#rang());
  #renewing = false;
  #stopped = false;

  /** `held` is the worker's own set; each task that enters it is told to keep(). */
  constructor(
    client: Client,
    params: Omit<Params<"task.extend">, "receipts">,
    held: ReadonlySet<HeldTask>,
    emit: Listener,
  ) {
    this.#client = client;
    this.#params = params;
    this.#held = held;
    this.#emit = emit;
  }

  keep(held: HeldTask): void {
    if (!this.#stopped) this.#alarm.by(Math.min(held.renewMs, held.untilMs));
  }

  /** Nothing is held any more: the alarm would only keep the process alive. */
  rest(): void {
    this.#alarm.clear();
  }

  /** What is still held is left to its lease's end. */
  stop(): void {
    this.#stopped = true;
    this.#alarm.clear();
  }

  #ours(): HeldTask[] {
    return [...this.#held].filter((held) => held.lost === null);
  }

  #rang(): void {
    const now = performance.now();
    for (const held of this.#ours()) if (held.untilMs <= now) held.lose("expired", "clock");
    const ours = this.#ours();
    if (!this.#renewing && ours.some((held) => held.renewMs <= now)) void this.#renewAll(ours);
    this.#setAlarm();
  }

  #setAlarm(): void {
    if (this.#stopped) return;
    let next = Number.POSITIVE_INFINITY;
    for (const held of this.#ours()) next = Math.min(next, held.untilMs, this.#renewing ? held.untilMs : held.renewMs);
    this.#alarm.by(next);
  }

  async #renewAll(ours: readonly HeldTask[]): Promise<void> {
    this.#renewing = true;
    for (let from = 0; from < ours.length; from += RECEIPTS_MAX)
      await this.#renew(ours.slice(from, from + RECEIPTS_MAX));
    this.#renewing = false;
    this.#setAlarm();
  }

  /** Never rejects. */
  async #renew(some: readonly HeldTask[]): Promise<void> {
    const sentMs = performance.now();
    const shortestMs = Math.min(...some.map((held) => held.leaseMs));
    try {
      const { items } = await this.#client.task.extend(
        { ...this.#params, receipts: some.map((held) => held.task.receipt) },
        // One try: what is renewed next time may be other tasks, and a try that hangs must end while leases live.
        { retry: { tries: 1 }, timeoutSeconds: shortestMs / 3000 },
      );
      for (const [at, held] of some.entries()) this.#take(held, items[at], sentMs);
    } catch (error) {
      this.#tryAgain(some, shortestMs, error);
    }
  }

  #take(held: HeldTask, item: Renewal | undefined, sentMs: number): void {
    if (item?.ok) {
      held.renewed(sentMs);
      return;
    }
    if (held.ended || !this.#held.has(held)) {
      // Its report may have ended the lease while the renewal was under way, and brings its own answer.
      held.renewMs = performance.now() + held.leaseMs * AGAIN_AFTER;
      return;
    }
    const type = item?.error.data.type;
    // A purged task is not found; it is as lost as any.
    if (item !== undefined && (type === "lease_lost" || type === "not_found")) {
      held.lose(String(item.error.data.state ?? type), "extend");
      return;
    }
    this.#tryAgain(
      [held],
      held.leaseMs,
      item?.error ?? new Error("task.extend answered fewer items than it was asked."),
    );
  }

  #tryAgain(some: readonly HeldTask[], shortestMs: number, error: unknown): void {
    const pauseMs = Math.max(shortestMs * AGAIN_AFTER, (retryable(error)?.afterSeconds ?? 0) * 1000);
    for (const held of some) held.renewMs = performance.now() + pauseMs;
    this.#emit({ type: "trouble", during: "extend", error, retryInSeconds: pauseMs / 1000 });
  }
}
