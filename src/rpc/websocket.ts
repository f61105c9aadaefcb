import { Buffer } from "node:buffer";
import type { Guest } from "../engine/credentials.ts";
import type { OpenSocket, Socket, SocketEvents } from "../lib/socket.ts";
import { AnswerRoom } from "./answer-room.ts";
import { type CallOfSocket, callOfSocket } from "./caller.ts";
import type { Dispatch } from "./dispatch.ts";
import { callsIn, readEnvelope } from "./envelope.ts";
import type { ErrorLog } from "./errors.ts";
import { type EnvelopeLimits, NOT_BEGUN, type SharedLimits } from "./limits.ts";
import type { Rates } from "./rates.ts";

/**
 * Bytes of answers that may lie unread when a further one is due; with more, the connection is closed. Twice what 64 tasks
 * of 256 KiB come to, a worker's fill at the default limits. A single answer may be larger.
 */
const UNREAD_BYTES_MAX = 32 * 1024 * 1024;

/** Close codes of RFC 6455 and of its registry. */
const CLOSE = {
  goingAway: 1001,
  unsupportedData: 1003,
  policyViolation: 1008,
  internalError: 1011,
  tryAgainLater: 1013,
} as const;

export interface SocketOptions {
  dispatch: Dispatch;
  log: ErrorLog;
  /** Aborted when the service begins to stop: what runs is answered, then each connection is closed. */
  stopping: AbortSignal;
  /** How many calls somebody may make; null: any number. */
  rates: Rates | null;
  /** Connections at a time. */
  socketsMax: number;
  /** Connections of one key or person at a time; absent: any number. */
  socketsPerKey?: number | undefined;
  /** Calls of one connection that may run at a time; beyond, calls are refused as overloaded. A batch counts its members. */
  callsMax: number;
  /** Bytes of one connection's messages that may be unanswered at a time; beyond, likewise. */
  bytesMax: number;
  limits: SharedLimits;
  body?: EnvelopeLimits;
}

/**
 * The service over WebSockets: a text message is what a body of POST /rpc is, and its answer a message too. Calls of a
 * connection run concurrently and are answered as they end; nothing is sent that was not asked for.
 */
export class RpcSockets {
  readonly #options: SocketOptions;
  readonly #connections = new Set<RpcSocket>();
  /** How many there are by whose they are. */
  readonly #counts = new Map<string, number>();
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

