import { setImmediate } from "node:timers";
import { Alarm } from "./alarm.ts";
import { type Answer, parseAnswers, rpcError } from "./answer.ts";
import { TransportError } from "./errors.ts";
import { pack } from "./frames.ts";
import type { Exchange } from "./transport.ts";

export interface Patience {
  /** A handshake that takes longer is taken for one that never ends. */
  readonly openMs: number;
  /** An idle connection is closed after this: it must not keep its process alive, nor die unnoticed behind some router. */
  readonly idleMs: number;
}

/** Of the WebSocket protocol. */
const CLOSE_DONE = 1000;
const CLOSE_TOO_LARGE = 1009;
/** Not yet known, that is. */
const CLOSE_UNKNOWN = 0;

/** Thrown for the calls of a connection that was never opened: another way may carry them. */
export class NotCarried extends Error {}

export interface ConnectionOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly patience: Patience;
  /** The first answer came over it. */
  readonly onHeard: () => void;
  /** No call may be given to it any more, although those under way may still be answered. Told once. */
  readonly onRetired: () => void;
  /** `unfit`: the handshake failed, not one answer came before it broke, or a frame was too large for somebody. */
  readonly onEnd: (unfit: boolean) => void;
}

/** A call that waits for its answer. */
interface Pending {
  readonly call: Exchange;
  readonly resolve: (result: unknown) => void;
  readonly reject: (reason: unknown) => void;
  readonly onAbort: () => void;
  readonly untilMs: number;
  /** When it was sent; infinite before. */
  sentMs: number;
}

