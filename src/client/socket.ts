import { Connection, NotCarried, type Patience } from "./connection.ts";
import { TransportError } from "./errors.ts";
import { fitsFrame } from "./frames.ts";
import type { Exchange, Transport } from "./transport.ts";

const PATIENCE: SocketPatience = { openMs: 5000, idleMs: 5000, httpLeastMs: 5000, httpMostMs: 300_000 };

export interface SocketPatience extends Patience {
  /** After a handshake that failed calls go over HTTP alone for this long, doubling from the least to the most. */
  readonly httpLeastMs: number;
  readonly httpMostMs: number;
}

export interface SocketOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Carries what no WebSocket can. */
  readonly http: Transport;
  /** For tests, which have less of it. */
  readonly patience?: Partial<SocketPatience>;
}

/**
 * All calls over one WebSocket, opened when the first comes. Where none can be had (this runtime has none, the service or
 * a proxy refuses the handshake), calls go over HTTP, and after a while a handshake is tried again beside them.
 */
export class SocketTransport implements Transport {
  readonly #options: SocketOptions;
  readonly #patience: SocketPatience;
  #connection: Connection | null = null;
  readonly #retired = new Set<Connection>();
  #closed = false;
  /** Until then no handshake is tried. */
  #httpUntilMs = Number.NEGATIVE_INFINITY;
  /** How long HTTP was last kept to; 0 while WebSockets are believed to work. */
  #httpMs = 0;

  constructor(options: SocketOptions) {
    this.#options = options;
    this.#patience = { ...PATIENCE, ...options.patience };
  }

  exchange(call: Exchange): Promise<unknown> {
    if (this.#closed) return Promise.reject(closed());
    if (!fitsFrame(call)) return this.#options.http.exchange(call);
    const connection = this.#connect();
    if (connection?.isOpen) return connection.exchange(call);
    if (connection === null || this.#httpMs > 0) return this.#overHttp(call, call.timeoutMs);
    const startedMs = performance.now();
    return connection.exchange(call).catch((error: unknown) => {
      if (!(error instanceof NotCarried)) throw error;
      if (this.#closed) throw closed();
      return this.#overHttp(call, Math.max(startedMs + call.timeoutMs - performance.now(), 1));
    });
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close();
    for (const connection of this.#retired) connection.close();
  }

  /** The connection, made if there is none and one may be tried. */
  #connect(): Connection | null {
    if (this.#connection !== null || performance.now() < this.#httpUntilMs) return this.#connection;
    const { url, headers } = this.#options;
    try {
      const connection: Connection = new Connection({
        url,
        headers,
        patience: this.#patience,
        onHeard: () => {
          this.#httpMs = 0;
        },
        onRetired: () => {
          if (this.#connection === connection) this.#connection = null;
          this.#retired.add(connection);
        },
        onEnd: (unfit) => {
          this.#retired.delete(connection);
          if (unfit) this.#keepToHttp();
        },
      });
      this.#connection = connection;
    } catch {
      this.#keepToHttp();
    }
    return this.#connection;
  }

  #keepToHttp(): void {
    const { httpLeastMs, httpMostMs } = this.#patience;
    this.#httpMs = Math.min(Math.max(this.#httpMs * 2, httpLeastMs), httpMostMs);
    this.#httpUntilMs = performance.now() + this.#httpMs;
  }

  async #overHttp(call: Exchange, timeoutMs: number): Promise<unknown> {
    try {
      return await this.#options.http.exchange({ ...call, timeoutMs });
    } catch (error) {
      // Nobody is there at all, so the failed handshake says nothing about WebSockets.
      if (error instanceof TransportError && error.status === null && error.outcome === "not_sent") {
        this.#httpMs = 0;
        this.#httpUntilMs = Number.NEGATIVE_INFINITY;
      }
      throw error;
    }
  }
}

const closed = () => new Error("This client was closed.");