  /** Whether one more of somebody's own would be taken, so that nobody has all there may be. */
  hasRoomFor({ principal }: Guest): boolean {
    return (this.#counts.get(principal.id) ?? 0) < (this.#options.socketsPerKey ?? Number.POSITIVE_INFINITY);
  }

  /** Opens the connections of somebody who has been let in. */
  openFor =
    (guest: Guest, address: string): OpenSocket =>
    (socket) =>
      this.#open(socket, guest, address);

  #open(socket: Socket, guest: Guest, address: string): SocketEvents {
    const { id } = guest.principal;
    const connection = new RpcSocket(
      socket,
      { ...this.#options, guest, address },
      {
        answersDue: () => this.#flushSoon(connection),
        closed: () => this.#connections.delete(connection) && this.#count(id, -1),
      },
    );
    const hasRoom = this.hasRoom && this.hasRoomFor(guest);
    this.#connections.add(connection);
    this.#count(id, 1);
    // There may have been room when the handshake was answered, and none when the connection opens.
    if (!hasRoom) socket.end(CLOSE.tryAgainLater, "No further WebSocket is taken now.");
    return connection;
  }

  #count(id: string, more: 1 | -1): void {
    const count = (this.#counts.get(id) ?? 0) + more;
    if (count > 0) this.#counts.set(id, count);
    else this.#counts.delete(id);
  }

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

/** A connection is somebody's, from its handshake on. */
interface ConnectionOptions extends SocketOptions {
  readonly guest: Guest;
  readonly address: string;
}

interface SocketOwner {
  /** The connection has an answer to be flushed; not told again until it is. */
  answersDue(): void;
  closed(): unknown;
}

interface MadeAnswer {
  readonly text: string;
  readonly room: AnswerRoom;
}

class RpcSocket implements SocketEvents {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #owner: SocketOwner;
  readonly #call: CallOfSocket;
  readonly #leave: () => void;
  #running = 0;
  #bytes = 0;
  #answers: MadeAnswer[] = [];
  /** What was sent and is not taken. */
  readonly #unread: AnswerRoom;

  constructor(socket: Socket, options: ConnectionOptions, owner: SocketOwner) {
    this.#unread = new AnswerRoom(options.limits.answers, options.guest.principal.id);
    this.#socket = socket;
    this.#options = options;
    this.#owner = owner;
    this.#call = callOfSocket(options.guest);
    this.#leave = options.guest.onEnd(() => this.#sendAway());
  }

  text(text: string): void {
    void this.#answer(text);
  }

  binary(): void {
    this.#socket.end(CLOSE.unsupportedData, "Calls are sent as text.");
  }

  drained(): void {
    this.#unread.become(this.#socket.buffered);
  }

  closed(): void {
    this.#unread.give();
    this.#leave();
    this.#call.abort();
    this.#owner.closed();
  }

  /** The credential opens nothing any more, or not the same: what waits ends, and nothing further is taken. */
  #sendAway(): void {
    this.#call.abort();
    this.#socket.cut(CLOSE.policyViolation, "What the credential opens has changed.");
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
    for (let at = 0; at < answers.length - 1; at++) unread += answers[at]!.text.length;
    if (unread > UNREAD_BYTES_MAX) {
      // The other side may be long in taking note; its waiting claims end now.
      this.#call.abort();
      this.#socket.cut(CLOSE.tryAgainLater, "Answers are not being read.");
    } else {
      this.#socket.send(answers.map(({ text }) => text));
      this.#endIfDone();
    }
    for (const { room } of answers) room.give();
    this.#unread.become(this.#socket.buffered);
  }

  async #answer(text: string): Promise<void> {
    const { dispatch, log, stopping, body, rates, guest, address, limits } = this.#options;
    try {
      const envelope = readEnvelope(text, body);
      const calls = callsIn(envelope);
      const bytes = Buffer.byteLength(text);
      const tooMany = stopping.aborted ? undefined : rates?.(guest.principal.id, address, calls);
      const taken = !stopping.aborted && tooMany === undefined && this.#take(calls, bytes);
      this.#running += calls;
      const room = new AnswerRoom(limits.answers, guest.principal.id);
      const answer = await dispatch(envelope, this.#call, tooMany ?? (taken ? undefined : NOT_BEGUN), room).finally(
        () => {
          this.#running -= calls;
          if (taken) this.#give(calls, bytes);
        },
      );
      if (answer === null) this.#endIfDone();
      else if (this.#answers.push({ text: answer, room }) === 1) this.#owner.answersDue();
    } catch (error) {
      log.error("A WebSocket message failed inside the service.", { error });
      this.#socket.end(CLOSE.internalError, "Internal error.");
    }
  }

  /** Whether a message may be begun, by what its connection and all of them together may have under way. */
  #take(calls: number, bytes: number): boolean {
    const { callsMax, bytesMax, limits } = this.#options;
    if (this.#running + calls > callsMax || this.#bytes + bytes > bytesMax) return false;
    if (!limits.calls.take(calls)) return false;
    if (!limits.bodies.take(bytes)) {
      limits.calls.give(calls);
      return false;
    }
    this.#bytes += bytes;
    return true;
  }

  #give(calls: number, bytes: number): void {
    this.#bytes -= bytes;
    this.#options.limits.calls.give(calls);
    this.#options.limits.bodies.give(bytes);
  }

  #endIfDone(): void {
    if (this.#options.stopping.aborted && this.#running === 0 && this.#answers.length === 0) {
      this.#socket.end(CLOSE.goingAway, "The service is stopping.");
    }
  }
}