/**
 * One WebSocket and the calls on it, answers matched by id. Calls given to it before it is open are sent when it is.
 *
 * There is no message by which the service could be told that a call's caller has gone; it learns that from the end of the
 * connection. So a waiting call that is given up retires its connection: nothing new is sent over it, and it is closed as
 * soon as its other calls are answered. What the given-up call is answered until then goes to its `late`.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #socket: WebSocket;
  readonly #alarm = new Alarm(() => this.#rang());
  readonly #pending = new Map<number, Pending>();
  #gathered: Pending[] = [];
  /** Calls given up by their callers, whose answers may still come. */
  readonly #givenUp = new Map<number, Exchange>();
  readonly #openByMs: number;
  #state: "opening" | "open" | "ended" = "opening";
  #retired = false;
  #heardMs = Number.NEGATIVE_INFINITY;
  #idleSinceMs = performance.now();

  /** Throws where no WebSocket can be made: there are none, or none with headers. */
  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#openByMs = performance.now() + options.patience.openMs;
    this.#socket = openSocket(options.url, options.headers);
    this.#socket.onopen = () => this.#opened();
    this.#socket.onmessage = ({ data }) => this.#heard(data);
    // Node tells of a refused handshake by an error alone; elsewhere the end follows and is then no news.
    this.#socket.onerror = () => this.#end("it failed", null);
    this.#socket.onclose = ({ code, reason }) => this.#end(closedBecause(code, reason), code);
    this.#alarm.by(this.#openByMs);
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** As Transport.exchange(); rejects with NotCarried if it never opens. */
  exchange(call: Exchange): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#state === "ended" || this.#retired) return reject(new NotCarried());
      if (call.signal?.aborted) return reject(call.signal.reason);
      const untilMs = performance.now() + call.timeoutMs;
      const onAbort = () => this.#giveUp(pending, call.signal?.reason);
      const pending: Pending = { call, resolve, reject, onAbort, untilMs, sentMs: Number.POSITIVE_INFINITY };
      this.#pending.set(call.id, pending);
      // Sent again, under the same id: what may still come for the first time is as good an answer for the second.
      this.#givenUp.delete(call.id);
      call.signal?.addEventListener("abort", onAbort, { once: true });
      this.#alarm.by(untilMs);
      if (this.#state !== "open") return;
      if (call.brief) this.#sendSoon(pending);
      else this.#send([pending]);
    });
  }

  /** Ends it now; calls under way reject. */
  close(): void {
    this.#end("the client closed it", CLOSE_DONE);
  }

  #opened(): void {
    this.#state = "open";
    const waiting = [...this.#pending.values()];
    this.#send(waiting.filter(({ call }) => call.brief));
    for (const pending of waiting) if (!pending.call.brief) this.#send([pending]);
    this.#watchIdle();
  }

  /** At the end of this turn, with the others of it. */
  #sendSoon(pending: Pending): void {
    if (this.#gathered.push(pending) > 1) return;
    queueMicrotask(() => {
      const gathered = this.#gathered;
      this.#gathered = [];
      // Some may have been given up meanwhile.
      this.#send(gathered.filter((one) => this.#pending.get(one.call.id) === one));
    });
  }

  #send(some: readonly Pending[]): void {
    if (some.length === 0 || this.#state !== "open") return;
    if (this.#socket.readyState !== this.#socket.OPEN) {
      // The other side has said that it closes, and nothing comes over it any more.
      this.#end("it was closing", CLOSE_UNKNOWN);
      return;
    }
    const sentMs = performance.now();
    for (const pending of some) pending.sentMs = sentMs;
    for (const frame of pack(some.map(({ call }) => call))) this.#socket.send(frame);
  }

  #heard(data: unknown): void {
    if (this.#state === "ended") return;
    if (this.#heardMs < 0) this.#options.onHeard();
    this.#heardMs = performance.now();
    const answers = typeof data === "string" ? parseAnswers(data) : null;
    if (answers === null) this.#end("something came over it that is no JSON-RPC answer", null);
    else for (const answer of answers) this.#take(answer);
  }

  #take(answer: Answer): void {
    const pending = this.#pending.get(answer.id as number);
    if (pending !== undefined) this.#settle(pending, answer);
    else if (answer.id === null) this.#answerToUnread(answer);
    else this.#late(answer);
  }

  /** The service could not even read a call's id. That is the call's answer where there is only one that it can mean. */
  #answerToUnread(answer: Answer): void {
    const [pending, other] = this.#pending.values();
    if (pending === undefined || other !== undefined) this.#end("a call was refused without its id", null);
    else this.#settle(pending, answer);
  }

  #settle(pending: Pending, answer: Answer): void {
    this.#forget(pending);
    if ("error" in answer) pending.reject(rpcError(pending.call.method, answer.error));
    else pending.resolve(answer.result);
    this.#watchIdle();
  }

  #late(answer: Answer): void {
    const call = this.#givenUp.get(answer.id as number);
    if (call === undefined) return;
    this.#givenUp.delete(call.id);
    if ("result" in answer) call.late?.(answer.result);
    this.#watchIdle();
  }

  /** False if the call had been settled already. */
  #forget(pending: Pending): boolean {
    pending.call.signal?.removeEventListener("abort", pending.onAbort);
    return this.#pending.get(pending.call.id) === pending && this.#pending.delete(pending.call.id);
  }

  #giveUp(pending: Pending, reason: unknown): void {
    if (!this.#forget(pending)) return;
    pending.reject(reason);
    if (this.#state === "open") {
      this.#givenUp.set(pending.call.id, pending.call);
      if (pending.call.waits) this.#retire();
    }
    this.#watchIdle();
  }

  #retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    this.#options.onRetired();
  }

  /** Closes what is retired and done with, and sees to it that what is idle is closed in time. */
  #watchIdle(): void {
    if (this.#state !== "open" || this.#pending.size > 0) return;
    this.#idleSinceMs = performance.now();
    if (this.#retired) this.close();
    else this.#alarm.by(this.#idleUntilMs);
  }

  get #idleUntilMs(): number {
    return this.#idleSinceMs + this.#options.patience.idleMs;
  }

  /** Looks after what has arrived meanwhile was read: a process that stood still has answers waiting for it. */
  #rang(): void {
    setImmediate(() => this.#look());
  }

  #look(): void {
    const now = performance.now();
    for (const pending of [...this.#pending.values()]) if (pending.untilMs <= now) this.#timedOut(pending);
    const idle = this.#state === "open" && this.#pending.size === 0 && this.#idleUntilMs <= now;
    if (this.#state === "opening" && this.#openByMs <= now) this.#end("its handshake took too long", null);
    else if (idle) this.close();
    else if (this.#state !== "ended") this.#alarm.by(this.#nextMs());
  }

  #nextMs(): number {
    if (this.#state === "open" && this.#pending.size === 0) return this.#idleUntilMs;
    let next = this.#state === "opening" ? this.#openByMs : Number.POSITIVE_INFINITY;
    for (const { untilMs } of this.#pending.values()) next = Math.min(next, untilMs);
    return next;
  }

  /** A connection over which nothing has come since a call was sent, for the whole time the call had, is taken for dead. */
  #timedOut(pending: Pending): void {
    const { call, sentMs } = pending;
    const outcome = sentMs === Number.POSITIVE_INFINITY ? "not_sent" : "unknown";
    const message = `No answer from ${this.#options.url} within ${Math.round(call.timeoutMs) / 1000} s.`;
    this.#giveUp(pending, new TransportError(call.method, message, { outcome }));
    if (outcome === "unknown" && this.#heardMs < sentMs) this.#end("nothing comes over it any more", null);
  }

  #end(why: string, code: number | null): void {
    if (this.#state === "ended") return;
    const mute = this.#heardMs < 0 && code !== CLOSE_DONE;
    const wasOpen = this.#state === "open";
    this.#state = "ended";
    this.#retire();
    this.#alarm.clear();
    this.#givenUp.clear();
    endSocket(this.#socket, code === null);
    this.#options.onEnd(mute || code === CLOSE_TOO_LARGE);
    for (const pending of [...this.#pending.values()]) {
      this.#forget(pending);
      pending.reject(wasOpen ? this.#lost(pending, why) : new NotCarried());
    }
  }

  #lost({ call, sentMs }: Pending, why: string): TransportError {
    const outcome = sentMs === Number.POSITIVE_INFINITY ? "not_sent" : "unknown";
    return new TransportError(call.method, `The connection to ${this.#options.url} broke: ${why}.`, { outcome });
  }
}

function closedBecause(code: number, reason: string): string {
  return `it was closed with code ${code}${reason === "" ? "" : ` (${reason})`}`;
}

/** Headers in a second argument are no part of the standard, but Bun, Deno and Node take them there in the same form. */
function openSocket(url: string, headers: Readonly<Record<string, string>>): WebSocket {
  if (typeof WebSocket === "undefined") throw new TypeError("There is no WebSocket here.");
  if (Object.keys(headers).length === 0) return new WebSocket(url);
  const Socket = WebSocket as unknown as new (url: string, options: { headers: typeof headers }) => WebSocket;
  return new Socket(url, { headers });
}

/**
 * Closes by the protocol, and stops listening at once. That waits for the other side's word, which a `dead` connection
 * never gives: it is cut where the runtime can (Bun; elsewhere it stays until TCP gives it up, and may hold up the end of
 * the process).
 */
function endSocket(socket: WebSocket, dead: boolean): void {
  socket.onopen = null;
  socket.onmessage = null;
  socket.onerror = null;
  socket.onclose = null;
  try {
    if (dead && "terminate" in socket && typeof socket.terminate === "function") socket.terminate();
    else socket.close(CLOSE_DONE);
  } catch {
    // Not even open yet, or not open any more.
  }
}
