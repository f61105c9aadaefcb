import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import type { Server, ServerWebSocket } from "bun";
import type { Channel } from "./stub-service.ts";

/** How handshakes are refused: with an HTTP status, or by saying nothing; null: they are accepted. */
export type Refused = number | "silence" | null;

interface Caller {
  readonly gone: AbortController;
}

/**
 * The stub's WebSockets. Bun.serve speaks the protocol, on a port of its own; the stub's HTTP server, which alone can
 * break a connection as tests need it, hands the bytes of each upgraded connection on to it.
 */
export class StubSockets {
  refuse: Refused = null;
  /** What came with each handshake. */
  readonly handshakes: IncomingHttpHeaders[] = [];
  readonly #open = new Set<ServerWebSocket<Caller>>();
  /** Those whose handshake is left without an answer. */
  readonly #silent = new Set<Duplex>();
  readonly #serve: (text: string, channel: Channel) => void;
  #server: Server<Caller> | undefined;

  constructor(serve: (text: string, channel: Channel) => void) {
    this.#serve = serve;
  }

  /** Connections that are open just now. */
  get open(): number {
    return this.#open.size;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.handshakes.push(request.headers);
    socket.on("error", () => {});
    if (this.refuse === "silence") {
      this.#silent.add(socket);
      return;
    }
    if (this.refuse !== null) {
      socket.end(`HTTP/1.1 ${this.refuse} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    this.#server ??= this.#listen();
    const inner = connect(this.#server.port ?? 0, "127.0.0.1", () => {
      const headers = request.rawHeaders.map((text, at) => (at % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join("");
      inner.write(`GET ${request.url} HTTP/1.1\r\n${headers}\r\n`);
      inner.write(head);
      socket.pipe(inner).pipe(socket);
    });
    inner.on("error", () => {});
    inner.on("close", () => socket.destroy());
    socket.on("close", () => inner.destroy());
  }

  /** Breaks every connection. */
  breakAll(): void {
    for (const socket of this.#open) socket.terminate();
  }

  /** Closes every connection as a service that stops does. */
  closeAll(code = 1001, reason = "stopping"): void {
    for (const socket of this.#open) socket.close(code, reason);
    for (const socket of this.#silent) socket.destroy();
  }

  /** Sends a text to every connection that nobody asked for. */
  blurt(text: string): void {
    for (const socket of this.#open) socket.send(text);
  }

  #listen(): Server<Caller> {
    const server = Bun.serve<Caller>({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, self) =>
        self.upgrade(request, { data: { gone: new AbortController() } })
          ? undefined
          : new Response(null, { status: 400 }),
      websocket: {
        open: (socket) => void this.#open.add(socket),
        close: (socket) => {
          this.#open.delete(socket);
          socket.data.gone.abort();
        },
        message: (socket, text) =>
          this.#serve(String(text), {
            over: "websocket",
            gone: socket.data.gone.signal,
            lose: () => socket.terminate(),
            answer: (answer) => void socket.send(answer),
          }),
      },
    });
    server.unref();
    return server;
  }
}
