import type { Client } from "./client.ts";
import type { Result } from "./contract.ts";
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
  readonly #leaseSeconds: number | undefined;
  readonly #emit: Listener;
  readonly #held = new Set<HeldTask>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #renewing = false;

  constructor(client: Client, leaseSeconds: number | undefined, emit: Listener) {
    this.#client = client;
    this.#leaseSeconds = leaseSeconds;
    this.#emit = emit;
  }

  keep(held: HeldTask): void {
    this.#held.add(held);
    this.#schedule();
  }

  drop(held: HeldTask): void {
    this.#held.delete(held);
    this.#schedule();
  }

  /** One timer for the next thing that can happen to any lease. */
  #schedule(): void {
    clearTimeout(this.#timer);
    let next = Number.POSITIVE_INFINITY;
    for (const held of this.#ours()) next = Math.min(next, held.untilMs, this.#renewing ? held.untilMs : held.renewMs);
    if (next === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#tick(), Math.max(next - performance.now(), 0));
  }

  #ours(): HeldTask[] {
    return [...this.#held].filter((held) => held.lost === null);
  }

  #tick(): void {
    const now = performance.now();
    for (const held of this.#ours()) if (held.untilMs <= now) held.lose("expired", "clock");
    const ours = this.#ours();
    if (!this.#renewing && ours.some((held) => held.renewMs <= now)) void this.#renewAll(ours);
    this.#schedule();
  }

  async #renewAll(ours: readonly HeldTask[]): Promise<void> {
    this.#renewing = true;
    for (let from = 0; from < ours.length; from += RECEIPTS_MAX)
      await this.#renew(ours.slice(from, from + RECEIPTS_MAX));
    this.#renewing = false;
    this.#schedule();
  }

  /** Never rejects. */
  async #renew(some: readonly HeldTask[]): Promise<void> {
    const sentMs = performance.now();
    const shortestMs = Math.min(...some.map((held) => held.leaseMs));
    try {
      const { items } = await this.#client.task.extend(
        {
          receipts: some.map((held) => held.task.receipt),
          ...(this.#leaseSeconds === undefined ? {} : { leaseSeconds: this.#leaseSeconds }),
        },
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
