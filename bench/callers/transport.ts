import type { MethodName, Params, Result } from "../../src/client/index.ts";
import type { TransportName } from "../options.ts";

/** The service's addresses, without /rpc; several for several replicas. */
export interface Target {
  readonly urls: readonly string[];
  readonly transport: TransportName;
  /** WebSocket connections for each address. */
  readonly connections: number;
}

/**
 * As little client as can be: what is measured is the service, so what the real client adds (retries, requestIds, time-outs)
 * is left to the workloads that run the real Worker. Rejects when the service refuses.
 */
export interface Transport {
  call<M extends MethodName>(method: M, params: Params<M>): Promise<Result<M>>;
  close(): void;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string };
}

/** A transport for each address. */
export function openTransports({ urls, transport, connections }: Target): Promise<Transport[]> {
  return Promise.all(urls.map((url) => (transport === "HTTP" ? overHttp(url) : overWebSocket(url, connections))));
}

function overHttp(url: string): Transport {
  const closing = new AbortController();
  return {
    async call<M extends MethodName>(method: M, params: Params<M>) {
      const response = await fetch(`${url}/rpc`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
        // Long polls alone need to be cut off, and a signal costs each call something.
        ...(method === "task.claim" ? { signal: closing.signal } : {}),
      });
      return resultOf((await response.json()) as Answer) as Result<M>;
    },
    close: () => closing.abort(),
  };
}

async function overWebSocket(url: string, connections: number): Promise<Transport> {
  const open = () => Connection.open(`${url.replace(/^http/, "ws")}/rpc`);
  const sockets = await Promise.all(Array.from({ length: connections }, open));
  let next = 0;
  return {
    call: <M extends MethodName>(method: M, params: Params<M>) =>
      sockets[next++ % sockets.length]!.call(method, params) as Promise<Result<M>>,
    close: () => {
      for (const socket of sockets) socket.close();
    },
  };
}

/** One WebSocket with any number of calls in flight: a message a text frame, answers matched by id. */
class Connection {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  #lastId = 0;

  static open(url: string): Promise<Connection> {
    const socket = new WebSocket(url);
    return new Promise((resolve, reject) => {
      socket.onopen = () => resolve(new Connection(socket));
      socket.onclose = ({ code }) => reject(new Error(`There is no WebSocket at ${url} (${code}).`));
    });
  }

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#answer(JSON.parse(String(data)) as Answer);
    socket.onclose = ({ code, reason }) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`The WebSocket closed: ${code} ${reason}`));
      this.#waiting.clear();
    };
  }

  call(method: string, params: unknown): Promise<unknown> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  }

  close(): void {
    this.#socket.close();
  }

  #answer(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    try {
      waiting?.resolve(resultOf(answer));
    } catch (error) {
      waiting?.reject(error as Error);
    }
  }
}

function resultOf(answer: Answer): unknown {
  if (answer.error) throw new Error(`The service refused: ${answer.error.code} ${answer.error.message}`);
  return answer.result;
}
