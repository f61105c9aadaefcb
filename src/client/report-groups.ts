import type { Courier, Delivering } from "./courier.ts";
import { RpcError, TransportError } from "./errors.ts";
import type { HeldTask } from "./held-task.ts";
import type { Outcome, Step } from "./worker-events.ts";

/** The most items one call takes. */
const ITEMS_MAX = 1000;
/** UTF-16 units of all items of a call, which are at most 3 MiB: the service takes 4 MiB. */
const CHARACTERS_MAX = 1024 * 1024;

/** One task's outcome on its way. */
export interface Report<I> {
  readonly held: HeldTask;
  readonly item: I;
  /** UTF-16 units of the item as JSON, about. */
  readonly characters: number;
  readonly outcome: Outcome;
}

/** What the service, or the way to it, made of one report. */
export type Told<A> = { readonly answer: A } | { readonly lost: string } | { readonly refused: unknown };

/** An item of a …Many method's answer. */
type Item<A> =
  | ({ readonly ok: true } & A)
  | {
      readonly ok: false;
      readonly error: { readonly code: number; readonly message: string; readonly data: { readonly type: string } };
    };

export interface GroupOptions<I, A, R> {
  readonly step: Step;
  /** Sends one group. Its repeats, and they alone, carry the same requestId. */
  readonly send: (items: I[], requestId: string, how: Delivering) => Promise<{ readonly items: readonly Item<A>[] }>;
  /** Told once for each report. Must not throw. */
  readonly told: (report: R, told: Told<A>) => void;
}

/**
 * Reports of one kind, in as few calls as can be: while one is under way, what ends meanwhile is gathered, and goes as the
 * next. A lone one goes at once. Each report is told its own item's answer.
 */
export class ReportGroups<I, A, R extends Report<I> = Report<I>> {
  readonly #options: GroupOptions<I, A, R>;
  readonly #courier: Courier;
  #gathered: R[] = [];
  #sending = false;

  constructor(courier: Courier, options: GroupOptions<I, A, R>) {
    this.#courier = courier;
    this.#options = options;
  }

  add(report: R): void {
    this.#gathered.push(report);
    if (this.#sending) return;
    this.#sending = true;
    // Handlers that end in the same turn share the first call already.
    queueMicrotask(() => void this.#sendAll());
  }

  async #sendAll(): Promise<void> {
    while (this.#gathered.length > 0) await this.#send(this.#next());
    this.#sending = false;
  }

  #next(): R[] {
    let length = 0;
    let characters = 0;
    for (const report of this.#gathered) {
      characters += report.characters;
      if (length === ITEMS_MAX || (length > 0 && characters > CHARACTERS_MAX)) break;
      length += 1;
    }
    return this.#gathered.splice(0, length);
  }

  async #send(group: readonly R[]): Promise<void> {
    const requestId = crypto.randomUUID();
    const delivery = await this.#courier.deliver(
      group.map(({ held }) => held),
      this.#options.step,
      (how) =>
        this.#options.send(
          group.map(({ item }) => item),
          requestId,
          how,
        ),
    );
    if ("answer" in delivery) {
      for (const [at, report] of group.entries()) this.#options.told(report, this.#toTold(delivery.answer.items[at]));
    } else if (group.length > 1 && mayBeOnes(delivery.refused)) {
      // One member's fault must not be the others': halved until it stands alone.
      const half = Math.ceil(group.length / 2);
      await this.#send(group.slice(0, half));
      await this.#send(group.slice(half));
    } else {
      for (const report of group) this.#options.told(report, { refused: delivery.refused });
    }
  }

  #toTold(item: Item<A> | undefined): Told<A> {
    if (item === undefined) return { refused: new Error("The service answered fewer items than it was told.") };
    if (item.ok) return { answer: item };
    const { code, message, data } = item.error;
    if (data.type === "lease_lost") return { lost: "state" in data ? String(data.state) : data.type };
    return { refused: new RpcError(`task.${this.#options.step}Many`, code, message, data) };
  }
}

/** Whether a refusal of the whole may be about what one member says. */
function mayBeOnes(error: unknown): boolean {
  if (error instanceof TransportError) return error.status === 413;
  return error instanceof TypeError || (error instanceof RpcError && error.type !== "unauthenticated");
}
