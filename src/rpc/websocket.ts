import { Refusal } from "../domain/refusals.ts";
import type { OpenSocket, Socket, SocketEvents } from "../lib/socket.ts";
import { type CallOfSocket, callOfSocket } from "./caller.ts";
import type { Dispatch } from "./dispatch.ts";
import { readEnvelope } from "./envelope.ts";
import type { ErrorLog } from "./errors.ts";
import type { BodyLimits } from "./limits.ts";

/**
 * Bytes of answers that may lie unread when a further one is due; with more, the connection is closed. Twice what 64 tasks
 * of 256 KiB come to, a worker's fill at the default limits. A single answer may be larger.
 */
const UNREAD_BYTES_MAX = 32 * 1024 * 1024;

/** Close codes of RFC 6455 and of its registry. */
const CLOSE = {
  goingAway: 1001,
  unsupportedData: 1003,
  internalError: 1011,
  tryAgainLater: 1013,
} as const;

/** What was not begun may be sent again, here or elsewhere, without a thought: so `overloaded`, also while stopping. */
const NOT_BEGUN = new Refusal("overloaded", { retryAfterSeconds: 1 });

export interface SocketOptions {
  dispatch: Dispatch;
  log: ErrorLog;
  /** Aborted when the service begins to stop: what runs is answered, then each connection is closed. */
  stopping: AbortSignal;
  /** The project of calls that name none. */
  project: string;
  /** Connections at a time. */
  socketsMax: number;
  /** Calls of one connection that may run at a time; beyond, calls are refused as overloaded. A batch counts its members. */
  callsMax: number;
  limits?: BodyLimits;
}

/**
 * The service over WebSockets: a text message is what a body of POST /rpc is, and its answer a message too. Calls of a
 * connection run concurrently and are answered as they end; nothing is sent that was not asked for.
 */
export class RpcSockets {
  readonly #options: SocketOptions;
  readonly #connections = new Set<RpcSocket>();
  readonly #due: RpcSocket[] = [];

  constructor(options: SocketOptions) {
    this.#options = options;
    options.stopping.addEventListener("abort", () => {
      for (const connection of this.#connections) connection.stop();
    });
  }

  /** Connections that are open now. */
  get count(): number {
    return this.#connections.size;
  }

  /** Whether a further connection would be taken. */
  get hasRoom(): boolean {
    return this.#connections.size < this.#options.socketsMax && !this.#options.stopping.aborted;
  }

  readonly open: OpenSocket = (socket) => {
    const connection = new RpcSocket(socket, this.#options, {
      answersDue: () => this.#flushSoon(connection),
      closed: () => void this.#connections.delete(connection),
    });
    const { hasRoom } = this;
    this.#connections.add(connection);
    // There may have been room when the handshake was answered, and none when the connection opens.
    if (!hasRoom) socket.end(CLOSE.tryAgainLater, "No further WebSocket is taken now.");
    return connection;
  };

  /**
   * Writes the answers of this turn of the event loop together: calls that shared a commit are answered in one turn. Seen
   * with 64 callers on one connection: 19 answers a write (16 when flushed by a microtask), 2 µs less of about 11 a call.
   */
  #flushSoon(connection: RpcSocket): void {
    if (this.#due.push(connection) === 1) setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    for (const connection of this.#due.splice(0)) connection.flush();
  };
}

interface SocketOwner {
  /** The connection has an answer to be flushed; not told again until it is. */
  answersDue(): void;
  closed(): void;
}

class RpcSocket implements SocketEvents {
  readonly #socket: Socket;
  readonly #options: SocketOptions;
  readonly #owner: SocketOwner;
  readonly #call: CallOfSocket;
  #running = 0;
  #answers: string[] = [];

  constructor(socket: Socket, options: SocketOptions, owner: SocketOwner) {
    this.#socket = socket;
    this.#options = options;
    this.#owner = owner;
    this.#call = callOfSocket(options.project);
  }

  text(text: string): void {
    void this.#answer(text);
  }

  binary(): void {
    this.#socket.end(CLOSE.unsupportedData, "Calls are sent as text.");
  }

  closed(): void {
    this.#call.abort();
    this.#owner.closed();
  }

  /** Lets waiting calls end at once and closes when the last is answered. */
  stop(): void {
    this.#call.abort();
    this.#endIfDone();
  }

  flush(): void {
    const answers = this.#answers;
    this.#answers = [];
    let unread = this.#socket.buffered;
    for (let at = 0; at < answers.length - 1; at++) unread += answers[at]!.length;
    if (unread > UNREAD_BYTES_MAX) {
      // The other side may be long in taking note; its waiting claims end now.
      this.#call.abort();
      this.#socket.cut(CLOSE.tryAgainLater, "Answers are not being read.");
    } else {
      this.#socket.send(answers);
      this.#endIfDone();
    }
  }

  async #answer(text: string): Promise<void> {
    const { dispatch, log, stopping, callsMax, limits } = this.#options;
    try {
      const envelope = readEnvelope(text, limits);
      const calls = envelope.kind === "batch" ? envelope.entries.length : 1;
      const refusal = stopping.aborted || this.#running + calls > callsMax ? NOT_BEGUN : undefined;
      this.#running += calls;
      const answer = await dispatch(envelope, this.#call, refusal);
      this.#running -= calls;
      if (answer === null) this.#endIfDone();
      else if (this.#answers.push(answer) === 1) this.#owner.answersDue();
    } catch (error) {
      log.error("A WebSocket message failed inside the service.", { error });
      this.#socket.end(CLOSE.internalError, "Internal error.");
    }
  }

  #endIfDone(): void {
    if (this.#options.stopping.aborted && this.#running === 0 && this.#answers.length === 0) {
      this.#socket.end(CLOSE.goingAway, "The service is stopping.");
    }
  }
}
